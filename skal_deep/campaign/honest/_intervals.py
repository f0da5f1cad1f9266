"""Exact intervals of a share, from how many of a random sample have something."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, t

Interval = tuple[float, float]


def upper_bound(k: int, m: int, level: float) -> float:
    """Return the exact one-sided upper bound of a share.

    Parameters
    ----------
    k : int
        How many have it.
    m : int
        Size of the sample.
    level : float
        Probability that the share is not above the bound, at least.
    """
    return 1.0 if k == m else float(beta.ppf(level, k + 1, m - k))


def mean_interval(values: ArrayLike, level: float) -> Interval:
    """Return Student's interval of a mean.

    Parameters
    ----------
    values : array-like of shape (n_samples,)
        Two or more.
    level : float
        Probability that the interval covers, for means of bell-shaped numbers.
    """
    values = np.asarray(values, float)
    half = t.ppf((1 + level) / 2, len(values) - 1)
    half *= values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def among_predicted(interval: Interval, n_all: int, n_chosen: int) -> Interval:
    """Return bounds of an error among the items that nobody looked at.

    What was chosen may have been all the hard items, or none of them.

    Parameters
    ----------
    interval : tuple of float
        Interval of the error among all items.
    n_all : int
        How many items there are.
    n_chosen : int
        How many of them a strategy chose.
    """
    rest = n_all - n_chosen
    if rest <= 0:
        return 0.0, 1.0
    low, high = interval
    return max(0.0, (n_all * low - n_chosen) / rest), min(1.0, n_all * high / rest)
