"""The ways that only a card takes, taken by the second device.

Compiled loops are run by Triton's interpreter (``TRITON_INTERPRET=1``), and steps that
a card would record are done one by one, where whatever would wait for it is refused.
"""

import warnings

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
    """Refuses what a card refuses while it records: to wait, and to copy to or fro.

    Parameters
    ----------
    before : list of tuple
        What an earlier step did. A card would do it again as it was: the same
        operations, with the same numbers, on the same memory.
    """

    now = None  # who records

    def __init__(self, before):
        super().__init__()
        self._before, self.done, self._made, self._in_loop = before, [], {}, False

    def __enter__(self):
        Recording.now = self
        return super().__enter__()

    def __exit__(self, *error):
        Recording.now = None
        return super().__exit__(*error)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, operation._schema.name.split("::")[1]
        if self._in_loop:
            return operation(*args, **kwargs)
        if self._waits(name, args, kwargs):
            raise RuntimeError(f"not permitted when a stream is capturing: {name}")
        self.note(name, args, kwargs)
        out = operation(*args, **kwargs)
        for number, tensor in enumerate(tree_leaves(out)):
            self._made[id(tensor)] = tensor, (len(self.done), number)
        return out

    def loop(self, run, name, args, options):
        """Run a compiled loop, whose interpreter copies to the processor and back."""
        self.note(name, args, options)
        self._in_loop = True
        try:
            return run()
        finally:
            self._in_loop = False

    def note(self, name, args, kwargs):
        """Note what is done, and raise if a card would do something else."""
        given = [self._known(each) for each in tree_leaves((args, kwargs))]
        at = len(self.done)
        self.done.append((name, *given))
        if self._before and self._before[at : at + 1] != self.done[-1:]:
            raise RuntimeError(
                f"a step is repeated as it was recorded, but now it does "
                f"{self.done[-1]} where it did {self._before[at : at + 1]}"
            )

    def _known(self, given):
        """Return what tells an argument: made in this step, before it, or a number."""
        if not isinstance(given, torch.Tensor):
            return repr(given)
        if id(given) in self._made:
            return self._made[id(given)][1]
        return given.data_ptr(), tuple(given.shape), given.stride()

    def _waits(self, name, args, kwargs):
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        to = kwargs.get("device")
        if given and to is not None and is_there(given[0]) != is_there_device(to):
            return True
        if not any(map(is_there, given)):
            return False
        if name in _BY_ROWS:
            rows = [t for t in tree_leaves(args[1]) if t is not None]
            return any(t.dtype == torch.bool or not is_there(t) for t in rows)
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
    """Return what runs a loop by its name."""

    def interpreted(loop, grid, *args, **options):
        def quietly():
            with warnings.catch_warnings():  # of lanes that are masked
                warnings.simplefilter("ignore")
                return run(loop, grid, *args, **options)

        if Recording.now is None:
            return quietly()
        return Recording.now.loop(quietly, loop, (grid, *args), options)

    return interpreted


def _one_by_one(self, n_times):
    """Do a step so many times, from the second on as a card does what it recorded."""
    is_recorded = (
        is_there_device(self._device) and n_times >= _repeated._WORTH_RECORDING
    )
    if not is_recorded:
        for _ in range(n_times):
            self._step()
        return
    if not hasattr(self, "_before"):  # a graph is kept from call to call
        self._step()
        n_times, self._before = n_times - 1, []
    for _ in range(n_times):
        with Recording(self._before) as recording:
            self._step()
        self._before = recording.done
