"""What learning curves amount to: their area, their mean."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation._paired import LEVEL, error_factor


def area_under_curve(n_labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean height of a learning curve over the labels spent.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, increasing; their logarithms, for an area in
        which each doubling of the labels counts alike.
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


def mean_and_band(
    curves: NDArray[np.float64], overlap: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of curves and its pointwise 95 % band.

    Parameters
    ----------
    curves : ndarray of shape (n_repeats, n_stages)
        One curve a repeat.
    overlap : float, default=0.0
        See :func:`paired_difference`.

    Returns
    -------
    mean, low, high : ndarray of shape (n_stages,)
        The band is the mean itself if there is a single curve.
    """
    n, mean = len(curves), curves.mean(axis=0)
    if n < 2:
        return mean, mean, mean
    error = curves.std(axis=0, ddof=1) * error_factor(n, overlap)
    half = stats.t.isf(LEVEL / 2, n - 1) * error
    return mean, mean - half, mean + half
