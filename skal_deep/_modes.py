"""Modes of torch that are not taken over as they are from whoever asks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache

import torch

_DEVICES = "cpu", "cuda", "mps", "xpu"


@contextmanager
def cpu_by_default() -> Iterator[None]:
    """Leave ``torch.set_default_device`` of the caller for a while.

    Random numbers and counters of ours are made on the processor, beside the rows, and
    nets lie where ``net.device`` says. So a module in which a tensor is made without a
    device, such as ``torch.arange(n)``, finds it on the processor, too: it should say
    ``device=x.device``.
    """
    with nullcontext() if torch.empty(0).is_cpu else torch.device("cpu"):
        yield


@contextmanager
def plain_torch() -> Iterator[None]:
    """Leave autocast, inference mode and default device of the caller for a while.

    Distances and scores in half precision would choose other rows, and nets that a
    strategy trains need gradients.

    See Also
    --------
    skal_deep.classifier.inference_precision : Half precision of nets alone.

    Examples
    --------
    >>> import torch
    >>> from skal_deep._modes import plain_torch
    >>> with torch.autocast("cpu", dtype=torch.bfloat16), plain_torch():
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    cast = list(filter(torch.is_autocast_enabled, _autocast_devices()))
    is_inference = torch.is_inference_mode_enabled()
    if torch.empty(0).is_cpu and not cast and not is_inference:
        yield  # as nearly always: a kernel may take no longer than to look further
        return
    with ExitStack() as left:
        left.enter_context(torch.device("cpu"))
        for device in cast:
            left.enter_context(torch.autocast(device, enabled=False))
        if is_inference:
            left.enter_context(torch.inference_mode(False))
        yield


@contextmanager
def weights_cast_anew() -> Iterator[None]:
    """Have ``torch.autocast`` of the caller cast weights at each pass for a while.

    It keeps what it has cast until it ends. Steps of a training inside it would change
    weights that no pass looks at.
    """
    keeps = torch.is_autocast_cache_enabled()
    if not any(map(torch.is_autocast_enabled, _autocast_devices())):
        yield
        return
    try:
        torch.set_autocast_cache_enabled(False)
        yield
    finally:
        torch.set_autocast_cache_enabled(keeps)


@cache
def _autocast_devices() -> list[str]:
    """Return the kinds of devices that autocast knows here."""
    return list(filter(torch.amp.is_autocast_available, _DEVICES))
