"""Readings of evidence: goldens, Monte Carlo, limits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch.distributions import Dirichlet, kl_divergence

from skal_deep.functional import (
    bald,
    dirichlet_information,
    dirichlet_mean,
    margin,
    vacuity,
)
from skal_deep.functional.evidential import misleading_evidence

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "evidence.npz")
EVIDENCE = torch.as_tensor(GOLDEN["G_alpha"]) - 1


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-6)]
)
def test_golden(dtype, tolerance):
    evidence = EVIDENCE.to(dtype)
    for values, name in (
        (dirichlet_mean(evidence), "G_proba"),
        (vacuity(evidence), "G_u"),
        (dirichlet_information(evidence), "G_mutual_information"),
        (1 - margin(dirichlet_mean(evidence)[None]), "G_margin"),
    ):
        assert values.dtype == dtype
        np.testing.assert_allclose(values, GOLDEN[name], atol=tolerance)


def test_information_is_bald_over_draws_of_the_dirichlet():
    rng = np.random.default_rng(0)
    draws = [rng.dirichlet(alpha, 100_000) for alpha in GOLDEN["G_alpha"]]
    samples = torch.as_tensor(np.stack(draws, axis=1))
    np.testing.assert_allclose(
        dirichlet_information(EVIDENCE), bald(samples), atol=3e-3
    )


@pytest.mark.slow
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(0, 1e3),
    )
)
def test_bounds_and_symmetry(values):
    evidence = torch.as_tensor(values)
    for score in (vacuity, dirichlet_information):
        scores = score(evidence)
        assert scores.min() >= 0
        torch.testing.assert_close(scores, score(evidence.flip(-1)))
        assert (score(1e6 * (evidence + 1)) <= 1e-4).all()
    assert (vacuity(evidence) <= 1).all()
    np.testing.assert_allclose(dirichlet_mean(evidence).sum(-1), 1)


def test_no_evidence():
    torch.testing.assert_close(vacuity(torch.zeros(2, 4)), torch.ones(2))
    torch.testing.assert_close(
        dirichlet_mean(torch.zeros(2, 4)), torch.full((2, 4), 0.25)
    )


@pytest.mark.parametrize("evidence", [0.0, 1.0, 1e3, 1e6, 1e9])
def test_float32_is_as_good_as_float64(evidence):
    rows = evidence * torch.tensor([[1.0, 0.5, 0.0], [0.1, 0.1, 0.1], [0.0, 1.0, 3.0]])
    y = torch.tensor([0, 1, 2])
    found = misleading_evidence(rows, y)
    alpha = 1 + rows.double() * torch.tensor([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    expected = kl_divergence(Dirichlet(alpha), Dirichlet(torch.ones(3).double()))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    assert found.dtype == torch.float32
    information = dirichlet_information(rows)
    exact = dirichlet_information(rows.double())
    torch.testing.assert_close(information.double(), exact, rtol=1e-5, atol=0)
    if evidence == 1e6:  # (C - 1) / 2A for even, large concentrations
        assert information[1].item() == pytest.approx(1 / 3e5, rel=1e-3)
