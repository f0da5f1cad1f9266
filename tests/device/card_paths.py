"""The ways that only a card takes, taken by the second device.

Compiled loops are run by Triton's interpreter (``TRITON_INTERPRET=1``), and steps that
a card would record are done one by one, where whatever would wait for it is refused.
"""

import warnings
from contextlib import nullcontext

import torch
from second_device import NAME
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skal_deep.functional import _card, _repeated

_WAIT = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
_BY_ROWS = {"index", "index_put_", "_index_put_impl_"}


def is_there(tensor):
    return tensor.device.type == NAME


class Recording(TorchDispatchMode):
    """Refuses what a card refuses while it records: to wait, and to copy to or fro."""

    loops = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation._schema.name.split("::")[1]
        if not self.loops and self._waits(name, args, kwargs or {}):
            raise RuntimeError(f"not permitted when a stream is capturing: {name}")
        return operation(*args, **(kwargs or {}))

    def _waits(self, name, args, kwargs):
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        if not any(map(is_there, given)):
            return kwargs.get("device") == torch.device(NAME) and bool(given)
        if name in _BY_ROWS:
            rows = [t for t in tree_leaves(args[1]) if t is not None]
            return any(t.dtype == torch.bool or not is_there(t) for t in rows)
        to = kwargs.get("device")
        if name == "_to_copy" and to is not None:
            return to.type != NAME
        if name == "copy_":
            return not all(map(is_there, args[:2]))
        return name in _WAIT


def take():
    """Let the package take a card's ways on the second device."""
    from triton import language
    from triton.language.extra import libdevice

    # the interpreter has no operations of a card's own
    libdevice.fast_logf = lambda x: language.log(x)
    _card.is_cuda = is_there_device
    _card._run = _by_interpreter(_card._run)
    _repeated.Repeated.__call__ = _one_by_one


def is_there_device(device):
    return device.type == NAME


def _by_interpreter(run):
    """Return what runs a loop, which the interpreter may copy to the processor."""

    def interpreted(*args, **options):
        Recording.loops += 1
        try:
            with warnings.catch_warnings():  # of lanes that are masked
                warnings.simplefilter("ignore")
                return run(*args, **options)
        finally:
            Recording.loops -= 1

    return interpreted


def _one_by_one(self, n_times):
    """Do a step so many times, from the second on as a card records it."""
    is_recorded = (
        is_there_device(self._device) and n_times >= _repeated._WORTH_RECORDING
    )
    for number in range(n_times):
        with Recording() if is_recorded and number else nullcontext():
            self._step()
