"""The variational autoencoder."""

import pytest
import torch
from torch import nn

from skal_deep.modules import VAE, isolated_rng

SHAPES = [(5,), (1, 28, 28), (1, 8, 8), (3, 7, 9), (2, 5, 31), (1, 1, 1), (6, 5)]


def make(shape, latent_dim=4):
    with isolated_rng(0):
        return VAE(shape, latent_dim)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(shape):
    x = torch.randn(3, *shape)
    reconstruction, mu, logvar = make(shape)(x, torch.Generator())
    assert reconstruction.shape == x.shape
    assert mu.shape == logvar.shape == (3, 4)


def test_layers_of_vectors_mirror():
    vae = make((20,), latent_dim=7)
    sizes = [
        [part.out_features for part in half.modules() if isinstance(part, nn.Linear)]
        for half in (vae.encoder, vae.decoder)
    ]
    assert sizes == [[128, 64, 2 * 7], [64, 128, 20]]


def test_the_code_has_the_mean_and_variance_that_the_encoder_says():
    vae, x = make((5,)), torch.randn(1, 5).expand(20_000, 5)
    vae.decoder = nn.Identity()
    with torch.no_grad():
        code, mu, logvar = vae(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(code.mean(0), mu[0], atol=0.03, rtol=0)
    torch.testing.assert_close(code.var(0), logvar[0].exp(), atol=0, rtol=0.05)


def test_the_generator_is_the_only_randomness():
    vae, x = make((5,)), torch.randn(3, 5)
    before = torch.get_rng_state()
    first, again, other = (
        vae(x, torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_gradients_reach_every_weight(shape):
    vae, x = make(shape), torch.randn(3, *shape)
    reconstruction, mu, logvar = vae(x, torch.Generator())
    (reconstruction.sum() + mu.sum() + logvar.sum()).backward()
    assert all(weight.grad is not None for weight in vae.parameters())
