"""Modes of torch around a kernel: it returns what it returns without them."""

import doctest
import inspect
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map_only

from skal_deep import functional

MODES = {
    "autocast": partial(torch.autocast, "cpu", dtype=torch.bfloat16),
    "device": partial(torch.device, "meta"),
}
# Under autocast, torch itself sees to the numbers of what trains a net.
LOSSES = {"gaussian_divergence", "log_softmax_bound", "ranking_loss"}


def calls_in_example(name, monkeypatch):
    """Return the arguments that the example in a kernel's docstring gives it."""
    kernel, calls = getattr(functional, name), []

    def record(*args, **params):
        calls.append((args, params))
        return kernel(*args, **params)

    with monkeypatch.context() as changed:
        changed.setattr(functional, name, record)
        names = {}
        for example in doctest.DocTestParser().get_examples(inspect.getdoc(kernel)):
            exec(example.source, names)
    assert calls
    return calls


def answer(kernel, args, params):
    """Return the arrays that a kernel returns for copies of arguments, in float32."""
    if "generator" in inspect.signature(kernel).parameters:
        params = params | {"generator": torch.Generator().manual_seed(0)}
    args, params = tree_map_only(torch.Tensor, as_single, deepcopy((args, params)))
    found = kernel(*args, **params)
    return tree_leaves(vars(found) if hasattr(found, "__dict__") else found)


def as_single(tensor):
    return tensor.float() if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("name", functional.__all__)
def test_a_kernel_returns_what_it_does_without_a_mode(name, mode, monkeypatch):
    kernel = getattr(functional, name)
    for call in calls_in_example(name, monkeypatch):
        expected = answer(kernel, *call)
        with mode():
            found = answer(kernel, *call)
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_all_kernels_but_losses_leave_modes():
    """An example reaches not all products and random numbers of a kernel."""
    plain = {
        name
        for name in functional.__all__
        if hasattr(getattr(functional, name), "__wrapped__")
    }
    assert plain == set(functional.__all__) - LOSSES
