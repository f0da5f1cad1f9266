"""The Gaussian of SWAG: moments of weights along a training, and draws from it."""

import math
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class SWAGMoments(NamedTuple):
    """Moments of P weights.

    Attributes
    ----------
    mean, variance : Tensor of shape (P,)
        Of each weight, in float64.
    deviations_PL : Tensor of shape (P, L)
        Deviations from the running mean, of the last L points.
    """

    mean: Tensor
    variance: Tensor
    deviations_PL: Tensor


def swag_moments(weights: Iterable[Tensor], max_rank: int) -> SWAGMoments:
    """Return the moments of weights along a trajectory.

    ``mean_t`` is the mean of the first t points and ``d_t = weights_t - mean_t``, as in
    the official code. Variances are updated by Welford's rule in float64: the
    difference of moments of that code cancels where weights hardly move.

    Parameters
    ----------
    weights : iterable of Tensor of shape (P,)
        The trajectory; it is read once.
    max_rank : int
        Number L of deviations that are kept, the last ones.

    Returns
    -------
    moments : SWAGMoments
        Memory: ``(L + 2) P``.

    References
    ----------
    W. Maddox, T. Garipov, P. Izmailov, D. Vetrov, A. Wilson. A Simple Baseline for
    Bayesian Uncertainty in Deep Learning. NeurIPS, 2019.
    """
    deviations: deque[Tensor] = deque(maxlen=max_rank)
    mean = squares = torch.zeros((), dtype=torch.float64)
    n = 0
    for n, point in enumerate(weights, start=1):
        before = point.double() - mean
        mean = mean + before / n
        after = point.double() - mean
        squares = squares + before * after
        deviations.append(after.to(point.dtype))
    if n < 2:
        raise ValueError(f"SWAG needs at least two points of a trajectory, not {n}.")
    return SWAGMoments(mean, squares / n, torch.stack(list(deviations), dim=1))


def swag_weights(moments: SWAGMoments, noise_P: Tensor, noise_L: Tensor) -> Tensor:
    """Return a draw: ``mean + sqrt(var / 2) z1 + D z2 / sqrt(2 (L - 1))``.

    Its covariance is half the diagonal of variances and half that of the deviations,
    with L the number of deviations there are. The official code divides by the number
    that there may be, and its default scale is 1 in place of the paper's 1/2.

    Parameters
    ----------
    moments : SWAGMoments
        From :func:`swag_moments`.
    noise_P, noise_L : Tensor of shape (P,) and (L,)
        Standard normal noise.
    """
    mean, variance, deviations_PL = moments
    rank = deviations_PL.shape[1]
    low_rank_P = deviations_PL @ noise_L.to(deviations_PL)
    scale = math.sqrt(2 * max(1, rank - 1))
    return mean + (variance / 2).sqrt() * noise_P + low_rank_P / scale
