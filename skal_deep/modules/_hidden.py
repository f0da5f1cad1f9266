"""Dropout that no layer shows, found by what draws random numbers in a pass."""

import ctypes
import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from skal_deep._put_back import put_back
from skal_deep.modules._attention import dropped_share
from skal_deep.modules._dropout import (
    dropout_layers,
    eval_mode,
    in_train_mode,
)
from skal_deep.modules._hooks import as_before
from skal_deep.modules._rng import one_thread_at_a_time

# Torch's own layers whose train mode changes more than dropout, or what hooks reach.
_LEFT_IN_EVAL = (_NormBase, nn.RNNBase, nn.MultiheadAttention, nn.RReLU)
# The global generators are those of other threads, too, such as the event loop of a
# dask worker: what moves them in one pass must do so in some more to be the module's.
_N_MORE_LOOKS = 4
_BYTES_OF_MT19937 = 4 * (624 + 1)  # its words, and how many of them are used up


@dataclass(frozen=True)
class RandomSite:
    """A place where a pass draws random numbers.

    Attributes
    ----------
    part : str
        Name of the part of the module.
    what : str
        The function that drops or draws, as far as it is known.
    of_attention : bool
        Whether it drops attention by a function that can be told its masks.
    """

    part: str
    what: str
    of_attention: bool = False


