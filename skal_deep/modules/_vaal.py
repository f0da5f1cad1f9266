"""Training of the selector of VAAL."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep._threads import threads_given_back
from skal_deep.functional.variational import (
    adversarial_loss,
    discriminator_loss,
    negative_elbo,
)
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._standardizer import Standardizer, row_chunks
from skal_deep.modules._training import Descent, train, two_pools
from skal_deep.modules._vaal_slopes import vaal_slopes
from skal_deep.modules._vae import VAE


class LabeledScorer:
    """Score of how labelled a row looks to a trained encoder and discriminator.

    :func:`train_vaal` returns it; the strategy VAAL asks for the rows with the lowest
    probability.

    Parameters
    ----------
    vae : VAE
        Trained, in eval mode.
    discriminator : Discriminator
        Trained, in eval mode.
    scale : Standardizer
        Fitted to the rows that both were trained on.
    device : torch.device or str, default="cpu"
        Device that holds both.

    See Also
    --------
    train_vaal : Trains what the score needs.
    skal_deep.pool.VAAL : The strategy that asks by this score.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.modules import VAE
    >>> from skal_deep.modules._discriminator import Discriminator
    >>> from skal_deep.modules._standardizer import Standardizer
    >>> X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    >>> scorer = LabeledScorer(VAE((4,), 2).eval(), Discriminator(2), Standardizer(X))
    >>> scorer.proba(X).shape
    torch.Size([6])
    """

    def __init__(
        self,
        vae: VAE,
        discriminator: Discriminator,
        scale: Standardizer,
        device: torch.device | str = "cpu",
    ):
        self._vae, self._discriminator = vae, discriminator
        self._scale, self._device = scale, device

    @threads_given_back()
    @torch.no_grad()
    def proba(self, X: NDArray[Any], task: Tensor | None = None) -> Tensor:
        """Return the probability D of each row to be a labelled one, of shape (N,).

        The task information of the rows, (N,), is given where it was in training.

        On the CPU and in double precision: there ``1 - D`` still tells apart rows
        whose logits go down to -36, where single precision ends at -16. Logits of a
        discriminator that has learnt its labelled rows by heart pass that.
        """
        logits, n_done = [], 0
        for chunk in row_chunks(X):
            code, _ = self._vae.encode(self._scale(chunk).to(self._device))
            if task is not None:
                code = _with_task(code, task[n_done : n_done + len(chunk)])
            logits.append(self._discriminator(code))
            n_done += len(chunk)
        return torch.cat(logits).cpu().double().sigmoid()


def _with_task(code: Tensor, task: Tensor) -> Tensor:
    """Return codes (N, L) with the task information (N,) as one more number."""
    return torch.cat([code, task[:, None].to(code)], dim=1)


def train_vaal(
    X_labeled: NDArray[Any],
    X_unlabeled: NDArray[Any],
    *,
    tasks: tuple[Tensor, Tensor] | None = None,
    latent_dim: int = 32,
    beta: float = 1.0,
    adversary_weight: float = 1.0,
    n_iterations: int = 200,
    n_vae_steps: int = 2,
    batch_size: int = 64,
    lr: float = 5e-4,
    loss_scaling: str = "elbo",
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    name: str = "VAAL",
    verbose: bool = False,
) -> LabeledScorer:
    """Train an autoencoder against a discriminator of labelled and unlabelled codes.

    An iteration makes ``n_vae_steps`` steps of the autoencoder, each on new
    mini-batches, then one step of the discriminator.

    Use it to write a strategy with another score than that of VAAL.

    Parameters
    ----------
    X_labeled : ndarray of shape (N, ...)
        Labelled rows, at least one.
    X_unlabeled : ndarray of shape (M, ...)
        Unlabelled rows, at least one.
    tasks : tuple of Tensor of shape (N,) and (M,), default=None
        Task information of labelled and unlabelled rows, as TA-VAAL has it: one more
        number for the discriminator, and, as its sigmoid, for the decoder.
    latent_dim : int, default=32
        Size of the codes.
    beta : float, default=1.0
        Weight of the divergence of the autoencoder.
    adversary_weight : float, default=1.0
        Weight of the adversarial loss of the encoder.
    n_iterations : int, default=200
        Number of iterations.
    n_vae_steps : int, default=2
        Steps of the autoencoder in each iteration.
    batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate of both optimisers (Adam).
    loss_scaling : {"elbo", "official"}, default="elbo"
        Whether squared errors are summed over the features of a row, or averaged as in
        the published code.
    generator : torch.Generator
        Source of initial weights, mini-batches and codes; on the CPU.
    device : torch.device or str, default="cpu"
        Device to train and score on.
    name : str, default="VAAL"
        What the progress bar says.
    verbose : bool, default=False
        Whether to show it.

    Returns
    -------
    LabeledScorer
        In eval mode.

    See Also
    --------
    skal_deep.pool.VAAL : The strategy that calls this function.
    LabeledScorer : What is returned.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skal_deep.modules._vaal import LabeledScorer, train_vaal
    >>> X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    >>> generator = torch.Generator().manual_seed(0)
    >>> train_vaal(X[:5], X[5:], n_iterations=2, generator=generator).proba(X).shape
    torch.Size([20])
    """
    beside = [()] * 2 if tasks is None else [(task.float(),) for task in tasks]
    scale, labeled, unlabeled = two_pools(
        (X_labeled, *beside[0]),
        (X_unlabeled, *beside[1]),
        batch_size=batch_size,
        generator=generator,
        device=device,
    )
    n_inputs = latent_dim + len(beside[0])
    with isolated_rng(int(torch.randint(2**31, (1,), generator=generator))):
        vae = VAE(X_labeled.shape[1:], latent_dim, n_inputs).to(device, torch.float32)
        discriminator = Discriminator(n_inputs).to(device, torch.float32)
    down_vae, down_discriminator = Descent(vae, lr), Descent(discriminator, lr)

    def both_pools() -> tuple[Tensor, Tensor | None]:
        """Return rows of each pool, the labelled ones first, and what is beside."""
        parts = zip(next(labeled), next(unlabeled), strict=True)
        x, *task = (torch.cat(part) for part in parts)
        return x, task[0] if task else None

    def told(mu: Tensor, task: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the discriminator's logits of the two pools."""
        code = mu if task is None else _with_task(mu, task)
        of_labeled, of_unlabeled = discriminator(code).chunk(2)
        return of_labeled, of_unlabeled

    # The losses of two pools of one size. Means add up to twice the mean of all rows;
    # the divergence of "official" is a sum, which adds up to that of all.
    weight = beta / 2 if loss_scaling == "official" else beta

    def loss_of_vae(x: Tensor, task: Tensor | None) -> Tensor:
        shown = None if task is None else task[:, None].sigmoid()
        reconstruction, mu, logvar = vae(x, generator, shown)
        losses = 2 * negative_elbo(x, reconstruction, mu, logvar, weight, loss_scaling)
        return losses + adversary_weight * adversarial_loss(*told(mu, task))

    def loss_of_discriminator(x: Tensor, task: Tensor | None) -> Tensor:
        with torch.no_grad():
            mu, _ = vae.encode(x)
        return discriminator_loss(*told(mu, task))

    slopes = vaal_slopes(vae, discriminator, weight, adversary_weight, loss_scaling)

    def step_vae() -> None:
        x, task = both_pools()
        if slopes is None:
            down_vae.step(loss_of_vae(x, task))
        else:
            down_vae.follow(slopes.of_vae(x, task, generator))

    def step_discriminator() -> None:
        x, task = both_pools()
        if slopes is None:
            down_discriminator.step(loss_of_discriminator(x, task))
        else:
            down_discriminator.follow(slopes.of_discriminator(x, task))

    def step() -> None:
        for _ in range(n_vae_steps):
            step_vae()
        step_discriminator()

    train((vae, discriminator), step, n_iterations, name=name, verbose=verbose)
    return LabeledScorer(vae, discriminator, scale, device)
