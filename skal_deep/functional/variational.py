"""Losses of a variational autoencoder and of its adversary."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, mse_loss


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return ``KL(N(mu, diag exp(logvar)) || N(0, I))`` in nats.

    Parameters
    ----------
    mu, logvar : Tensor of shape (N, L)
        Means and logarithms of the variances.

    Returns
    -------
    divergences : Tensor of shape (N,)
        At least 0; 0 for the standard normal only.
    """
    return 0.5 * (mu.square() + logvar.expm1() - logvar).sum(-1)


def negative_elbo(
    x: Tensor,
    reconstruction: Tensor,
    mu: Tensor,
    logvar: Tensor,
    beta: float = 1.0,
    scaling: str = "elbo",
) -> Tensor:
    """Return the loss of a beta variational autoencoder.

    Parameters
    ----------
    x, reconstruction : Tensor of shape (N, ...)
        Inputs, and what the decoder makes of their codes.
    mu, logvar : Tensor of shape (N, L)
        Means and log-variances from the encoder.
    beta : float, default=1.0
        Weight of the divergence.
    scaling : {"elbo", "official"}, default="elbo"
        "elbo" sums squared errors over the features of a row and averages over rows,
        as it does the divergence. "official" is the scaling of the published code of
        VAAL and its ports: squared errors averaged over rows and features, against a
        divergence summed over rows. Its effective beta is rows times features, and
        the code collapses: the means no longer depend on the inputs.

    Returns
    -------
    loss : Tensor of shape ()
        The loss.

    References
    ----------
    S. Sinha, S. Ebrahimi, T. Darrell. Variational Adversarial Active Learning. ICCV,
    2019.
    """
    divergence_N = kl_to_standard_normal(mu, logvar)
    if scaling == "official":
        return mse_loss(reconstruction, x) + beta * divergence_N.sum()
    if scaling != "elbo":
        raise ValueError(f"scaling must be 'elbo' or 'official', not {scaling!r}.")
    squared_error = mse_loss(reconstruction, x, reduction="sum")
    return squared_error / len(x) + beta * divergence_N.mean()


def negative_elbo_slopes(
    x: Tensor,
    reconstruction: Tensor,
    mu: Tensor,
    logvar: Tensor,
    beta: float = 1.0,
    scaling: str = "elbo",
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the derivatives of :func:`negative_elbo`, without autograd.

    In the order of autograd's operations, so that they round as it does: the derivative
    by ``logvar`` is ``exp(logvar) - 1``, from what :func:`torch.expm1` gives.

    Parameters
    ----------
    x, reconstruction : Tensor of shape (N, ...)
        Inputs, and what the decoder makes of their codes.
    mu, logvar : Tensor of shape (N, L)
        Means and log-variances from the encoder.
    beta, scaling
        As in :func:`negative_elbo`.

    Returns
    -------
    by_reconstruction : Tensor of shape (N, ...)
        Derivative by the reconstruction.
    by_mu, by_logvar : Tensor of shape (N, L)
        Derivatives by means and log-variances.
    """
    if scaling == "official":
        error, divergence = 2 / x.numel(), beta
    else:
        error, divergence = 2 / len(x), beta / len(x)
    by_logvar = logvar.expm1().add_(1).mul_(divergence / 2).sub_(divergence / 2)
    return (reconstruction - x).mul_(error), mu * divergence, by_logvar


def logsigmoid_slopes(logit: Tensor, slope: float) -> Tensor:
    """Return the derivatives of ``slope * log D``, summed, by the logits of D.

    They are ``slope * (1 - D)``, rounded as by autograd.

    Parameters
    ----------
    logit : Tensor of shape (N,)
        Logits.
    slope : float
        Factor of each logarithm in a loss: ``-1/N`` for a mean in
        :func:`adversarial_loss`.
    """
    _, between = torch.ops.aten.log_sigmoid_forward(logit)
    slopes: Tensor = torch.ops.aten.log_sigmoid_backward(
        torch.full_like(logit, slope), logit, between
    )
    return slopes


def adversarial_loss(logit_labeled: Tensor, logit_unlabeled: Tensor) -> Tensor:
    """Return the encoder's loss: that the discriminator finds both pools labelled.

    ``- mean log D(labelled) - mean log D(unlabelled)``, with D the sigmoid of the
    logits; 2 log 2 if D is 1/2 everywhere.

    Parameters
    ----------
    logit_labeled, logit_unlabeled : Tensor of shape (N,)
        The discriminator's logits of "labelled".
    """
    return -logsigmoid(logit_labeled).mean() - logsigmoid(logit_unlabeled).mean()


def discriminator_loss(logit_labeled: Tensor, logit_unlabeled: Tensor) -> Tensor:
    """Return the discriminator's loss: that it tells the two pools apart.

    ``- mean log D(labelled) - mean log(1 - D(unlabelled))``; 2 log 2 if D is 1/2
    everywhere.

    Parameters
    ----------
    logit_labeled, logit_unlabeled : Tensor of shape (N,)
        The discriminator's logits of "labelled".
    """
    return -logsigmoid(logit_labeled).mean() - logsigmoid(-logit_unlabeled).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Return how far the slopes of a critic are from 1: ``mean (|grad g| - 1)^2``.

    Parameters
    ----------
    critic : callable
        Takes points (N, D), returns values (N,), each by its own point.
    points : Tensor of shape (N, D)
        Where slopes are taken; they get no gradient.

    Returns
    -------
    penalty : Tensor of shape ()
        At least 0; ``(|w| - 1)^2`` for a linear critic with weights w.

    References
    ----------
    I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville. Improved Training of
    Wasserstein GANs. NeurIPS, 2017.
    """
    points = points.detach().requires_grad_()
    [slope_ND] = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    penalty: Tensor = (slope_ND.norm(dim=1) - 1).square().mean()
    return penalty
