"""Divergence and bound against golden values, sampling and quadrature."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from skal_deep.functional import gaussian_divergence, log_softmax_bound

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "weight_posterior.npz")


def golden(name):
    return torch.as_tensor(GOLDEN[name])


def test_divergence_of_golden_weights():
    scale = torch.nn.functional.softplus(golden("bbb_rho"))
    divergence = gaussian_divergence(golden("bbb_mu"), scale, 1.0)
    assert divergence.item() == pytest.approx(golden("bbb_kl_unit").item(), rel=1e-7)


@pytest.mark.parametrize("prior_scale", [0.1, 1.0, 7.0])
def test_divergence_is_that_of_torch(prior_scale):
    mean, scale = (
        torch.randn(4, 3, dtype=torch.float64),
        torch.rand(4, 3).double() + 0.1,
    )
    prior = Normal(torch.zeros(()).double(), prior_scale)
    expected = kl_divergence(Normal(mean, scale), prior).sum()
    torch.testing.assert_close(gaussian_divergence(mean, scale, prior_scale), expected)
    same = gaussian_divergence(
        torch.zeros(5), torch.full((5,), prior_scale), prior_scale
    )
    assert same.item() == pytest.approx(0, abs=1e-6)


def test_bound_of_golden_logits():
    x, weights = golden("vb_x"), golden("vb_W")
    variance = x.square() @ golden("vb_var").T + golden("vb_noise_sd").square()
    bound = log_softmax_bound(x @ weights.T, variance, golden("vb_y"))
    torch.testing.assert_close(bound, golden("vb_bound"))


def test_bound_is_below_the_mean_of_samples_and_meets_it_without_variance():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    variance = 0.3 * torch.rand(6, 4, generator=generator, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    noise = torch.randn(100_000, 6, 4, generator=generator, dtype=torch.float64)
    sampled = (mean + variance.sqrt() * noise).log_softmax(-1)
    truth = sampled.mean(0).gather(1, y[:, None])[:, 0]
    gap = truth - log_softmax_bound(mean, variance, y)
    assert (gap > 0).all()
    assert (gap < 0.1).all()
    exact = log_softmax_bound(mean, torch.zeros_like(mean), y)
    torch.testing.assert_close(exact, mean.log_softmax(1).gather(1, y[:, None])[:, 0])
