"""Label savings: how many labels one strategy needs for the score of another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import isotonic_regression

from skal_deep.evaluation.statistics._curves import check_labels
from skal_deep.evaluation.statistics._numbers import check_scores
from skal_deep.evaluation.statistics._paired import LEVEL

_N_RESAMPLES = 1000
SEED = 0  # a table of the same comparison is the same each time


@dataclass(frozen=True)
class LabelsNeeded:
    """How many labels a curve needs for given scores, with 95 % bootstrap intervals.

    :func:`labels_needed` returns it: read it as "so many labels, and at least ``low``
    of them".

    Attributes
    ----------
    needed : ndarray of shape (n_targets,)
        Number of labels; infinite (censored) where the curve never gets there.
    low, high : ndarray of shape (n_targets,)
        Bounds of the intervals, either of which can be infinite; NaN with one repeat.

    See Also
    --------
    labels_needed : Computes it from two sets of curves.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import labels_needed
    >>> curves, targets = [[0.5, 0.7, 0.8]] * 3, [[0.7]] * 3
    >>> found = labels_needed([10, 20, 30], curves, targets, np.random.default_rng(0))
    >>> found.needed.round()
    array([20.])
    """

    needed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def labels_to_reach(
    n_labels: ArrayLike, scores: ArrayLike, targets: ArrayLike
) -> NDArray[np.float64]:
    """Return how many labels a learning curve needs to reach given scores.

    Noise makes curves fall now and then; what counts is the closest curve that never
    falls (isotonic regression), with straight lines between its points.

    Use it to read one learning curve the other way round, from score to labels.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, increasing.
    scores : array-like of shape (n_stages,)
        Score at each stage.
    targets : array-like of shape (n_targets,)
        Scores to reach.

    Returns
    -------
    ndarray of shape (n_targets,)
        Number of labels; infinite for a score that is never reached.

    See Also
    --------
    labels_needed : The same for repeats, with an interval.
    area_under_curve : Sums up a curve by its mean height.

    Examples
    --------
    >>> from skal_deep.evaluation import labels_to_reach
    >>> labels_to_reach([10, 20, 30], [0.5, 0.7, 0.8], [0.6, 0.9]).round()
    array([15., inf])
    """
    labels, targets = check_labels(n_labels, scores), check_scores(targets)
    if targets.ndim != 1:
        raise ValueError(
            f"targets must be a list of scores, not of shape {targets.shape}."
        )
    return _to_reach(labels, check_scores(scores), targets)


def _to_reach(
    labels: NDArray[np.float64],
    scores: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return what :func:`labels_to_reach` does, of numbers that are checked."""
    risen = isotonic_regression(scores).x
    # Smoothing computes means, which may lie a last digit below what they are means of.
    round_off = len(labels) * np.finfo(float).eps * np.abs(risen).max()
    after = np.searchsorted(risen, targets - round_off)  # the first that gets there
    needed = np.full(len(targets), np.inf)
    needed[after == 0] = labels[0]
    between = (after > 0) & (after < len(labels))
    right = after[between]
    left = right - 1
    share = (targets[between] - risen[left]) / (risen[right] - risen[left])
    share = np.minimum(share, 1)
    needed[between] = labels[left] + share * (labels[right] - labels[left])
    return needed


def labels_needed(
    n_labels: ArrayLike,
    scores: ArrayLike,
    targets: ArrayLike,
    rng: np.random.Generator,
) -> LabelsNeeded:
    """Return how many labels one strategy needs for the mean scores of another.

    Repeats are drawn with replacement, the same for both strategies because they are
    paired. The interval is between percentiles of these draws, so much further out than
    2.5 and 97.5 as Student's interval is wider than one of the spread of a few numbers
    [1]_. Of fewer than six repeats it is the range of the draws, which holds less often
    than 95 %.

    Use it to say how many labels a strategy saves.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels of that strategy at each stage, increasing.
    scores : array-like of shape (n_repeats, n_stages)
        Curves of the strategy whose labels are counted.
    targets : array-like of shape (n_repeats, n_targets)
        Scores of the other, whose mean is to be reached.
    rng : numpy.random.Generator
        Draws 1000 times.

    Returns
    -------
    LabelsNeeded
        The number of labels for each target, with its interval.

    See Also
    --------
    labels_to_reach : The same for one curve, without an interval.
    plot_savings : Draws it for a comparison.

    References
    ----------
    .. [1] T. Hesterberg. What Teachers Should Know About the Bootstrap: Resampling in
       the Undergraduate Statistics Curriculum. The American Statistician, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import labels_needed
    >>> curves, targets = [[0.5, 0.7, 0.8]] * 3, [[0.7]] * 3
    >>> found = labels_needed([10, 20, 30], curves, targets, np.random.default_rng(0))
    >>> found.needed.round(), found.high.round()
    (array([20.]), array([20.]))
    """
    scores, targets = check_scores(scores), check_scores(targets, "targets")
    if scores.ndim != 2 or targets.ndim != 2 or len(scores) != len(targets):
        raise ValueError(
            "labels_needed needs a row of scores and a row of targets for each repeat, "
            f"not the shapes {scores.shape} and {targets.shape}."
        )
    n_repeats = len(scores)
    needed = labels_to_reach(n_labels, scores.mean(0), targets.mean(0))
    if n_repeats < 2:
        return LabelsNeeded(needed, *np.full((2, len(needed)), np.nan))
    labels = check_labels(n_labels, scores[0])
    draws = rng.integers(n_repeats, size=(_N_RESAMPLES, n_repeats))
    # Of few repeats there are few draws that differ in more than their order.
    draws, which = np.unique(np.sort(draws, axis=1), axis=0, return_inverse=True)
    drawn = np.array(
        [_to_reach(labels, scores[d].mean(0), targets[d].mean(0)) for d in draws]
    )[which]
    # Means of draws spread by the variance over n, and not over n - 1.
    wider = np.sqrt(n_repeats / (n_repeats - 1))
    tail = float(stats.norm.cdf(wider * stats.t.ppf(LEVEL / 2, n_repeats - 1)))
    # No interpolation between draws: half-way to infinity is no number.
    low, high = np.quantile(drawn, (tail, 1 - tail), axis=0, method="inverted_cdf")
    return LabelsNeeded(needed, low, high)
