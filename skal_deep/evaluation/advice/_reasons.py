"""Why choosing labels did not help: seven reasons, one measurement each."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.advice._measured import (
    AFTER_BATCHES,
    Measured,
    known_mean,
    measure,
)
from skal_deep.evaluation.comparison._result import BASELINE
from skal_deep.evaluation.simulation._start import GivenData

# Thresholds of trials with planted reasons, of classes; for numbers they are the same,
# and were tried on a few planted ones. g, the smallest gain, is the caller's.
_GOOD = 0.95
_SIMPLE_IS_NEAR = 0.05
_COPIES = 0.5
_AUROC = 0.6
_NOISE = 0.08
_N_SATURATED = 3  # reasons that come before convergence
_FAR_MORE = 2  # times the gain that matters
_FEWEST_STAGES = 4  # of which thirds can be told, besides the start


@dataclass(frozen=True)
class Reason:
    """One reason why choosing may not have helped, with what was measured.

    ``does_al_help(..., explain=True).reasons()`` returns seven.

    Attributes
    ----------
    name : str
        The reason.
    holds : bool or None
        Whether it was found; ``None`` where it cannot be told.
    value : float
        What was measured; NaN where it could not be.
    threshold : float
        What it was compared with.
    text : str
        The finding in a sentence.

    See Also
    --------
    does_al_help : Finds them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import does_al_help
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 3, "n_cycles": 3, "progress": False, "random_state": 0}
    >>> answer = does_al_help(GaussianNB(), X, y, explain=True, **options)
    >>> [reason.name for reason in answer.reasons() if reason.holds]
    ['nothing to gain']
    """

    name: str
    holds: bool | None
    value: float
    threshold: float
    text: str


def find_reasons(
    comparison: HasCurves,
    strategy: str,
    estimator: Any,
    data: GivenData,
    smallest_gain: float,
    is_better: bool,
) -> list[Reason]:
    """Return seven reasons why a strategy may not have helped, in order.

    The first that holds is the one to name: where there is nothing left to gain,
    nothing else can be seen. None may hold. All labels are needed, and one fit of all
    of them, five of four fifths and a few of the first rounds in each repeat.

    Numbers are not right or wrong. In the place of a share that is right stands the
    variance that is explained, of a nearest-centroid rule ridge regression, and a row
    is contradicted where the others' prediction is off by a standard deviation of y.

    An empty list if the strategy is better: by a gain that matters, and up to the end.

    Parameters
    ----------
    comparison : Comparison
        The strategy beside random sampling.
    strategy : str
        Its name.
    estimator : object
        The model.
    data : GivenData
        The data of the comparison.
    smallest_gain : float
        The gain in score that matters.
    is_better : bool
        Whether the strategy is shown to be better than random sampling.
    """
    random, chosen = (comparison.curve(name) for name in (BASELINE, strategy))
    is_number = is_regressor(estimator)
    if is_number:
        random, chosen = _shares(random), _shares(chosen)
    gain_RT = chosen - random
    gain_R = gain_RT.mean(axis=1)
    is_large = not _at_most(gain_R.mean(), smallest_gain / 2)
    if is_better and is_large and not _was_early(gain_RT, smallest_gain):
        return []
    picks = comparison.picked(strategy), comparison.picked(BASELINE)
    measured = [
        measure(comparison, estimator, data, repeat, *rows)
        for repeat, rows in enumerate(zip(*picks, strict=True))
    ]
    labels = comparison.curve(BASELINE, "n_labels")[0]
    saturated = _saturated
    if is_number:
        saturated = _saturated_of_numbers
        measured = [replace(m, ceiling=float(_shares(m.ceiling))) for m in measured]
    found = [
        *saturated(random, measured, labels, smallest_gain),
        *(_copies(measured), _unreliable(measured), _noise(measured)),
    ]
    # A gain that matters, beyond chance on these rows: there was something to gain, and
    # picks brought it. Where some repeat has no score, that is open.
    if not _at_most(gain_R.mean(), smallest_gain) and not _at_most(_low(gain_R), 0):
        found = [replace(each, holds=each.holds and None) for each in found]
    converged = _converged(random, chosen, measured, labels, smallest_gain)
    found.insert(_N_SATURATED, converged)
    if is_better and not any(reason.holds for reason in found):
        return []
    return [reason if reason.holds else _without_finding(reason) for reason in found]


def _without_finding(reason: Reason) -> Reason:
    """Return a reason that was not found, told by its numbers."""
    text = f"Not found: {reason.value:.2f} was measured, beside {reason.threshold:.2f}."
    if reason.holds is None:
        text = "It cannot be told here."
    return replace(reason, text=text)


def _saturated(
    random_RT: NDArray[np.float64],
    measured: list[Measured],
    labels: NDArray[np.float64],
    g: float,
) -> list[Reason]:
    """Return the three reasons of which random sampling leaves nothing to gain."""
    at = min(AFTER_BATCHES, random_RT.shape[1] - 1)
    early_R, ceiling_R = random_RT[:, at], _column(measured, "ceiling")
    left_R = ceiling_R - early_R
    ceiling, early, n = ceiling_R.mean(), early_R.mean(), f"{labels[at]:.0f}"
    left, error = left_R.mean(), left_R.std(ddof=1) / math.sqrt(len(left_R))
    simple = _column(measured, "simple").mean()
    is_saturated = _at_most(left - 2 * error, g)
    if is_saturated and not _at_most(left, _FAR_MORE * g):
        is_saturated = None  # so much is left that chance is no better a reason
    is_good = _at_most(_GOOD, ceiling)
    is_simple = _at_most(ceiling - simple, _SIMPLE_IS_NEAR)
    where = (
        f"After {n} random labels the model is at {early:.2f}, where all labels would "
        f"bring it ({ceiling:.2f})"
    )
    return [
        Reason(
            "easy task",
            _all(is_saturated, is_good, is_simple),
            float(left),
            g,
            f"{where}, and a nearest-centroid rule is at {simple:.2f}: the task is "
            "easy.",
        ),
        Reason(
            "strong model",
            _all(is_saturated, is_good, _not(is_simple)),
            float(left),
            g,
            f"{where}, while a nearest-centroid rule is at {simple:.2f}: the features "
            "do the work.",
        ),
        Reason(
            "nothing to gain",
            _all(is_saturated, _not(is_good)),
            float(left),
            g,
            f"All labels would bring {ceiling:.2f}, {n} random ones bring {early:.2f}: "
            "labels are not what is missing. Look at features, model or label noise.",
        ),
    ]


def _shares(score: Any) -> NDArray[np.float64]:
    """Return scores whose differences are shares of an error, where they are errors.

    Differences of errors in the unit of y have no size that matters. Scores that are
    no errors, such as r2, stay as they are.
    """
    score = np.asarray(score, dtype=float)
    return -np.log(-score) if (score < 0).all() else score


def _saturated_of_numbers(
    random_RT: NDArray[np.float64],
    measured: list[Measured],
    labels: NDArray[np.float64],
    g: float,
) -> list[Reason]:
    """Return the same three reasons for numbers, by the variance that is explained."""
    at = min(AFTER_BATCHES, random_RT.shape[1] - 1)
    left = float((_column(measured, "ceiling") - random_RT[:, at]).mean())
    explained = _column(measured, "explained").mean()
    simple = _column(measured, "simple").mean()
    is_saturated = _at_most(left, g)
    is_good = _at_most(_GOOD, explained)
    is_simple = _at_most(explained - simple, _SIMPLE_IS_NEAR)
    where = (
        f"After {labels[at]:.0f} random labels all others would take about "
        f"{max(left, 0):.1%} off the error"
    )
    known = f"the model then explains {explained:.0%} of the variance"
    return [
        Reason(
            "easy task",
            _all(is_saturated, is_good, is_simple),
            left,
            g,
            f"{where}; {known}, and ridge regression on these labels {simple:.0%}: the "
            "task is easy.",
        ),
        Reason(
            "strong model",
            _all(is_saturated, is_good, _not(is_simple)),
            left,
            g,
            f"{where}; {known}, while ridge regression on these labels explains "
            f"{simple:.0%}: the features do the work.",
        ),
        Reason(
            "nothing to gain",
            _all(is_saturated, _not(is_good)),
            left,
            g,
            f"{where}: labels are not what is missing. Look at features or model; the "
            "rest may be noise.",
        ),
    ]


def _converged(
    random_RT: NDArray[np.float64],
    chosen_RT: NDArray[np.float64],
    measured: list[Measured],
    labels: NDArray[np.float64],
    g: float,
) -> Reason:
    gain_RT = chosen_RT - random_RT
    if gain_RT.shape[1] < _FEWEST_STAGES:
        return Reason("convergence", None, math.nan, g / 2, "")
    early_R, late_R = _early_and_late(gain_RT)
    third = _third(gain_RT)
    left = (_column(measured, "ceiling") - random_RT[:, -1]).mean()
    return Reason(
        "convergence",
        _all(_was_early(gain_RT, g), _at_most(left, g)),
        float(late_R.mean()),
        g / 2,
        f"It helped at first (by {early_R.mean():.3f} up to {labels[third]:.0f} "
        f"labels) and by {late_R.mean():.3f} at the end: the budget goes on past the "
        "point where random labels catch up.",
    )


def _was_early(gain_RT: NDArray[np.float64], g: float) -> bool | None:
    """Return whether there was a gain in the first third, and none in the last."""
    if gain_RT.shape[1] < _FEWEST_STAGES:
        return None
    early_R, late_R = _early_and_late(gain_RT)
    return _all(_not(_at_most(_low(early_R), 0)), _at_most(late_R.mean(), g / 2))


def _early_and_late(
    gain_RT: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean gains of each repeat in the first and in the last third."""
    third = _third(gain_RT)  # the start is the same for both
    return gain_RT[:, 1 : 1 + third].mean(axis=1), gain_RT[:, -third:].mean(axis=1)


