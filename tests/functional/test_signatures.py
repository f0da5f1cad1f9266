"""Kernels that pick take their arguments in one order."""

import inspect

import pytest
import torch

from skal_deep import functional

KERNELS = {
    name: kernel
    for name in functional.__all__
    if "batch_size" in inspect.signature(kernel := getattr(functional, name)).parameters
}


@pytest.mark.parametrize("name", KERNELS)
def test_data_come_first_and_all_else_by_keyword(name):
    parameters = list(inspect.signature(KERNELS[name]).parameters.values())
    at = [parameter.name for parameter in parameters].index("batch_size")
    for parameter in parameters[: at + 1]:
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default is parameter.empty
    rest = parameters[at + 1 :]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in rest)
    last = [parameter.name for parameter in rest]
    if name != "robust_k_center":  # whose picks are found together
        assert last.pop() == "with_utilities"
        assert rest[-1].default is True
    if "generator" in last:
        assert last.pop() == "generator"


@pytest.mark.parametrize("with_utilities", [True, False])
def test_the_highest_scores_and_what_decided_them(with_utilities):
    picks, utilities = functional.top_k(
        torch.tensor([1.0, 3.0, 2.0]), 2, with_utilities=with_utilities
    )
    assert picks.tolist() == [1, 2]
    expected = [[1, 3, 2], [1, 0, 2]] if with_utilities else [3, 2]
    assert utilities.tolist() == expected
