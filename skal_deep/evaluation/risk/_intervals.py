"""Intervals of a mean loss that hold where mistakes are rare."""

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

# Bets of the anytime interval, as shares of the largest that cannot lose everything.
_BETS = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.95])
_N_GRID = 501
# Mistakes of folds that share their models vary more than those of as many rows under
# one model: by 1.26 times the variance at most, in simulated campaigns.
INDEPENDENT = 0.8  # of the labels, as many as the interval of folds counts


def exact_interval(
    n_mistakes: int, n_labels: int, n_pool: int, level: float
) -> tuple[float, float]:
    """Return the interval of the share of mistakes, for labels drawn at random.

    The number K of mistakes in the pool gives k among M labels of N rows by the
    hypergeometric law. The bounds are the smallest K with ``P(X >= k) > alpha / 2`` and
    the largest with ``P(X <= k) > alpha / 2``: the interval covers at least as often as
    it promises, for any size.

    Parameters
    ----------
    n_mistakes : int
        Mistakes k among the labels.
    n_labels : int
        Number of labels M.
    n_pool : int
        Number of rows N.
    level : float
        Probability with which the interval covers the true value.
    """
    tail = (1 - level) / 2
    fewest, most = n_mistakes, n_pool - (n_labels - n_mistakes)

    def at_least(total: int) -> bool:
        return bool(stats.hypergeom.sf(n_mistakes - 1, n_pool, total, n_labels) > tail)

    def at_most(total: int) -> bool:
        return bool(stats.hypergeom.cdf(n_mistakes, n_pool, total, n_labels) > tail)

    low, above = fewest, most
    while low < above:  # P(X >= k) rises with K
        middle = (low + above) // 2
        low, above = (low, middle) if at_least(middle) else (middle + 1, above)
    high, below = most, fewest
    while below < high:  # P(X <= k) falls with K
        middle = (below + high + 1) // 2
        below, high = (middle, high) if at_most(middle) else (below, middle - 1)
    return low / n_pool, high / n_pool


def clopper_pearson(
    n_mistakes: float, n_labels: float, level: float
) -> tuple[float, float]:
    """Return the exact interval of a share of a population, from a random sample.

    It is that of :func:`exact_interval` for a pool without end.

    Parameters
    ----------
    n_mistakes : float
        How many of the sample are mistakes.
    n_labels : float
        Size of the sample; of 0 nothing is known. Neither need be a whole number.
    level : float
        Probability with which the interval covers the true share, at least.
    """
    tail, n_right = (1 - level) / 2, n_labels - n_mistakes
    low, high = 0.0, 1.0
    if n_mistakes > 0:
        low = float(stats.beta.ppf(tail, n_mistakes, n_right + 1))
    if n_right > 0:
        high = float(stats.beta.isf(tail, n_mistakes + 1, n_right))
    return low, high


def folds_interval(n_mistakes: int, n_labels: int, level: float) -> tuple[float, float]:
    """Return the interval of an error from folds of a random sample.

    Models of folds share most of their rows, and rows of a fold share their model. So
    the interval is :func:`clopper_pearson` of four fifths of both numbers, which is not
    proved but simulated.

    Parameters
    ----------
    n_mistakes : int
        Mistakes in all folds.
    n_labels : int
        Size of the sample.
    level : float
        Probability with which the interval covers the error.
    """
    return clopper_pearson(INDEPENDENT * n_mistakes, INDEPENDENT * n_labels, level)


def gamma_interval(
    weight: NDArray[np.float64],
    is_mistake: NDArray[np.bool_],
    largest: float,
    level: float,
) -> tuple[float, float]:
    """Return the interval of a weighted sum of rare mistakes.

    With ``y = sum w L`` and ``s = sum w^2 L`` the bounds are quantiles of gamma
    distributions of these means and variances; the upper one is that of one more
    mistake, of the largest weight u that a mistake could have had.

    Parameters
    ----------
    weight : ndarray of shape (n_labels,)
        Weights w, whose weighted mistakes sum to the estimate.
    is_mistake : ndarray of shape (n_labels,)
        Losses L.
    largest : float
        The weight u.
    level : float
        Probability with which the interval covers the true value.

    References
    ----------
    M. P. Fay, E. J. Feuer. Confidence Intervals for Directly Standardized Rates: A
    Method Based on the Gamma Distribution. Statistics in Medicine, 1997.
    """
    tail = (1 - level) / 2
    heavy, largest = weight[is_mistake], min(largest, 1.0)  # more makes it 1, too
    mean, variance = float(heavy.sum()), float((heavy**2).sum())
    low = 0.0
    if mean > 0:
        degrees = 2 * mean**2 / variance
        low = variance / (2 * mean) * float(stats.chi2.ppf(tail, degrees))
    mean, variance = mean + largest, variance + largest**2
    degrees = 2 * mean**2 / variance
    high = variance / (2 * mean) * float(stats.chi2.isf(tail, degrees))
    return min(low, 1.0), min(high, 1.0)


def anytime_interval(
    alone: NDArray[np.float64], bound: NDArray[np.float64], level: float
) -> tuple[float, float]:
    """Return the interval of a mean loss that stays valid after each label.

    ``alone`` holds unbiased estimates of the mean loss R given all draws before. For
    each value r, bets that R is larger or smaller have a capital with mean 1 if R = r;
    it reaches ``1 / alpha`` at any time with probability alpha at most (Ville). The
    values r whose capital stays below are kept.

    Parameters
    ----------
    alone : ndarray of shape (n_labels,)
        The estimates, none negative, in the order of the draws.
    bound : ndarray of shape (n_labels,)
        The largest value that each of them could have had.
    level : float
        Probability with which all intervals, after each label, cover.

    References
    ----------
    I. Waudby-Smith, A. Ramdas. Estimating Means of Bounded Random Variables by
    Betting. Journal of the Royal Statistical Society B, 2024.
    """
    grid_G = np.linspace(0, 1, _N_GRID)[1:-1]
    capital = []
    with np.errstate(divide="ignore"):
        for bet in _BETS:
            # For a larger mean a bet may lose up to r, for a smaller one up to B - r.
            more_MG = bet / grid_G * (alone[:, None] - grid_G)
            room_MG = np.maximum(bound[:, None] - grid_G, np.finfo(float).tiny)
            less_MG = -bet / room_MG * (alone[:, None] - grid_G)
            less_MG = np.where(bound[:, None] > grid_G, less_MG, 0)
            capital += [np.log1p(each).cumsum(0) for each in (more_MG, less_MG)]
    mixed_MG = special.logsumexp(capital, axis=0) - np.log(len(capital))
    kept = (mixed_MG < -np.log(1 - level)).all(0)
    step = grid_G[0]
    if not kept.any():
        return 0.0, 1.0
    first, last = grid_G[kept][[0, -1]]
    # The bounds lie between points of the grid: take the next ones outside.
    return max(float(first - step), 0.0), min(float(last + step), 1.0)