def _third(gain_RT: NDArray[np.float64]) -> int:
    return max(1, (gain_RT.shape[1] - 1) // 3)


def _copies(measured: list[Measured]) -> Reason:
    value = float(np.median(_column(measured, "copies")))
    return Reason(
        "copies in a batch",
        _at_most(value, _COPIES),
        value,
        _COPIES,
        f"Rows of a batch are {value:.2f} times as far apart as those of a random "
        "batch: near copies of each other. Take a diverse strategy or smaller batches.",
    )


def _unreliable(measured: list[Measured]) -> Reason:
    value = known_mean(_column(measured, "auroc"))
    return Reason(
        "uncertainty unreliable",
        _at_most(value, _AUROC),
        value,
        _AUROC,
        "What the model is unsure of is not what it gets wrong and could learn (AUROC "
        f"{value:.2f}, where 0.50 is chance).",
    )


def _noise(measured: list[Measured]) -> Reason:
    picks = _column(measured, "picks_contradicted").mean()
    pool = _column(measured, "pool_contradicted").mean()
    return Reason(
        "uncertain is not informative",
        _not(_at_most(picks - pool, _NOISE)),
        float(picks - pool),
        _NOISE,
        f"{picks:.0%} of the picks cannot be learned from all other labels (of the "
        f"pool {pool:.0%}): noise, outliers, or what this model cannot tell apart.",
    )


def _column(measured: list[Measured], name: str) -> NDArray[np.float64]:
    return np.array([getattr(each, name) for each in measured])


def _low(values: NDArray[np.float64]) -> float:
    """Return the lower bound of a mean, at 95 %."""
    n = len(values)
    error = values.std(ddof=1) / math.sqrt(n)
    return float(values.mean() - stats.t.ppf(0.95, n - 1) * error)


def _at_most(value: float, limit: float) -> bool | None:
    """Return whether a number is so small; ``None`` if there is no number."""
    return None if math.isnan(value) else bool(value <= limit)


def _not(statement: bool | None) -> bool | None:
    return None if statement is None else not statement


def _all(*statements: bool | None) -> bool | None:
    if False in statements:
        return False
    return None if None in statements else True
