"""Scores per cost."""

import pytest
import torch

from skal_deep.functional import per_cost


def test_scores_are_divided():
    scores, cost = torch.tensor([1.0, 3.0, 0.0]), torch.tensor([2.0, 3.0, 5.0])
    assert per_cost(scores, cost).tolist() == [0.5, 1.0, 0.0]


def test_negative_scores_are_taken_from_the_lowest_up():
    scores = torch.tensor([-1.0, -3.0, -2.0], dtype=torch.float64)
    ratio = per_cost(scores, torch.tensor([4, 1, 1]))
    assert ratio.tolist() == [0.5, 0.0, 1.0]
    assert ratio.dtype == torch.float64


@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_equal_costs_keep_the_order(shift):
    scores = torch.randn(50, generator=torch.Generator().manual_seed(0)) + shift
    ratio = per_cost(scores, torch.full((50,), 3.0))
    assert torch.equal(ratio.argsort(), scores.argsort())


def test_no_scores():
    assert per_cost(torch.zeros(0), torch.zeros(0)).shape == (0,)
