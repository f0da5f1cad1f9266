"""Entropy and mutual information of predictions."""

import torch
from torch import Tensor


def entropy(probas: Tensor) -> Tensor:
    """Return the Shannon entropy of the last axis in nats, exact at 0.

    Parameters
    ----------
    probas : Tensor of shape (..., C)
        Probabilities.

    Returns
    -------
    entropies : Tensor of shape (...)
        ``- sum_c p_c log p_c``, between 0 and log C.
    """
    entropies: Tensor = torch.special.entr(probas).sum(-1)
    return entropies


def plogp(probas: Tensor, out: Tensor) -> Tensor:
    """Return ``p log p``, exact at 0, without a new array.

    Parameters
    ----------
    probas : Tensor
        Probabilities.
    out : Tensor
        Where to, of the same shape.

    Returns
    -------
    out : Tensor
        0 where p is 0: the smallest positive number stands in under the logarithm.
    """
    torch.clamp_min(probas, torch.finfo(probas.dtype).tiny, out=out)
    return out.log_().mul_(probas)


def predictive_entropy(samples: Tensor) -> Tensor:
    """Return the entropy of the mean prediction.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    scores : Tensor of shape (N,)
        ``H[mean_s p_s]`` in nats, between 0 and log C.
    """
    return entropy(samples.mean(0))


def bald(samples: Tensor) -> Tensor:
    """Return the mutual information between label and weights (BALD).

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    scores : Tensor of shape (N,)
        ``H[mean_s p_s] - mean_s H[p_s]`` in nats, between 0 and log min(S, C).

    References
    ----------
    N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel. Bayesian Active Learning for
    Classification and Preference Learning. arXiv:1112.5745, 2011.
    """
    mean_NC = torch.zeros_like(samples[0], dtype=torch.float64)
    expected_N = mean_NC.new_zeros(samples.shape[1])
    scratch_NC = torch.empty_like(samples[0])
    for draw_NC in samples:  # a draw at a time: nothing of the size of all draws
        mean_NC += draw_NC
        expected_N -= plogp(draw_NC, scratch_NC).sum(-1)
    n_draws = len(samples)
    scores = entropy(mean_NC / n_draws) - expected_N / n_draws
    return scores.clamp_min(0).to(samples.dtype)  # rounding can go below
