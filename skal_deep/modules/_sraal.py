"""Training of the selector of SRAAL."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from skal_deep.functional.variational import adversarial_loss, negative_elbo
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._standardizer import Standardizer, by_chunks
from skal_deep.modules._training import Descent, train, two_pools
from skal_deep.modules._vae import VAE

# Weight of the supervised head, as in the authors' code.
_HEAD_WEIGHT = 5.0


def train_sraal(
    X_labeled: NDArray[Any],
    y_labeled: Tensor,
    X_unlabeled: NDArray[Any],
    indicators: Tensor,
    *,
    latent_dim: int = 32,
    n_iterations: int = 200,
    batch_size: int = 64,
    lr: float = 5e-4,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    verbose: bool = False,
) -> Callable[[NDArray[Any]], Tensor]:
    """Train codes of rows against a discriminator of their relabelled states.

    Half of a code is decoded into the row, the other half into the class of labelled
    rows. The discriminator learns the state of a row: 0 where it is labelled, its
    uncertainty indicator where it is not. The encoder learns to look fully uncertain.
    An iteration makes two steps of the encoder, decoder and head, then one of the
    discriminator.

    Parameters
    ----------
    X_labeled : ndarray of shape (N, ...)
        Labelled rows, at least one.
    y_labeled : Tensor of shape (N,)
        Their classes, from 0.
    X_unlabeled : ndarray of shape (M, ...)
        Unlabelled rows, at least one.
    indicators : Tensor of shape (M,)
        Their uncertainty indicators, between 0 and 1.
    latent_dim : int, default=32
        Size of each half of a code.
    n_iterations : int, default=200
        Number of iterations.
    batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate of both optimisers (Adam).
    generator : torch.Generator
        Source of initial weights, mini-batches and codes; on the CPU.
    device : torch.device or str, default="cpu"
        Device to train and score on.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    score : callable
        Takes rows, returns logits of the state, (N,): high = unlabelled and uncertain.
    """
    scale, labeled, unlabeled = two_pools(
        (X_labeled, y_labeled),
        (X_unlabeled, indicators.float()),
        batch_size=batch_size,
        generator=generator,
        device=device,
    )
    with isolated_rng(int(torch.randint(2**31, (1,), generator=generator))):
        vae = VAE(X_labeled.shape[1:], 2 * latent_dim, n_decoded=latent_dim)
        head = nn.Sequential(
            nn.Linear(latent_dim, 256),
            nn.ReLU(),
            nn.Linear(256, int(y_labeled.max()) + 1),
        )
        coder = nn.ModuleList([vae, head]).to(device)
        discriminator = Discriminator(2 * latent_dim).to(device)
    down_coder, down_discriminator = Descent(coder, lr), Descent(discriminator, lr)

    def step_coder() -> None:
        (x_labeled, y), (x_unlabeled, _) = next(labeled), next(unlabeled)
        x = torch.cat([x_labeled, x_unlabeled])
        reconstruction, mu, logvar = vae(x, generator)
        loss = negative_elbo(x, reconstruction, mu, logvar)
        loss = loss + _HEAD_WEIGHT * cross_entropy(head(mu[: len(y), latent_dim:]), y)
        uncertain = adversarial_loss(*discriminator(mu).chunk(2))
        down_coder.step(loss + uncertain)

    def step_discriminator() -> None:
        (x_labeled, _), (x_unlabeled, state) = next(labeled), next(unlabeled)
        with torch.no_grad():
            mu, _ = vae.encode(torch.cat([x_labeled, x_unlabeled]))
        states = torch.cat([torch.zeros_like(state), state])
        told = 2 * binary_cross_entropy_with_logits(discriminator(mu), states)
        down_discriminator.step(told)

    def step() -> None:
        step_coder()
        step_coder()
        step_discriminator()

    modules = (coder, discriminator)
    train(modules, step, n_iterations, name="SRAAL", verbose=verbose)
    return partial(_state, vae, discriminator, scale, device)


def _state(
    vae: VAE,
    discriminator: Discriminator,
    scale: Standardizer,
    device: torch.device | str,
    X: NDArray[Any],
) -> Tensor:
    return by_chunks(lambda x: discriminator(vae.encode(x)[0]), X, scale, device)
