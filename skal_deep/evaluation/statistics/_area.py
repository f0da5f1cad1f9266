"""Summaries of learning curves: their area, their mean."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation.statistics._paired import LEVEL, error_factor


def area_under_curve(n_labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean height of a learning curve over the labels spent.

    Use it to sum up a learning curve by one number, in the unit of the score.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, increasing; their logarithms, for an area in
        which each doubling of the labels counts alike.
    scores : array-like of shape (n_stages,)
        Score at each stage.

    Returns
    -------
    float
        Area under the line through the points, divided by its width; the score
        itself if there is one stage only; NaN where a stage has no score.

    See Also
    --------
    penalty_matrix : Compares curves stage by stage.
    labels_to_reach : Reads a curve the other way, from score to labels.

    Examples
    --------
    >>> from skal_deep.evaluation import area_under_curve
    >>> round(area_under_curve([10, 20, 30], [0.5, 0.7, 0.9]), 3)
    0.7
    """
    labels, heights = checked_labels(n_labels, scores), np.asarray(scores, float)
    if not np.isfinite(heights).all():
        return np.nan
    if len(labels) == 1:
        return float(heights[0])
    return float(np.trapezoid(heights, labels) / (labels[-1] - labels[0]))


def checked_labels(n_labels: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the numbers of labels of a curve if they belong to its scores.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, increasing.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Score at each stage.
    """
    labels, shape = np.asarray(n_labels, float), np.shape(scores)
    if labels.ndim != 1 or len(shape) not in (1, 2) or shape[-1:] != labels.shape:
        raise ValueError(
            "A curve needs one number of labels and one score for each stage, but "
            f"n_labels has the shape {labels.shape} and scores {shape}."
        )
    if not labels.size or not np.isfinite(labels).all() or (np.diff(labels) <= 0).any():
        raise ValueError(
            "n_labels must increase from stage to stage, without a stage that occurs "
            f"twice or has no number, but is {labels.tolist()}. Sort the stages."
        )
    return labels


def checked_scores(scores: ArrayLike, name: str = "scores") -> NDArray[np.float64]:
    """Return scores if all of them are numbers.

    Parameters
    ----------
    scores : array-like
        Scores, or differences of scores.
    name : str, default="scores"
        What they are called where they came from.
    """
    values = np.asarray(scores, float)
    n_missing = int(values.size - np.isfinite(values).sum())
    if n_missing:
        raise ValueError(
            f"{name} has {n_missing} of {values.size} values that are NaN or infinite, "
            "of which nothing can be said. Leave out what they belong to, or find out "
            "why there is no score: a training that diverged, or a metric that is not "
            "defined."
        )
    return values


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