class RandomPass(TorchFunctionMode):
    """Watches one forward pass for what is random in it.

    Dropout written as a function has no layer to hook: in eval mode it is silently
    off, and left in train mode it draws another mask for each row. Calls of
    ``F.dropout``, ``torch.dropout`` and ``F.scaled_dot_product_attention`` drop
    nothing meanwhile; whatever else is random moves a generator.

    Parameters
    ----------
    module : nn.Module
        The module whose pass is watched.

    Attributes
    ----------
    sites : dict of RandomSite
        What was found, in its order, as keys.
    moved : set of RandomSite
        Those of them that were found by a generator that had moved.
    ran : set of str
        Names of the parts that ran.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self._module, self._layers = module, dropout_layers(module)
        # what torch's own layers drop in train mode is dropped by hooks instead
        self._torchs = {
            name: part
            for name, part in module.named_modules()
            if isinstance(part, _DropoutNd) and _is_torchs(type(part).forward)
        }
        self.sites: dict[RandomSite, None] = {}
        self.moved: set[RandomSite] = set()
        self.ran: set[str] = set()
        self._running = [""]

    def __enter__(self) -> "RandomPass":
        for name, part in self._module.named_modules():
            if isinstance(part, torch.jit.ScriptModule):  # which takes no such hooks
                continue
            part.register_forward_pre_hook(
                lambda *_, name=name: self._begin(name), prepend=True
            )
            part.register_forward_hook(lambda *_: self._end(), always_call=True)
        self._torchs_states, self._states = _torch_states(), _other_states()
        self._kept = _keeps_a_normal()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        if _keeps_a_normal() != self._kept:
            self.moved.add(self._note("random numbers"))

    def _begin(self, name: str) -> None:
        self._look_everywhere()
        self.ran.add(name)
        self._running.append(name)

    def _end(self) -> None:
        self._look_everywhere()
        self._running.pop()

    def _look_everywhere(self) -> None:
        """Note that something is random if a generator of torch or others has moved."""
        self._look("random numbers")
        states = _other_states()
        if states != self._states:
            self.moved.add(self._note("random numbers"))
            self._states = states

    def _look(self, what: str) -> None:
        """Note that something is random if a generator of torch has moved."""
        states = _torch_states()
        if states != self._torchs_states:
            self.moved.add(self._note(what))
            self._torchs_states = states

    def _note(self, what: str, of_attention: bool = False) -> RandomSite:
        site = RandomSite(self._running[-1], what, of_attention)
        self.sites[site] = None
        return site

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        running = self._running[-1]
        if running in self._torchs and args:
            return args[0]
        if func is F.multi_head_attention_forward and running in self._layers:
            kwargs = kwargs | {"training": False}  # hooks will drop its attention
        name = getattr(func, "__name__", str(func))
        is_python = getattr(func, "__module__", None) == "torch.nn.functional"
        name = f"F.{name}" if is_python else f"torch.{name}"
        if dropped_share(func, args, kwargs) > 0:
            if func is F.scaled_dot_product_attention:
                self._note("F.scaled_dot_product_attention", of_attention=True)
                if len(args) > 4:
                    args = (*args[:4], 0.0, *args[5:])
                    return func(*args, **kwargs)
                return func(*args, **(kwargs | {"dropout_p": 0.0}))
            x: Tensor = kwargs["input"] if "input" in kwargs else args[0]
            layer = self._layers.get(running)
            # a dropout layer whose own forward drops has a hook that does so instead
            if not (isinstance(layer, _DropoutNd) and layer.training):
                self._note(name, _is_attention(x))
            return x
        if kwargs.get("generator") is not None:
            self._note(name)
        self._look("random numbers")
        output = func(*args, **kwargs)
        self._look(name)
        return output


def random_pass(
    module: nn.Module, run: Callable[[], Any], train: Collection[nn.Module] = ()
) -> tuple[RandomPass, Any]:
    """Run a module, and return what is random in the pass and what it returns.

    Parameters
    ----------
    module : nn.Module
        The module. Its flags, hooks and buffers are as before at the end.
    run : callable
        Runs it once; called again where a generator has moved.
    train : collection of nn.Module, default=()
        Parts that are in train mode meanwhile; all others are in eval mode.
    """
    seen, output = _pass(module, run, train)
    for _ in range(_N_MORE_LOOKS):
        if not seen.moved:
            break
        again, _ = _pass(module, run, train)
        for site in seen.moved - again.moved:
            del seen.sites[site]
        seen.moved &= again.moved
    return seen, output


def _pass(
    module: nn.Module, run: Callable[[], Any], train: Collection[nn.Module]
) -> tuple[RandomPass, Any]:
    with (
        one_thread_at_a_time(),
        as_before(module),
        eval_mode(module),
        _same_buffers(module),
        torch.no_grad(),
    ):
        in_train_mode(train)
        with RandomPass(module) as seen:
            output = run()
    return seen, output


def parts_that_may_hide(module: nn.Module) -> list[nn.Module]:
    """Return the parts whose train mode may drop something that no hook drops."""
    return [part for part in module.modules() if _may_hide(part)]


def _may_hide(part: nn.Module) -> bool:
    is_left = isinstance(part, _LEFT_IN_EVAL) and _is_torchs(type(part))
    return not is_left and not isinstance(part, torch.jit.ScriptModule)


def _is_torchs(thing: Any) -> bool:
    return str(thing.__module__).startswith("torch.")


def _is_attention(x: Tensor) -> bool:
    """Return whether a tensor is attention: its last axis sums to one."""
    if x.ndim < 3 or not x.is_floating_point():
        return False
    sums = x.float().sum(-1)
    return bool((x >= 0).all()) and torch.allclose(
        sums, torch.ones_like(sums), atol=1e-2
    )


def _torch_states() -> tuple[Any, ...]:
    """Return where the global generators of torch stand."""
    with torch._C.DisableTorchFunction():
        own = bytes(torch.default_generator.get_state().numpy())
        used = torch.cuda.is_initialized()
        cards = (
            [bytes(s.numpy()) for s in torch.cuda.get_rng_state_all()] if used else []
        )
    return own, cards


def _other_states() -> tuple[Any, ...]:
    """Return where those of NumPy and Python stand, which torch does not move."""
    return _numpy_words(), random.getstate()


def _numpy_words() -> Any:
    """Return where NumPy's global generator stands, by its memory.

    ``np.random.get_state`` copies it word by word, in two thirds of the time that a
    look at all generators would take. What it tells beside is :func:`_keeps_a_normal`.
    """
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    if type(generator) is not np.random.MT19937:  # another one, set by the user
        return repr(generator.state)
    return ctypes.string_at(generator.ctypes.state_address, _BYTES_OF_MT19937)


def _keeps_a_normal() -> bool:
    """Return whether NumPy holds a normal number that moves nothing when it is drawn.

    They are made in pairs.
    """
    return bool(np.random.get_state(legacy=False)["has_gauss"])  # noqa: NPY002


@contextmanager
def _same_buffers(module: nn.Module) -> Iterator[None]:
    """Give a module its buffers back at the end."""
    kept = [
        (part, name, buffer, buffer.clone())
        for part in module.modules()
        for name, buffer in part._buffers.items()
        if buffer is not None
    ]

    def restore() -> None:
        with torch.no_grad():
            for part, name, buffer, values in kept:
                if part._buffers.get(name) is not buffer:
                    part._buffers[name] = buffer
                if not torch.equal(buffer, values):
                    buffer.copy_(values)

    with put_back(restore):
        yield
