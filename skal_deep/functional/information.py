"""Entropy and mutual information of predictions."""

import numpy as np
import torch
from torch import Tensor

# Elements of a temporary array: 2 MiB in float32, which a processor's cache holds.
CHUNK_ELEMENTS = 2**19
# Threads with which torch takes logarithms as fast as numpy with its one.
_WORTH_OF_NUMPY = 3


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
    return _log_(out).mul_(probas)


def _log_(positive: Tensor) -> Tensor:
    """Take the logarithm in place, of an array on the processor by numpy if quicker."""
    is_plain = positive.is_cpu and positive.dtype in (torch.float32, torch.float64)
    if not is_plain or torch.get_num_threads() > _WORTH_OF_NUMPY:
        return positive.log_()
    array = positive.numpy()
    np.log(array, out=array)
    return positive


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
        ``H[mean_s p_s] - mean_s H[p_s]`` in nats, between 0 and log min(S, C). In
        float32, differences below 1e-6 are round-off.

    References
    ----------
    N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel. Bayesian Active Learning for
    Classification and Preference Learning. arXiv:1112.5745, 2011.
    """
    n_draws, n, n_classes = samples.shape
    proba_SF = samples.reshape(n_draws, n * n_classes)
    mean_S = proba_SF.new_full((n_draws,), 1 / n_draws)
    information_F = proba_SF.new_empty(n * n_classes)
    size = max(1, CHUNK_ELEMENTS // n_draws)
    scratch_Sf = proba_SF.new_empty(n_draws, min(size, len(information_F)))
    for start in range(0, len(information_F), size):
        chunk_Sf = proba_SF[:, start : start + size]
        width = chunk_Sf.shape[1]
        mean_f = mean_S @ chunk_Sf
        expected_f = mean_S @ plogp(chunk_Sf, scratch_Sf[:, :width])
        information_F[start : start + size] = expected_f + torch.special.entr(mean_f)
    scores: Tensor = information_F.reshape(n, n_classes).sum(-1)
    return scores.clamp_min(0)  # rounding can go below
