"""Why choosing labels did not help: seven reasons, one measurement each."""

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.comparison._result import BASELINE
from skal_deep.evaluation.simulation._cycle import tell_classes
from skal_deep.evaluation.simulation._learner import SimulatedActiveLearner
from skal_deep.evaluation.simulation._rules import RULES
from skal_deep.evaluation.simulation._start import GivenData, Start, start_of
from skal_deep.evaluation.simulation._streams import Purpose, prepare

# Thresholds of trials with planted reasons; g, the smallest gain, is the caller's.
_AFTER_BATCHES = 3  # where saturation is read: later, a long budget looks saturated
_GOOD = 0.95
_SIMPLE_IS_NEAR = 0.05
_COPIES = 0.5
_AUROC = 0.6
_NOISE = 0.08
_N_FOLDS = 5
_MOST_STAGES = 3  # of the first third, on which uncertainty is judged


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


@dataclass(frozen=True)
class _Measured:
    """What was measured in one repeat; NaN where it has no value."""

    ceiling: float
    simple: float
    copies: float
    auroc: float
    picks_contradicted: float
    pool_contradicted: float


class _Flat(TransformerMixin, BaseEstimator):
    """Rows as vectors."""

    def fit(self, X: Any, y: Any = None) -> "_Flat":  # noqa: ARG002 as in scikit-learn
        """Learn nothing."""
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return each row as one vector."""
        return np.asarray(X, np.float64).reshape(len(X), -1)


def find_reasons(
    comparison: HasCurves,
    strategy: str,
    estimator: Any,
    data: GivenData,
    smallest_gain: float,
) -> list[Reason]:
    """Return seven reasons why a strategy may not have helped, in order.

    The first that holds is the one to name: where there is nothing left to gain,
    nothing else can be seen. None may hold. All labels are needed, and one fit of all
    of them, five of four fifths and a few of the first rounds in each repeat. Of
    numbers three can be told, by one fit: there is no right or wrong.

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
    """
    random, chosen = (comparison.curve(name) for name in (BASELINE, strategy))
    picks = comparison.picked(strategy), comparison.picked(BASELINE)
    measured = [
        _measure(comparison, estimator, data, repeat, *rows)
        for repeat, rows in enumerate(zip(*picks, strict=True))
    ]
    labels = comparison.curve(BASELINE, "n_labels")[0]
    if is_regressor(estimator):
        saturated = _saturated_of_numbers
        random, chosen = _shares(random), _shares(chosen)
        measured = [replace(m, ceiling=float(_shares(m.ceiling))) for m in measured]
    else:
        saturated = _saturated
    found = [
        *saturated(random, measured, labels, smallest_gain),
        _converged(random, chosen, measured, labels, smallest_gain),
        _copies(measured),
        _unreliable(measured),
        _noise(measured),
    ]
    return [reason if reason.holds else _without_finding(reason) for reason in found]


def _without_finding(reason: Reason) -> Reason:
    """Return a reason that was not found, told by its numbers."""
    text = f"Not found: {reason.value:.2f} was measured, beside {reason.threshold:.2f}."
    if reason.holds is None:
        text = "It cannot be told here."
    return replace(reason, text=text)


def _saturated(
    random_RT: NDArray[np.float64],
    measured: list[_Measured],
    labels: NDArray[np.float64],
    g: float,
) -> list[Reason]:
    """Return the three reasons of which random sampling leaves nothing to gain."""
    at = min(_AFTER_BATCHES, random_RT.shape[1] - 1)
    early_R, ceiling_R = random_RT[:, at], _column(measured, "ceiling")
    left_R = ceiling_R - early_R
    ceiling, early, n = ceiling_R.mean(), early_R.mean(), f"{labels[at]:.0f}"
    left = left_R.mean() - 2 * left_R.std(ddof=1) / math.sqrt(len(left_R))
    simple = _column(measured, "simple").mean()
    is_saturated = _at_most(left, g)
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
    measured: list[_Measured],
    labels: NDArray[np.float64],
    g: float,
) -> list[Reason]:
    """Return the same three reasons for numbers, of which the last can be told."""
    at = min(_AFTER_BATCHES, random_RT.shape[1] - 1)
    left = float((_column(measured, "ceiling") - random_RT[:, at]).mean())
    return [
        *(
            Reason(name, None, math.nan, g, "")
            for name in ("easy task", "strong model")
        ),
        Reason(
            "nothing to gain",
            _at_most(left, g),
            left,
            g,
            f"After {labels[at]:.0f} random labels all others would take about "
            f"{max(left, 0):.1%} off the error: labels are not what is missing. Look "
            "at features or model; the rest may be noise.",
        ),
    ]


def _converged(
    random_RT: NDArray[np.float64],
    chosen_RT: NDArray[np.float64],
    measured: list[_Measured],
    labels: NDArray[np.float64],
    g: float,
) -> Reason:
    gain_RT = chosen_RT - random_RT
    n_stages = gain_RT.shape[1]
    third = max(1, (n_stages - 1) // 3)
    # The start is the same for both.
    early_R, late_R = gain_RT[:, 1 : 1 + third].mean(1), gain_RT[:, -third:].mean(1)
    low = early_R.mean() - _half_width(early_R)
    left = (_column(measured, "ceiling") - random_RT[:, -1]).mean()
    holds = _all(
        _not(_at_most(low, 0)), _at_most(late_R.mean(), g / 2), _at_most(left, g)
    )
    return Reason(
        "convergence",
        holds if n_stages > 3 else None,
        float(late_R.mean()),
        g / 2,
        f"It helped at first (by {early_R.mean():.3f} up to {labels[third]:.0f} "
        f"labels) and by {late_R.mean():.3f} at the end: the budget goes on past the "
        "point where random labels catch up.",
    )


def _copies(measured: list[_Measured]) -> Reason:
    value = float(np.median(_column(measured, "copies")))
    return Reason(
        "copies in a batch",
        _at_most(value, _COPIES),
        value,
        _COPIES,
        f"Rows of a batch are {value:.2f} times as far apart as those of a random "
        "batch: near copies of each other. Take a diverse strategy or smaller batches.",
    )


def _unreliable(measured: list[_Measured]) -> Reason:
    value = _known_mean(_column(measured, "auroc"))
    return Reason(
        "uncertainty unreliable",
        _at_most(value, _AUROC),
        value,
        _AUROC,
        "What the model is unsure of is not what it gets wrong and could learn (AUROC "
        f"{value:.2f}, where 0.50 is chance).",
    )


def _noise(measured: list[_Measured]) -> Reason:
    picks = _column(measured, "picks_contradicted").mean()
    pool = _column(measured, "pool_contradicted").mean()
    return Reason(
        "uncertain is not informative",
        _not(_at_most(picks - pool, _NOISE)),
        float(picks - pool),
        _NOISE,
        f"{picks:.0%} of the picks cannot be learned from all other labels (of the "
        f"pool {pool:.0%}): noise or outliers.",
    )


def _measure(
    comparison: HasCurves,
    estimator: Any,
    data: GivenData,
    repeat: int,
    picks: list[NDArray[np.intp]],
    random: list[NDArray[np.intp]],
) -> _Measured:
    """Return what one repeat shows."""
    settings = comparison.settings
    rules = {name: settings[name] for name in RULES if name != "scoring"}
    if settings["test_is_given"]:
        rules["test_size"] = None
    scoring = comparison.metrics[0]
    learner = SimulatedActiveLearner(estimator, scoring=scoring, **rules)
    seed = derived_seed(settings["random_state"], repeat)
    start = start_of(learner, seed, data)
    missing_label = learner.missing_label
    mine, of_random = (
        [np.searchsorted(start.visible, rows) for rows in stages]
        for stages in (picks, random)
    )
    y_pool = np.full_like(
        start.y, missing_label, np.result_type(start.y, np.array(missing_label))
    )
    y_pool[start.pool] = start.y[start.pool]

    def fit(rows: NDArray[np.intp], model: Any = estimator) -> Any:
        y = np.full_like(y_pool, missing_label)
        y[rows] = y_pool[rows]
        model = prepare(model, missing_label, seed, Purpose.MODEL, 0)
        return fit_on_labeled(
            tell_classes(model, start.classes), start.X, y, missing_label
        )

    def score(model: Any) -> float:
        metrics = named_scorers(scoring)
        scores = scores_of(metrics, model, start.X_test, start.y_test, missing_label)
        return next(iter(scores.values()))

    vectors = _vectors(estimator, start.X)
    closeness = _closeness(vectors, mine[1:], start.pool, seed)
    ceiling = score(fit(start.pool))
    if is_regressor(estimator):
        unknown = dict.fromkeys(
            ("simple", "auroc", "picks_contradicted", "pool_contradicted"), math.nan
        )
        return _Measured(ceiling=ceiling, copies=closeness, **unknown)
    few = np.concatenate(of_random[: _AFTER_BATCHES + 1])
    right = _right_out_of_fold(fit, start, seed)
    asked = np.concatenate(mine[1:]) if len(mine) > 1 else start.pool[:0]
    is_asked = np.isin(start.pool, asked)
    contradicted = ~right
    return _Measured(
        ceiling=ceiling,
        simple=_simple_score(fit, score, few, vectors, estimator),
        copies=closeness,
        auroc=_auroc(fit, start, mine, right),
        picks_contradicted=_known_mean(contradicted[is_asked]),
        pool_contradicted=_known_mean(contradicted),
    )


def _vectors(estimator: Any, X: Any) -> NDArray[np.float64] | None:
    """Return rows as vectors of numbers, as a Pipeline makes them; else nothing."""
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        X = clone(estimator[:-1]).fit_transform(X)
    try:
        return _Flat().transform(X.toarray() if hasattr(X, "toarray") else X)
    except (TypeError, ValueError):
        return None


def _simple_score(
    fit: Any,
    score: Any,
    rows: NDArray[np.intp],
    vectors: NDArray[np.float64] | None,
    estimator: Any,
) -> float:
    """Return the score of a nearest-centroid rule of the same labels."""
    if vectors is None:
        return math.nan
    first = (
        clone(estimator[:-1])
        if isinstance(estimator, Pipeline) and len(estimator) > 1
        else _Flat()
    )
    rule = make_pipeline(first, StandardScaler(with_mean=False), NearestCentroid())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that are constant in few rows
        try:
            return float(score(fit(rows, rule)))
        except (AttributeError, TypeError, ValueError):
            return math.nan  # one class, or a metric that asks for probabilities


def _right_out_of_fold(fit: Any, start: Start, seed: int) -> NDArray[np.bool_]:
    """Return which rows of the pool a model of the other folds gets right."""
    y = start.y[start.pool]
    _, counts = np.unique(y, return_counts=True)
    right = np.zeros(len(y), bool)
    n_folds = max(2, min(_N_FOLDS, int(counts.max())))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        split = list(folds.split(np.zeros(len(y)), y))
    for train, test in split:
        model = fit(start.pool[train])
        right[test] = (
            model.predict(_safe_indexing(start.X, start.pool[test])) == y[test]
        )
    return right


def _auroc(
    fit: Any, start: Start, picks: list[NDArray[np.intp]], right: NDArray[np.bool_]
) -> float:
    """Return how well uncertainty finds the mistakes that labels could mend.

    Mistakes on rows that no model gets right are no fault of the uncertainty: they are
    left out. Of the first third of the rounds, as mistakes are rare later.
    """
    found = []
    n_early = min(_MOST_STAGES, max(1, (len(picks) - 1) // 3))
    for stage in range(1, n_early + 1):
        labeled = np.concatenate(picks[:stage])
        is_free = right & ~np.isin(start.pool, labeled)
        rows = start.pool[is_free]
        if not len(rows):
            continue
        model = fit(labeled)
        X = _safe_indexing(start.X, rows)
        if not hasattr(model, "predict_proba"):
            return math.nan
        is_wrong = model.predict(X) != start.y[rows]
        if is_wrong.all() or not is_wrong.any():
            continue
        proba = np.sort(np.asarray(model.predict_proba(X)), axis=1)
        unsure = 1 - (proba[:, -1] - (proba[:, -2] if proba.shape[1] > 1 else 0))
        found.append(roc_auc_score(is_wrong, unsure))
    return _known_mean(np.array(found))


def _closeness(
    vectors: NDArray[np.float64] | None,
    batches: list[NDArray[np.intp]],
    pool: NDArray[np.intp],
    seed: int,
) -> float:
    """Return how far rows of a batch are apart, beside those of random batches."""
    if vectors is None:
        return math.nan
    rng = np.random.default_rng(seed)
    ratios = []
    for batch in batches:
        if 1 < len(batch) <= len(pool):
            other = rng.choice(pool, len(batch), replace=False)
            apart = _nearest(vectors[other])
            if apart > 0:
                ratios.append(_nearest(vectors[batch]) / apart)
    return float(np.median(ratios)) if ratios else math.nan


def _nearest(rows_ND: NDArray[np.float64]) -> float:
    """Return the mean distance of a row to the nearest of the others."""
    return float(cKDTree(rows_ND).query(rows_ND, k=2)[0][:, 1].mean())


def _column(measured: list[_Measured], name: str) -> NDArray[np.float64]:
    return np.array([getattr(each, name) for each in measured])


def _known_mean(values: NDArray[Any]) -> float:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan


def _half_width(values: NDArray[np.float64]) -> float:
    n = len(values)
    spread = values.std(ddof=1) / math.sqrt(n)
    return float(stats.t.ppf(0.975, n - 1) * spread)


def _at_most(value: float, limit: float) -> bool | None:
    """Return whether a number is so small; ``None`` if there is no number."""
    return None if math.isnan(value) else bool(value <= limit)


def _not(statement: bool | None) -> bool | None:
    return None if statement is None else not statement


def _all(*statements: bool | None) -> bool | None:
    if False in statements:
        return False
    return None if None in statements else True
