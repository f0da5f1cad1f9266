"""Nets whose modules torch has compiled, and the same without."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from skorch import NeuralNet
from torch import nn

from skal_deep.modules._rng import one_thread_at_a_time


def is_compiled(module: nn.Module) -> bool:
    """Return whether a module, or a part of it, was compiled by ``torch.compile``."""
    return any(
        hasattr(part, "_orig_mod") or part._compiled_call_impl is not None
        for part in module.modules()
    )


def eager_module(module: nn.Module) -> nn.Module:
    """Return a module that computes the same, by the same weights, and is not compiled.

    Compiled code does not call the hooks that find embeddings and drive dropout.
    """
    if not is_compiled(module):
        return module
    with one_thread_at_a_time():  # hooks of another thread's draws are not copied
        tensors = chain(module.parameters(), module.buffers())
        memo: dict[int, Any] = {id(tensor): tensor for tensor in tensors}
        for part in reversed(list(module.modules())):  # from the inside out
            if hasattr(part, "_orig_mod"):
                memo[id(part)] = copy.deepcopy(part._orig_mod, memo)
        return copy.deepcopy(module, memo)  # which leaves compiled calls behind


def with_attributes(owner: Any, **attributes: Any) -> Any:
    """Return a view of an object that shares all its attributes but some."""
    view = object.__new__(type(owner))
    vars(view).update(vars(owner), **attributes)
    return view


def eager_net(net: NeuralNet) -> NeuralNet:
    """Return a net to be asked: itself, or a view whose module is not compiled."""
    module = vars(net).get("module_")
    if module is None or not is_compiled(module):
        return net
    return with_attributes(net, module_=eager_module(module))


@contextmanager
def compiled_training(net: NeuralNet, options: dict[str, Any] | None) -> Iterator[None]:
    """Compile the module of a net for a while; not at all where options are ``None``.

    The module is compiled in place, so that its class, its parameters and the names in
    its state are what they are without.
    """
    module = net.module_
    if options is not None:
        module.compile(**options)
    try:
        yield
    finally:
        # Compiled code calls no hooks, and predictions find embeddings and drive
        # dropout by hooks. So only the training is compiled.
        module._compiled_call_impl = None
