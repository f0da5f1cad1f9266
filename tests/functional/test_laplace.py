"""Laplace's approximation of a softmax regression."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional.laplace import (
    Curvature,
    evidence_precision,
    ggn,
    laplace_weights,
)

GOLDEN = {
    name.removeprefix("F_lap_"): torch.as_tensor(value)
    for name, value in np.load(
        Path(__file__).parent.parent / "golden" / "posteriors.npz"
    ).items()
    if name.startswith("F_lap_")
}


def with_ones(features_ND):
    return torch.cat([features_ND, torch.ones_like(features_ND[:, :1])], dim=1)


FEATURES, W = with_ones(GOLDEN["features"]), GOLDEN["W_map"]
PROBA = (FEATURES @ W.T).softmax(-1)
ONES = torch.ones(len(FEATURES), dtype=torch.float64)


def covariance(structure, precision=1.0, rows=slice(None), weight=ONES):
    """Return the covariance, found by sending unit noise through the draws."""
    curvature = ggn(FEATURES[rows], PROBA[rows], weight[rows], structure)
    noise = torch.eye(W.numel()).view(-1, *W.shape)
    root = (laplace_weights(W, curvature, precision, noise) - W).flatten(1)
    return root.T @ root


def test_golden_full_covariance():
    cov = covariance("full")
    torch.testing.assert_close(cov.trace(), GOLDEN["cov_trace"])
    torch.testing.assert_close(cov.diag(), GOLDEN["cov_diag"])


def test_golden_kronecker_covariance():
    torch.testing.assert_close(covariance("kron").diag(), GOLDEN["kron_cov_diag"])


def test_golden_logit_covariance():
    cov = covariance("full").view(*W.shape, *W.shape)
    test_ND = with_ones(GOLDEN["features_test"])
    logit_cov = torch.einsum("nd,cdef,nf->nce", test_ND, cov, test_ND)
    torch.testing.assert_close(logit_cov, GOLDEN["logit_cov_test"])
    torch.testing.assert_close(test_ND @ W.T, GOLDEN["logit_mean_test"])


def test_golden_draws():
    """Draws through the Cholesky factor of our covariance are the golden ones."""
    root = torch.linalg.cholesky(covariance("full"))
    draws = W + (GOLDEN["eps"] @ root.T).view(-1, *W.shape)
    logits = with_ones(GOLDEN["features_test"]) @ draws.mT
    torch.testing.assert_close(logits.softmax(-1), GOLDEN["samples_proba"])


def hessian(weight=ONES):
    def loss(w):
        log_p = (FEATURES @ w.view(W.shape).T).log_softmax(-1)
        return -(weight * log_p[torch.arange(12), GOLDEN["y"]]).sum()

    return torch.autograd.functional.hessian(loss, W.flatten())


@pytest.mark.parametrize("precision", [0.1, 10.0])
def test_full_and_diagonal_are_the_hessian_of_autograd(precision):
    weight = torch.linspace(0.5, 2, 12, dtype=torch.float64)
    exact = hessian(weight)
    full = torch.linalg.inv(exact + precision * torch.eye(len(exact)))
    torch.testing.assert_close(covariance("full", precision, weight=weight), full)
    diagonal = torch.diag(1 / (exact.diag() + precision))
    torch.testing.assert_close(covariance("diag", precision, weight=weight), diagonal)


def test_kronecker_is_exact_for_equal_probabilities():
    proba = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64).expand(12, 3)
    noise = torch.eye(W.numel()).view(-1, *W.shape)
    covs = []
    for structure in ("full", "kron"):
        curvature = ggn(FEATURES, proba, ONES, structure)
        root = (laplace_weights(W, curvature, 1.0, noise) - W).flatten(1)
        covs.append(root.T @ root)
    torch.testing.assert_close(*covs)


@pytest.mark.parametrize("structure", ["full", "kron", "diag"])
def test_more_data_and_stronger_priors_narrow_the_posterior(structure):
    once = covariance(structure).trace()
    twice = covariance(structure, weight=2 * ONES).trace()
    assert twice < once
    assert covariance(structure, precision=1e9).trace() < 1e-6
    prior = covariance(structure, precision=4.0, rows=slice(0, 0))
    torch.testing.assert_close(prior, torch.eye(12).double() / 4)


@pytest.mark.parametrize("structure", ["full", "kron", "diag"])
def test_sample_covariance(structure):
    curvature = ggn(FEATURES, PROBA, ONES, structure)
    noise = torch.randn(20_000, *W.shape, generator=torch.Generator().manual_seed(0))
    draws = laplace_weights(W, curvature, 1.0, noise).flatten(1)
    torch.testing.assert_close(
        draws.T.cov(), covariance(structure), atol=0.05, rtol=0.05
    )


@pytest.mark.slow
@given(st.floats(0.01, 100), st.integers(0, 5))
def test_the_evidence_is_highest_at_its_precision(scale, seed):
    generator = torch.Generator().manual_seed(seed)
    values = scale * torch.rand(3, 4, generator=generator, dtype=torch.float64)
    weights = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    best = evidence_precision(weights, Curvature(values, ()))

    def evidence(t):
        occam = (12 * np.log(t) - float((values + t).log().sum())) / 2
        return occam - t * float(weights.square().sum()) / 2

    grid = np.geomspace(1e-6, 1e6, 200)
    assert evidence(best) >= max(map(evidence, grid)) - 1e-6


def test_unknown_structures_are_refused():
    with pytest.raises(ValueError, match="structure must be"):
        ggn(FEATURES, PROBA, ONES, "block")


@pytest.mark.parametrize("structure", ["full", "kron", "diag"])
def test_draws_move_no_more_than_the_features(structure):
    """Directions of equal eigenvalues are arbitrary; draws must not hang on them."""
    generator = torch.Generator().manual_seed(0)
    features = torch.zeros(12, 6, dtype=torch.float64)
    features[:, :2] = FEATURES[:, :2]  # four directions without data
    noise = torch.randn(20, 3, 6, generator=generator)
    weights = torch.zeros(3, 6)
    nudge = 1e-14 * torch.randn(12, 6, generator=generator, dtype=torch.float64)
    even = torch.full((12, 3), 1 / 3, dtype=torch.float64)  # so are those of classes
    draws = [
        laplace_weights(weights, ggn(rows, proba, ONES, structure), 1.0, noise)
        for rows in (features, features + nudge, features + 2 * nudge)
        for proba in (even, even.roll(1, 1))
    ]
    for other in draws[1:]:
        torch.testing.assert_close(other, draws[0], atol=1e-12, rtol=0)
