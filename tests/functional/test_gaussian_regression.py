"""Gaussian regression: golden values, and the evidence against its definition."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from skal_deep.functional import gaussian_bald, gaussian_crps, gaussian_epig, max_det
from skal_deep.functional.gaussian_regression import deviations, linear_regression

GOLDEN = {
    name: torch.as_tensor(value)
    for name, value in np.load(
        Path(__file__).parents[1] / "golden" / "regression.npz"
    ).items()
}
ALPHA, NOISE = (float(GOLDEN[f"blr_{name}"]) for name in ("alpha", "s2"))


def covariance(left, right):
    """Return the posterior covariance of predictions, by the definition."""
    labeled = GOLDEN["blr_L"]
    precision = labeled.T @ labeled / NOISE + ALPHA * torch.eye(4).double()
    return left @ torch.linalg.inv(precision) @ right.T


def test_golden_scores():
    rows, targets = GOLDEN["blr_U"], GOLDEN["blr_T"]
    v = covariance(rows, rows).diagonal()
    v_target = covariance(targets, targets).diagonal()
    noise = torch.full_like(v, NOISE)
    torch.testing.assert_close(covariance(rows, rows), GOLDEN["blr_cov"])
    torch.testing.assert_close(gaussian_bald(v, noise), GOLDEN["bald"])
    epig = gaussian_epig(covariance(rows, targets), v + NOISE, v_target + NOISE)
    torch.testing.assert_close(epig, GOLDEN["epig"])
    assert (epig <= gaussian_bald(v, noise)).all()


def test_batch_bald_is_max_det_of_the_posterior():
    root = torch.linalg.cholesky(GOLDEN["blr_cov"] + 1e-12 * torch.eye(7))
    picks, gains = max_det(root, root[:0], 3, noise=NOISE)
    assert picks.tolist() == GOLDEN["greedy_batchbald"].tolist()
    gained = gains[torch.arange(3), picks]
    information = (gained / NOISE).log1p().cumsum(0) / 2
    torch.testing.assert_close(information, GOLDEN["batchbald_value"])


@pytest.mark.slow
def test_golden_evidence():
    found = linear_regression(GOLDEN["ev_P"], GOLDEN["ev_y"][:, None])
    assert found.log_evidence == pytest.approx(float(GOLDEN["ev_log_evidence"]))
    assert float(found.noise_T) == pytest.approx(float(GOLDEN["ev_s2"]), rel=1e-2)
    alpha = found.ratio / float(found.noise_T)
    assert alpha == pytest.approx(float(GOLDEN["ev_alpha"]), rel=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(12, 3), (3, 12)])
def test_the_evidence_and_the_posterior_by_their_definitions(shape):
    generator = torch.Generator().manual_seed(0)
    F = torch.randn(shape, generator=generator).double()
    y = F @ torch.randn(shape[1], 2, generator=generator).double()
    y = y + 0.3 * torch.randn(y.shape, generator=generator)
    noise = torch.tensor([0.2, 0.5]).double()
    found = linear_regression(F, y, noise)
    expected = 0.0
    for t in range(2):
        alpha = found.ratio / float(noise[t])
        prior = noise[t] * torch.eye(len(F)) + F @ F.T / alpha
        expected += multivariate_normal(cov=prior.numpy()).logpdf(y[:, t].numpy())
        S = torch.linalg.inv(F.T @ F / noise[t] + alpha * torch.eye(shape[1]))
        torch.testing.assert_close(found.weights_TD[t], S @ F.T @ y[:, t] / noise[t])
        torch.testing.assert_close(noise[t] * found.root_DD @ found.root_DD, S)
    assert found.log_evidence == pytest.approx(expected)


def test_deviations_have_the_covariances_of_draws():
    draws = torch.randn(50, 6, 2, generator=torch.Generator().manual_seed(0)).double()
    features = deviations(draws)
    for t in range(2):
        ours = features[..., t] @ features[..., t].T
        torch.testing.assert_close(ours, draws[..., t].T.cov(correction=0))


def test_outputs_add_up():
    v = torch.tensor([0.5, 2.0])
    both = torch.stack([v, v], dim=1)
    one = gaussian_bald(v, torch.ones(2))
    torch.testing.assert_close(gaussian_bald(both, torch.ones(2, 2)), 2 * one)
    c = torch.tensor([[0.1, 0.3], [0.2, 0.4]])
    pair = gaussian_epig(torch.stack([c, c], -1), both, both)
    torch.testing.assert_close(pair, 2 * gaussian_epig(c, v, v))


def test_a_target_that_is_the_row_itself_is_finite():
    one = torch.ones(1)
    assert torch.isfinite(gaussian_epig(one[None], one, one)).all()


def test_golden_crps_and_its_border():
    mean, std, y = (GOLDEN[f"crps_{name}"] for name in ("mean", "std", "y"))
    torch.testing.assert_close(gaussian_crps(mean, std, y), GOLDEN["crps"])
    nothing = torch.zeros_like(std)
    torch.testing.assert_close(gaussian_crps(mean, nothing, y), (y - mean).abs())
    torch.testing.assert_close(
        gaussian_crps(-3 * mean, 3 * std, -3 * y), 3 * GOLDEN["crps"]
    )
