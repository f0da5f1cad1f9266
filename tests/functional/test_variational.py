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
    negative_elbo,
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
