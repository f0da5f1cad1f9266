"""Learning curves: what makes them comparable, what they amount to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.statistics._numbers import real_numbers
from skal_deep.evaluation.statistics._paired import LEVEL, error_factor

SATURATED = 0.99  # of the final score: from there on all strategies look alike


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
    labels, heights = check_labels(n_labels, scores), real_numbers(scores, "scores")
    if not np.isfinite(heights).all():
        return np.nan
    if len(labels) == 1:
        return float(heights[0])
    return float(np.trapezoid(heights, labels) / (labels[-1] - labels[0]))


def check_labels(n_labels: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Return the numbers of labels of a curve if they belong to its scores.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, increasing.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Score at each stage.
    """
    labels, shape = real_numbers(n_labels, "n_labels"), np.shape(scores)
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


def check_curves(rows: Iterable[dict[str, Any]]) -> None:
    """Raise unless the labels of each curve increase, over as many stages a repeat.

    Parameters
    ----------
    rows : iterable of dict
        One row for each strategy, repeat and stage.
    """
    labels: dict[Any, dict[Any, list[Any]]] = {}
    for row in rows:
        of_strategy = labels.setdefault(row["strategy"], {})
        of_strategy.setdefault(row["repeat"], []).append(row["n_labels"])
    for name, of_strategy in labels.items():
        for repeat, counts in of_strategy.items():
            if not (np.diff(np.asarray(counts, float)) > 0).all():
                raise ValueError(
                    f"The labels of {name!r} in repeat {repeat} must increase from row "
                    f"to row, but are {counts}. Sort the rows by stage."
                )
        lengths = sorted({len(counts) for counts in of_strategy.values()})
        if len(lengths) > 1:
            raise ValueError(
                f"The repeats of {name!r} have {lengths} stages, but must have as many "
                "each. Leave out the repeat that is not finished."
            )


def stage_labels(comparison: HasCurves, name: str) -> NDArray[np.float64]:
    """Return a strategy's own numbers of labels, the same in each repeat.

    Parameters
    ----------
    comparison : Comparison
        The result of a comparison.
    name : str
        Name of a strategy or of a reference line.
    """
    labels_RT = comparison.curve(name, "n_labels")
    if (labels_RT != labels_RT[:1]).any():
        raise ValueError(
            f"The repeats of {name!r} have different numbers of labels, so that there "
            f"is no mean curve: {labels_RT.tolist()}."
        )
    return labels_RT[0]


def check_comparable(comparison: HasCurves, name: str, baseline: str) -> None:
    """Raise unless two strategies have the same repeats, over the same labels.

    Parameters
    ----------
    comparison : Comparison
        The result of a comparison.
    name, baseline : str
        Names of the strategies.
    """
    repeats = {
        strategy: sorted(
            {row["repeat"] for row in comparison.curves if row["strategy"] == strategy}
        )
        for strategy in (name, baseline)
    }
    if repeats[name] != repeats[baseline]:
        raise ValueError(
            f"{name!r} has the repeats {repeats[name]} and {baseline!r} "
            f"{repeats[baseline]}, so that they are not paired."
        )
    ours, theirs = (comparison.curve(s, "n_labels") for s in (name, baseline))
    if (ours[:, [0, -1]] != theirs[:, [0, -1]]).any():
        raise ValueError(
            f"{name!r} goes from {ours[0, 0]} to {ours[0, -1]} labels and {baseline!r} "
            f"from {theirs[0, 0]} to {theirs[0, -1]}: areas over different numbers of "
            "labels do not compare. label_savings() does, by what each needs."
        )


def check_stages(comparison: HasCurves) -> None:
    """Raise unless all strategies have the same numbers of labels at each stage.

    Parameters
    ----------
    comparison : Comparison
        The result of a comparison.
    """
    baseline, *others = comparison.strategies
    labels = comparison.curve(baseline, "n_labels")
    for name in others:
        check_comparable(comparison, name, baseline)
        own = comparison.curve(name, "n_labels")
        if own.shape != labels.shape or (own != labels).any():
            raise ValueError(
                f"{name!r} and {baseline!r} have different numbers of labels at some "
                "stage, so that they cannot be compared stage by stage."
            )


def saturation_stage(mean_T: NDArray[np.float64], share: float = SATURATED) -> int:
    """Return the first stage at which a mean curve is as good as its end.

    That is ``final - (1 - share) * |final|`` or more, so that it also works where
    scores are negative.

    Parameters
    ----------
    mean_T : ndarray of shape (n_stages,)
        Mean scores of a strategy.
    share : float, default=0.99
        Share of the final score that is as good.
    """
    return int(np.argmax(mean_T >= mean_T[-1] - (1 - share) * abs(mean_T[-1])))
