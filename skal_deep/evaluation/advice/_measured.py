"""What one repeat of a comparison shows of the reasons why choosing did not help."""

import math
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing

from skal_deep.classifier import (
    CapabilityError,
    PredictsVariance,
    SamplesPredictions,
    as_model,
)
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.classifier.door._prepare import prepare
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.simulation._cycle import tell_classes
from skal_deep.evaluation.simulation._learner import SimulatedActiveLearner
from skal_deep.evaluation.simulation._rules import RULES
from skal_deep.evaluation.simulation._start import GivenData, Start, start_of
from skal_deep.evaluation.simulation._streams import Purpose

AFTER_BATCHES = 3  # where saturation is read: later, a long budget looks saturated
_N_FOLDS = 5
_MOST_STAGES = 3  # of the first third, on which uncertainty is judged


@dataclass(frozen=True)
class Measured:
    """What was measured in one repeat; NaN where it has no value.

    Of a regressor "simple" is a share of variance that is explained, as r2 is.
    """

    ceiling: float
    simple: float
    copies: float
    auroc: float
    picks_contradicted: float
    pool_contradicted: float
    explained: float = math.nan


class _Flat(TransformerMixin, BaseEstimator):
    """Rows as vectors."""

    def fit(self, X: Any, y: Any = None) -> "_Flat":  # noqa: ARG002 as in scikit-learn
        """Learn nothing."""
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return each row as one vector."""
        return np.asarray(X, np.float64).reshape(len(X), -1)


def measure(
    comparison: HasCurves,
    estimator: Any,
    data: GivenData,
    repeat: int,
    picks: list[NDArray[np.intp]],
    random: list[NDArray[np.intp]],
) -> Measured:
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

    def score(model: Any, scoring: Any = scoring) -> float:
        metrics = named_scorers(scoring)
        scores = scores_of(metrics, model, start.X_test, start.y_test, missing_label)
        return next(iter(scores.values()))

    vectors = _vectors(estimator, start.X)
    closeness = _closeness(vectors, mine[1:], start.pool, seed)
    whole = fit(start.pool)
    few = np.concatenate(of_random[: AFTER_BATCHES + 1])
    asked = np.concatenate(mine[1:]) if len(mine) > 1 else start.pool[:0]
    is_asked = np.isin(start.pool, asked)
    if is_regressor(estimator):
        error = _error_out_of_fold(fit, start, seed)
        contradicted, explained = error > 1, score(whole, "r2")
        simple = _simple_score(
            fit, partial(score, scoring="r2"), few, vectors, estimator, Ridge()
        )
        auroc = _auroc_of_numbers(fit, start, mine, error)
    else:
        right, explained = _right_out_of_fold(fit, start, seed), math.nan
        contradicted = ~right
        simple = _simple_score(fit, score, few, vectors, estimator, NearestCentroid())
        auroc = _auroc(fit, start, mine, right)
    return Measured(
        ceiling=score(whole),
        simple=simple,
        copies=closeness,
        auroc=auroc,
        picks_contradicted=known_mean(contradicted[is_asked]),
        pool_contradicted=known_mean(contradicted),
        explained=explained,
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
    simple: Any,
) -> float:
    """Return the score of a simple rule of the same labels."""
    if vectors is None:
        return math.nan
    first = (
        clone(estimator[:-1])
        if isinstance(estimator, Pipeline) and len(estimator) > 1
        else _Flat()
    )
    rule = make_pipeline(first, StandardScaler(with_mean=False), simple)
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


def _error_out_of_fold(fit: Any, start: Start, seed: int) -> NDArray[np.float64]:
    """Return how far models of the other folds are off, for each row of the pool.

    In standard deviations of the targets: at 1 the mean of all labels does as well. Of
    several targets it is the root of the mean square.
    """
    pool, y = start.pool, start.y[start.pool]
    error = np.empty((len(pool), y[:1].size))
    unit = _unit(y)
    folds = KFold(min(_N_FOLDS, len(pool)), shuffle=True, random_state=seed % 2**32)
    for train, test in folds.split(pool):
        error[test] = _errors(fit(pool[train]), start, pool[test]) / unit
    return _root_mean_square(error)


def _errors(model: Any, start: Start, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how far predictions are off, of shape (n_rows, n_targets)."""
    y = start.y[rows].astype(float).reshape(len(rows), -1)
    predicted = np.asarray(model.predict(_safe_indexing(start.X, rows)), float)
    return predicted.reshape(y.shape) - y


def _unit(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of each target, 1 where it does not vary."""
    spread = y.astype(float).reshape(len(y), -1).std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _root_mean_square(values_NT: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(values_NT).mean(axis=1)))


def _auroc_of_numbers(
    fit: Any,
    start: Start,
    picks: list[NDArray[np.intp]],
    error: NDArray[np.float64],
) -> float:
    """Return how well epistemic variance finds the errors that labels could mend.

    That is the largest quarter of the errors early on, among the half of the rows of
    which models with many more labels know most.
    """
    found = []
    unit = _unit(start.y[start.pool])
    is_known = error <= np.median(error)
    for labeled, is_free in _early(start, picks, is_known):
        rows = start.pool[is_free]
        model = fit(labeled)
        variance_NT = _epistemic(model, _safe_indexing(start.X, rows))
        if variance_NT is None:
            return math.nan
        off = _root_mean_square(_errors(model, start, rows) / unit)
        is_far = off > np.quantile(off, 0.75)
        unsure = (variance_NT / unit**2).mean(axis=1)
        if is_far.any() and not is_far.all():
            found.append(roc_auc_score(is_far, unsure))
    return known_mean(np.array(found))


def _epistemic(model: Any, X: Any) -> NDArray[np.float64] | None:
    """Return epistemic variances (N, T), if a regressor knows them."""
    model, variance = as_model(model), None
    if isinstance(model, PredictsVariance):
        with suppress(CapabilityError):  # a forest of several targets knows no noise
            variance = model.predict_variance(X)[0]
    if variance is None and isinstance(model, SamplesPredictions):
        with suppress(CapabilityError):
            draws = model.sample_predictions(X, None, 0)
            variance = draws.double().var(0, correction=0)
    if variance is None:
        return None
    return np.asarray(variance.numpy(force=True).reshape(len(variance), -1))


def _early(
    start: Start, picks: list[NDArray[np.intp]], is_known: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield labelled rows of the first third, and which others count in the pool."""
    n_early = min(_MOST_STAGES, max(1, (len(picks) - 1) // 3))
    for stage in range(1, n_early + 1):
        labeled = np.concatenate(picks[:stage])
        is_free = is_known & ~np.isin(start.pool, labeled)
        if is_free.any():
            yield labeled, is_free


def _auroc(
    fit: Any, start: Start, picks: list[NDArray[np.intp]], right: NDArray[np.bool_]
) -> float:
    """Return how well uncertainty finds the mistakes that labels could mend.

    Mistakes on rows that no model gets right are no fault of the uncertainty: they are
    left out. Of the first third of the rounds, as mistakes are rare later.
    """
    found = []
    for labeled, is_free in _early(start, picks, right):
        rows = start.pool[is_free]
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
    return known_mean(np.array(found))


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


def known_mean(values: NDArray[Any]) -> float:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan
