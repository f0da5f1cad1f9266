"""Devices that tensors lie on."""

from functools import cache

import torch
from torch import Tensor


@cache
def for_scores(device: torch.device) -> torch.device:
    """Return where scores of what lies on a device are computed.

    That is the device, or the processor if it knows no float64, as Apple's do not.

    Parameters
    ----------
    device : torch.device
        The device.
    """
    if device.type in ("cpu", "cuda"):  # to start a card would take a second
        return device
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return torch.device("cpu")
    return device


@cache
def has_accelerator() -> bool:
    """Return whether another device than the processor may hold tensors."""
    # counted first, for that leaves CUDA to processes that are forked later
    if torch.cuda.device_count():
        return True
    accelerator = getattr(torch, "accelerator", None)  # torch before 2.6 has none
    return accelerator is None or accelerator.is_available()


@cache
def has_card() -> bool:
    """Return whether scores may be computed elsewhere than on the processor."""
    if not has_accelerator():
        return False
    if not hasattr(torch, "accelerator"):
        return True
    device = torch.accelerator.current_accelerator()
    return device is not None and for_scores(device).type != "cpu"


def computable(answer: Tensor) -> Tensor:
    """Return what a net answers where scores of it are computed.

    Parameters
    ----------
    answer : Tensor
        The answer.
    """
    return answer.to(for_scores(answer.device))
