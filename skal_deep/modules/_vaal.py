"""Training of the selector of VAAL."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.functional.variational import (
    adversarial_loss,
    discriminator_loss,
    negative_elbo,
)
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._training import Minibatches, train
from skal_deep.modules._vae import VAE, Discriminator

_CHUNK_ROWS = 1024


class LabeledScorer:
    """Says how labelled a row looks to a trained encoder and discriminator."""

    def __init__(
        self,
        vae: VAE,
        discriminator: Discriminator,
        scale: Callable[[NDArray[Any]], Tensor],
    ):
        self._vae, self._discriminator = vae.eval(), discriminator.eval()
        self._scale = scale

    @torch.no_grad()
    def proba(self, X: NDArray[Any]) -> Tensor:
        """Return the probability of each row to be a labelled one, of shape (N,)."""
        chunks = [X[i : i + _CHUNK_ROWS] for i in range(0, len(X), _CHUNK_ROWS)]
        logits = [
            self._discriminator(self._vae.encode(self._scale(chunk))[0])
            for chunk in chunks
        ]
        return torch.cat(logits).double().sigmoid()


def train_vaal(
    X_labeled: NDArray[Any],
    X_unlabeled: NDArray[Any],
    *,
    latent_dim: int = 32,
    beta: float = 1.0,
    adversary_weight: float = 1.0,
    n_iterations: int = 200,
    n_vae_steps: int = 2,
    batch_size: int = 64,
    lr: float = 5e-4,
    loss_scaling: str = "elbo",
    generator: torch.Generator,
    verbose: bool = False,
) -> LabeledScorer:
    """Train an autoencoder against a discriminator of labelled and unlabelled codes.

    An iteration makes ``n_vae_steps`` steps of the autoencoder, each on new
    mini-batches, then one of the discriminator.

    Parameters
    ----------
    X_labeled, X_unlabeled : ndarray of shape (N, ...)
        The two pools, neither empty.
    latent_dim, beta, adversary_weight, n_iterations, n_vae_steps, batch_size, lr, \
    loss_scaling, verbose
        See :class:`skal_deep.pool.VAAL`.
    generator : torch.Generator
        Decides initial weights, mini-batches and codes.

    Returns
    -------
    scorer : LabeledScorer
        In eval mode.
    """
    scale = _scaling(X_labeled, X_unlabeled)
    labeled, unlabeled = (
        Minibatches(X, batch_size, scale, generator) for X in (X_labeled, X_unlabeled)
    )
    with isolated_rng(int(torch.randint(2**31, (1,), generator=generator))):
        vae = VAE(X_labeled.shape[1:], latent_dim)
        discriminator = Discriminator(latent_dim)
        vae_optimizer = torch.optim.Adam(vae.parameters(), lr=lr)
        optimizer = torch.optim.Adam(discriminator.parameters(), lr=lr)

        def step() -> None:
            for _ in range(n_vae_steps):
                codes, loss = [], torch.zeros(())
                for x in (next(labeled), next(unlabeled)):
                    reconstruction, mu, logvar = vae(x)
                    codes.append(mu)
                    loss = loss + negative_elbo(
                        x, reconstruction, mu, logvar, beta, loss_scaling
                    )
                fooled = adversarial_loss(*(discriminator(mu) for mu in codes))
                vae_optimizer.zero_grad()
                (loss + adversary_weight * fooled).backward()  # type: ignore[no-untyped-call]
                vae_optimizer.step()
            with torch.no_grad():
                codes = [vae.encode(next(pool))[0] for pool in (labeled, unlabeled)]
            told = discriminator_loss(*(discriminator(mu) for mu in codes))
            optimizer.zero_grad()
            told.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        train(step, n_iterations, name="VAAL", verbose=verbose)
    return LabeledScorer(vae, discriminator, scale)


def _scaling(*pools: NDArray[Any]) -> Callable[[NDArray[Any]], Tensor]:
    """Return a function that standardises rows by the statistics of the pools.

    Vectors are standardised feature by feature, images as a whole.
    """
    axes = 0 if pools[0].ndim == 2 else None
    n = sum(len(X) if axes == 0 else X.size for X in pools)
    mean = sum(np.sum(X, axis=axes, dtype=np.float64) for X in pools) / n
    square = sum(
        np.square(chunk - mean).sum(axis=axes)
        for X in pools
        for chunk in (X[i : i + _CHUNK_ROWS] for i in range(0, len(X), _CHUNK_ROWS))
    )
    std = np.sqrt(square / n)
    std = np.where(std > 0, std, 1.0)  # a constant feature stays constant

    def scale(X: NDArray[Any]) -> Tensor:
        return torch.from_numpy(((X - mean) / std).astype(np.float32))

    return scale
