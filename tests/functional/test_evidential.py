"""Losses of evidential classification."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Dirichlet, kl_divergence

from skal_deep.functional.evidential import (
    evidential_loss,
    kl_to_uniform,
    misleading_evidence,
)

GOLDEN = {
    name.removeprefix("G_"): torch.as_tensor(value)
    for name, value in np.load(
        Path(__file__).parent.parent / "golden" / "posteriors.npz"
    ).items()
    if name.startswith("G_")
}
ALPHA, Y = GOLDEN["alpha"], GOLDEN["y"]


@pytest.mark.parametrize(
    ("kind", "golden"),
    [("log", "loss_typeII"), ("digamma", "loss_digamma"), ("mse", "loss_mse")],
)
def test_golden_losses(kind, golden):
    torch.testing.assert_close(evidential_loss(ALPHA - 1, Y, kind), GOLDEN[golden])


def test_golden_divergence():
    torch.testing.assert_close(misleading_evidence(ALPHA - 1, Y), GOLDEN["kl"])
    torch.testing.assert_close(kl_to_uniform(GOLDEN["alpha_tilde"]), GOLDEN["kl"])


@pytest.mark.slow
@given(st.lists(st.floats(0.05, 50), min_size=2, max_size=6))
def test_divergence_is_torchs(alpha):
    alpha = torch.tensor([alpha], dtype=torch.float64)
    expected = kl_divergence(Dirichlet(alpha), Dirichlet(torch.ones_like(alpha)))
    torch.testing.assert_close(kl_to_uniform(alpha), expected, atol=1e-9, rtol=1e-7)


def test_losses_are_expectations_over_the_dirichlet():
    torch.random.manual_seed(0)
    draws = Dirichlet(ALPHA).sample((100_000,))
    target = torch.nn.functional.one_hot(Y, 3)
    mse = (target - draws).square().sum(-1).mean(0)
    digamma = -draws[:, torch.arange(4), Y].log().mean(0)
    log = -draws[:, torch.arange(4), Y].mean(0).log()
    for kind, expected in [("mse", mse), ("digamma", digamma), ("log", log)]:
        loss = evidential_loss(ALPHA - 1, Y, kind)
        torch.testing.assert_close(loss, expected, atol=0.03, rtol=0)


def test_evidence_for_the_true_class_costs_nothing():
    evidence = torch.tensor([[7.0, 0.0, 0.0]])
    assert misleading_evidence(evidence, torch.tensor([0])) == 0
    assert misleading_evidence(evidence, torch.tensor([1])) > 1


def test_unknown_losses_are_refused():
    with pytest.raises(ValueError, match="kind must be"):
        evidential_loss(ALPHA, Y, "nll")
