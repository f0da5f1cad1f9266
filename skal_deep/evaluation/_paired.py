"""Paired differences: their mean, interval, size, and what may be said of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

LEVEL = 0.05
_FAR = 500  # beyond, scipy's inverse of the noncentral t is slow and wrong
_N_ROUNDINGS = 8  # in a score and a mean of scores; smaller differences are none


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences, with its 95 % interval.

    Attributes
    ----------
    mean : float
        Mean difference.
    low, high : float
        Bounds of the interval of Student's t; NaN with a single pair.
    p_value : float
        Two-sided p-value of the paired t-test; NaN with a single pair. Where all
        differences are equal, their spread says nothing, and it is that of the flips
        of their signs, ``2 / 2**n``.
    n : int
        Number of pairs.
    sd : float
        Standard deviation of the differences; NaN with a single pair.
    overlap : float
        How much the pairs share, see :func:`paired_difference`.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int
    sd: float
    overlap: float = 0.0

    @property
    def wording(self) -> str:
        """What may be said: "better", "worse", or that no difference was detected."""
        return self.worded(self.p_value)

    def worded(self, p_value: float) -> str:
        """Return what may be said, given a p-value corrected for other tests.

        Parameters
        ----------
        p_value : float
            The p-value to judge by.
        """
        if self.n < 2:
            return "one repeat: no statement"
        if p_value >= LEVEL:
            return "no difference detected"
        return "better" if self.mean > 0 else "worse"


def paired_difference(
    first: ArrayLike, second: ArrayLike, overlap: float = 0.0
) -> PairedDifference:
    """Compare paired results, ``first - second``.

    The standard error of the mean is ``sd * sqrt(1 / n + overlap)``. Pairs that were
    all measured on splits of one data set are not independent; Nadeau and Bengio
    estimate their correlation by the share of test rows, which makes ``overlap`` the
    number of test rows over the number of rows left to train on.

    Parameters
    ----------
    first, second : array-like of shape (n,)
        Results of the same repeats.
    overlap : float, default=0.0
        Test rows over training rows, if every repeat splits the same rows anew; zero
        for independent pairs.

    Returns
    -------
    difference : PairedDifference
        The mean difference and what is known of it.

    References
    ----------
    C. Nadeau, Y. Bengio. Inference for the Generalization Error. Machine Learning,
    2003.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    round_off = _N_ROUNDINGS * np.finfo(float).eps * np.maximum(abs(first), abs(second))
    difference = np.where(abs(first - second) <= round_off, 0.0, first - second)
    n, mean = len(difference), float(difference.mean())
    if n < 2:
        return PairedDifference(mean, np.nan, np.nan, np.nan, n, np.nan, overlap)
    is_equal = np.ptp(difference) <= round_off.max()
    sd = 0.0 if is_equal else float(difference.std(ddof=1))
    error = sd * error_factor(n, overlap)
    half = float(stats.t.isf(LEVEL / 2, n - 1)) * error
    if error == 0:
        p_value = 1.0 if mean == 0 else 2 / 2**n
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return PairedDifference(mean, mean - half, mean + half, p_value, n, sd, overlap)


def error_factor(n: int, overlap: float = 0.0) -> float:
    """Return the standard error of a mean, in standard deviations.

    Parameters
    ----------
    n : int
        Number of pairs.
    overlap : float, default=0.0
        See :func:`paired_difference`.
    """
    return float(np.sqrt(1 / n + overlap))


def effect_size(difference: PairedDifference) -> tuple[float, float, float]:
    """Return a mean difference in standard deviations, with its 95 % interval.

    Cohen's d of paired data. The interval holds the effects under which the t
    statistic, noncentral t, is neither in its lower nor its upper 2.5 %.

    Parameters
    ----------
    difference : PairedDifference
        At least two pairs that are not all alike; NaN otherwise.

    Returns
    -------
    effect, low, high : float
        The effect and the bounds of its interval.
    """
    if difference.n < 2 or difference.sd == 0:
        return np.nan, np.nan, np.nan
    effect = difference.mean / difference.sd
    factor = error_factor(difference.n, difference.overlap)
    low, high = (
        factor * _noncentrality(difference.n - 1, share, effect / factor)
        for share in (1 - LEVEL / 2, LEVEL / 2)
    )
    return effect, low, high


def _noncentrality(df: int, share: float, t: float) -> float:
    """Return the noncentrality under which a share of a noncentral t is below t."""
    if abs(t) < _FAR:
        return float(special.nctdtrinc(df, share, t))
    # A quantile of t * sqrt(chi2 / df) - z, in which the normal z counts for nothing.
    quantile = stats.chi2.isf if t > 0 else stats.chi2.ppf
    return float(t * np.sqrt(quantile(share, df) / df))
