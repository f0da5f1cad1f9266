"""Numbers that say whether one learning curve beats another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

_LEVEL = 0.95


def area_under_curve(n_labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean height of a learning curve over the labels spent.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, increasing.
    scores : array-like of shape (n_stages,)
        Score at each stage.

    Returns
    -------
    area : float
        Area under the line through the points, divided by its width; the score
        itself if there is one stage only.
    """
    labels, heights = np.asarray(n_labels, float), np.asarray(scores, float)
    if len(labels) == 1:
        return float(heights[0])
    return float(np.trapezoid(heights, labels) / (labels[-1] - labels[0]))


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
        Two-sided p-value of the paired t-test; NaN with a single pair.
    n : int
        Number of pairs.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int

    @property
    def wording(self) -> str:
        """What may be said: "better", "worse", or that no difference was detected."""
        if self.n < 2:
            return "one repeat: no statement"
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return "no difference detected"


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare paired results, ``first - second``.

    Parameters
    ----------
    first, second : array-like of shape (n,)
        Results of the same repeats.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    n, mean = len(difference), float(difference.mean())
    if n < 2:
        return PairedDifference(mean, np.nan, np.nan, np.nan, n)
    error = difference.std(ddof=1) / np.sqrt(n)
    half = float(stats.t.ppf((1 + _LEVEL) / 2, n - 1) * error)
    if error == 0:
        p_value = 1.0 if mean == 0 else 0.0
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return PairedDifference(mean, mean - half, mean + half, p_value, n)


def mean_and_band(
    curves: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of curves and its pointwise 95 % band.

    Parameters
    ----------
    curves : ndarray of shape (n_repeats, n_stages)
        One curve a repeat.

    Returns
    -------
    mean, low, high : ndarray of shape (n_stages,)
        The band is the mean itself if there is a single curve.
    """
    n, mean = len(curves), curves.mean(axis=0)
    if n < 2:
        return mean, mean, mean
    half = (
        stats.t.ppf((1 + _LEVEL) / 2, n - 1) * curves.std(axis=0, ddof=1) / np.sqrt(n)
    )
    return mean, mean - half, mean + half


def penalty_matrix(curves: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return how often each strategy is beaten by each other.

    Parameters
    ----------
    curves : list of ndarray of shape (n_repeats, n_stages)
        Paired curves of each strategy; the first stage, which all share, is left out.

    Returns
    -------
    matrix : ndarray of shape (n_strategies, n_strategies)
        Entry (i, j) is the share of stages at which strategy i is significantly
        better than strategy j (paired t-test, 5 %). A column of small numbers is a
        strategy that is rarely beaten.

    References
    ----------
    J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch Active
    Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.
    """
    matrix = np.zeros((len(curves), len(curves)))
    stages = range(1, curves[0].shape[1])
    for i, better in enumerate(curves):
        for j, worse in enumerate(curves):
            wins = [
                paired_difference(better[:, t], worse[:, t]).wording == "better"
                for t in stages
            ]
            matrix[i, j] = np.mean(wins) if wins else 0.0
    return matrix
