"""Softmax regression: its maximum, its curvature, its evidence."""

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from skal_deep.functional.laplace import hessian, laplace_weights
from skal_deep.functional.softmax_regression import (
    SoftmaxRegression,
    default_precision,
    prior_precisions,
)

RNG = np.random.default_rng(0)
F = torch.as_tensor(RNG.normal(size=(30, 3)))
Y = torch.as_tensor(RNG.integers(3, size=30))
W_N = torch.as_tensor(RNG.uniform(0.5, 2, size=30))
PRECISION = 0.7


@pytest.fixture(scope="module")
def regression():
    return SoftmaxRegression(F, Y, W_N, 3)


@pytest.fixture(scope="module")
def weights(regression):
    return regression.weights(PRECISION)


def gradient(flat):
    """Return the gradient of the negative log posterior density."""
    weights_CD = torch.as_tensor(flat).view(3, 3).requires_grad_()
    logp = (F @ weights_CD.T).log_softmax(-1)
    loss = (
        -(W_N * logp[torch.arange(30), Y]).sum()
        + PRECISION * weights_CD.square().sum() / 2
    )
    return torch.autograd.grad(loss, weights_CD)[0].numpy().ravel()


def test_the_gradient_is_zero_at_the_weights(weights):
    assert np.abs(gradient(weights.numpy().ravel())).max() < 1e-8


def test_same_weights_as_scikit_learn(weights):
    clf = LogisticRegression(C=1 / PRECISION, fit_intercept=False, tol=1e-8)
    clf.fit(F.numpy(), Y.numpy(), sample_weight=W_N.numpy())
    np.testing.assert_allclose(weights, clf.coef_, atol=1e-3)


def test_a_start_does_not_change_the_weights(regression, weights):
    start = torch.full((3, 3), 2.0).double()
    again = regression.weights(PRECISION, start)
    torch.testing.assert_close(again, weights, atol=1e-8, rtol=0)


def test_the_quick_search_comes_near(regression, weights):
    near = regression.weights(PRECISION, is_exact=False)
    torch.testing.assert_close(near, weights, atol=1e-2, rtol=0)


@pytest.mark.parametrize("precision", [1e-1, 1e-4])
def test_weights_are_exact_where_labels_are_separated(precision):
    """Then the curvature is slight, and a slight gradient is far from the maximum."""
    f, y = F.clone(), F.argmax(1)
    f[torch.arange(30), y] += 1
    weights_CD = SoftmaxRegression(f, y, torch.ones(30), 3).weights(precision)
    proba_NC = (f @ weights_CD.T).softmax(-1)
    error_NC = proba_NC - torch.nn.functional.one_hot(y, 3)
    slope_CD = error_NC.T @ f + precision * weights_CD
    full = hessian(f, proba_NC, torch.ones(30)) + precision * torch.eye(9).double()
    step = torch.linalg.solve(full, slope_CD.flatten())
    assert float(step @ full @ step) ** 0.5 < 1e-8  # standard deviations


def test_the_curvature_is_the_hessian(regression, weights):
    flat = weights.numpy().ravel()
    hessian = np.stack(
        [approx_fprime(flat, lambda w, i=i: gradient(w)[i], 1e-6) for i in range(9)]
    )
    values, (basis,) = regression.curvature(weights, "full")
    ours = basis @ torch.diag(values.flatten()) @ basis.T + PRECISION * torch.eye(9)
    np.testing.assert_allclose(ours, hessian, atol=1e-4)


def test_draws_have_the_covariance_of_the_inverse_hessian(regression, weights):
    curvature = regression.curvature(weights, "full")
    noise = torch.randn(40_000, 3, 3, generator=torch.Generator().manual_seed(0))
    draws = laplace_weights(weights, curvature, PRECISION, noise).flatten(1)
    values, (basis,) = curvature
    inverse = basis @ torch.diag(1 / (values.flatten() + PRECISION)) @ basis.T
    torch.testing.assert_close(draws.mean(0), weights.flatten(), atol=0.02, rtol=0)
    torch.testing.assert_close(draws.T.cov(), inverse, atol=0.03, rtol=0)


def test_kron_is_exact_for_equal_probabilities():
    regression = SoftmaxRegression(F, Y, W_N, 3)
    zero = torch.zeros(3, 3).double()
    for precision in (0.1, 5.0):
        full, kron = (
            regression.log_evidence(zero, precision, structure)
            for structure in ("full", "kron")
        )
        assert full == pytest.approx(kron)


def test_the_evidence_is_that_of_an_integral():
    """With one feature and two classes the probability of the labels is an integral."""
    f, y = torch.ones(60, 1).double(), torch.tensor([0] * 20 + [1] * 40)
    regression = SoftmaxRegression(f, y, torch.ones(60), 2)
    ours = regression.log_evidence(regression.weights(0.5), 0.5, "full")
    # the difference of two weights of variance 2 has the variance 4
    grid = torch.linspace(-20, 20, 20_001).double()
    log_prior = -grid.square() / 8 - np.log(np.sqrt(2 * np.pi * 4))
    both = torch.stack([torch.zeros_like(grid), grid], 1).log_softmax(-1)
    log_joint = log_prior + 20 * both[:, 0] + 40 * both[:, 1]
    exact = float(log_joint.logsumexp(0) + np.log(40 / 20_000))
    assert ours == pytest.approx(exact, abs=0.02)


def test_held_out_predictions_are_means_over_draws(regression, weights):
    generator = torch.Generator().manual_seed(0)
    of_logits = torch.randn(5_000, 4, 3, generator=generator)
    ours = regression.predictive(weights, PRECISION, F[:4], of_logits)
    noise = torch.randn(5_000, 3, 3, generator=generator)
    kron = regression.curvature(weights, "kron")
    draws = laplace_weights(weights, kron, PRECISION, noise)
    expected = (F[:4] @ draws.mT).softmax(-1).mean(0)
    torch.testing.assert_close(ours, expected, atol=0.02, rtol=0)


def test_held_out_rows_that_are_all_but_impossible_keep_a_probability():
    """float32 would round it to 0, and the log-likelihood to minus infinity."""
    f = torch.tensor([[1.0, 300.0], [1.0, -300.0]]).double()
    regression = SoftmaxRegression(f, torch.tensor([0, 1]), torch.ones(2), 2)
    weights = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).double()
    noise = torch.zeros(2, 2, 2)
    proba_MC = regression.predictive(weights, 1.0, f, noise)
    assert float(proba_MC[0, 1]) == pytest.approx(np.exp(-300.0), abs=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_precisions_follow_the_scale_of_features(scale):
    for ours, plain in zip(
        [*prior_precisions(scale * F), default_precision(scale * F)],
        [*prior_precisions(F), default_precision(F)],
        strict=True,
    ):
        assert ours == pytest.approx(scale**2 * plain)


def test_more_features_than_rows():
    few, wide = F[:2], torch.cat([F[:2]] * 4, dim=1)
    narrow = SoftmaxRegression(few, Y[:2], W_N[:2], 3).weights(4.0)
    spread = SoftmaxRegression(wide, Y[:2], W_N[:2], 3).weights(1.0 * 16)
    torch.testing.assert_close(
        spread, torch.cat([narrow] * 4, 1) / 4, atol=1e-4, rtol=0
    )
