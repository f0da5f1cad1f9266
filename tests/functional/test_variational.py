"""Losses of VAAL."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from skal_deep.functional.variational import (
    adversarial_loss,
    discriminator_loss,
    kl_to_standard_normal,
    logsigmoid_slopes,
    negative_elbo,
    negative_elbo_slopes,
)

GOLDEN = {
    name: torch.as_tensor(value)
    for name, value in np.load(
        Path(__file__).parent.parent / "golden" / "vaal.npz"
    ).items()
}
CODE = GOLDEN["vae_mu"], GOLDEN["vae_logvar"]
ARGS = GOLDEN["vae_x"], GOLDEN["vae_recon"], *CODE


def test_golden_divergence():
    torch.testing.assert_close(
        kl_to_standard_normal(*CODE), GOLDEN["vae_kl_per_sample"]
    )


def test_divergence_is_torchs():
    mu, logvar = CODE
    ours = kl_to_standard_normal(mu, logvar)
    theirs = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(ours, theirs)
    assert float(kl_to_standard_normal(torch.zeros(1, 3), torch.zeros(1, 3))) == 0


def test_golden_losses():
    torch.testing.assert_close(negative_elbo(*ARGS), GOLDEN["vae_loss_elbo"])
    torch.testing.assert_close(
        negative_elbo(*ARGS, scaling="official"), GOLDEN["vae_loss_official"]
    )
    logits = GOLDEN["vaal_dl"].logit(), GOLDEN["vaal_du"].logit()
    torch.testing.assert_close(adversarial_loss(*logits), GOLDEN["vaal_loss_adv"])
    torch.testing.assert_close(discriminator_loss(*logits), GOLDEN["vaal_loss_disc"])


def test_an_undecided_discriminator():
    zeros = torch.zeros(4), torch.zeros(7)
    assert float(adversarial_loss(*zeros)) == pytest.approx(2 * math.log(2))
    assert float(discriminator_loss(*zeros)) == pytest.approx(2 * math.log(2))


def test_beta_and_scaling():
    plain, heavy = negative_elbo(*ARGS, beta=0.0), negative_elbo(*ARGS, beta=2.0)
    torch.testing.assert_close(heavy - plain, 2 * kl_to_standard_normal(*CODE).mean())
    with pytest.raises(ValueError, match="'elbo' or 'official'"):
        negative_elbo(*ARGS, scaling="mean")


@pytest.mark.parametrize("scaling", ["elbo", "official"])
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(64, 5), (3, 2, 4)])
def test_slopes_of_the_elbo_are_autograds(scaling, beta, shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    made = torch.randn(shape, generator=generator).requires_grad_()
    # log-variances next to 0, far from it, and where exp is infinite
    mu, logvar = torch.randn(2, shape[0], 3, generator=generator)
    logvar[0] = torch.tensor([1e-6, -80.0, 100.0])
    leaves = made, mu.requires_grad_(), logvar.requires_grad_()
    expected = torch.autograd.grad(negative_elbo(x, *leaves, beta, scaling), leaves)
    with torch.no_grad():
        found = negative_elbo_slopes(x, *leaves, beta, scaling)
    for ours, autograds in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, autograds, rtol=2e-7, atol=0, equal_nan=True)


def test_slopes_of_log_sigmoid_are_autograds():
    logit = torch.tensor([-200.0, -88.0, -1.0, -0.0, 0.0, 1e-8, 17.0, 200.0])
    logit.requires_grad_()
    [expected] = torch.autograd.grad(adversarial_loss(logit, torch.zeros(1)), logit)
    assert torch.equal(logsigmoid_slopes(logit.detach(), -1 / 8), expected)
