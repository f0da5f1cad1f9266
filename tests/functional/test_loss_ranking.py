"""Ranking of losses: a golden case, invariances, who gets a gradient."""

import pytest
import torch

from skal_deep.functional import ranking_loss


def test_the_golden_case():
    losses = torch.tensor([0.3, 2, 0.7, 0.7, 0.1, 1.5])
    predicted = torch.tensor([0.5, 1, 0.2, 0.9, 0.4, 0.1])
    # pairs (0, 5), (1, 4), (2, 3) cost 1.4, 0.4, 0.3; the last is a tie
    assert ranking_loss(predicted, losses).item() == pytest.approx(0.7)


def test_nothing_to_pay_in_the_right_order_with_the_margin():
    losses = torch.tensor([0.1, 5.0, 2.0, 0.2])
    assert ranking_loss(torch.tensor([0.0, 9.0, 7.9, 1.0]), losses) == 0
    assert ranking_loss(torch.tensor([0.0, 9.0, 8.1, 1.0]), losses) > 0
    assert ranking_loss(torch.tensor([0.0, 9.0, 8.1, 1.0]), losses, margin=0.5) == 0


def test_only_the_order_of_losses_matters():
    generator = torch.Generator().manual_seed(0)
    predicted, losses = torch.rand((2, 20), generator=generator)
    cost = ranking_loss(predicted, losses)
    assert torch.equal(cost, ranking_loss(predicted, losses.exp() * 7 - 3))
    torch.testing.assert_close(cost, ranking_loss(predicted + 5, losses))
    torch.testing.assert_close(cost, ranking_loss(predicted.flip(0), losses.flip(0)))


def test_an_odd_row_is_in_no_pair():
    losses, predicted = torch.tensor([3.0, 9.0, 1.0]), torch.tensor([0.2, -50.0, 0.4])
    assert ranking_loss(predicted, losses).item() == pytest.approx(1.2)
    assert ranking_loss(predicted[:1], losses[:1]) == 0
    assert ranking_loss(predicted[:0], losses[:0]) == 0


def test_losses_get_no_gradient():
    losses = torch.tensor([3.0, 1.0], requires_grad=True)
    predicted = torch.tensor([0.0, 0.0], requires_grad=True)
    ranking_loss(predicted, losses * 2).backward()
    assert losses.grad is None
    assert predicted.grad.tolist() == [-1.0, 1.0]
