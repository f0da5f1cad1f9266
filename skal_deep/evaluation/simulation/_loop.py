"""The loop of active learning: label, fit, query, and again."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.utils import is_labeled

from skal_deep.classifier import check_needs, derived_seed, fit_on_labeled
from skal_deep.evaluation.simulation._cycle import (
    fitted,
    forgetful,
    queried,
    with_classes,
)
from skal_deep.evaluation.simulation._one_class import is_stand_in, stand_in
from skal_deep.evaluation.simulation._streams import Purpose, prepared
from skal_deep.pool import DeepQueryStrategy
from skal_deep.rows._labels import known_classes

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Rules:
    """How active learning is played.

    Attributes
    ----------
    estimator : object
        The classifier.
    strategy : QueryStrategy
        The query strategy.
    classes : ndarray of shape (n_classes,)
        All classes.
    batch_size : int
        Number of labels a query asks for.
    n_cycles : int
        Number of queries.
    retrain : {"scratch", "warm", "shrink_perturb"}
        What a fit starts from.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    seed : int
        Seed of the classifier and the strategy.
    """

    estimator: Any
    strategy: Any
    classes: NDArray[Any]
    batch_size: int
    n_cycles: int
    retrain: str
    missing_label: Any
    seed: int


@dataclass
class Stage:
    """What one cycle leaves.

    Attributes
    ----------
    new : ndarray of shape (n_new,)
        Rows that were labelled for it.
    estimator : object
        The classifier, fitted to all labels so far.
    n_labels : int
        Number of labels so far.
    seconds_fit, seconds_query : float
        Time of the fit, and of the query that came before it.
    """

    new: Rows
    estimator: Any
    n_labels: int
    seconds_fit: float
    seconds_query: float


def play(
    rules: Rules,
    X: NDArray[Any],
    y: NDArray[Any],
    pool: Rows,
    past: Sequence[Rows],
    n_finished: int = 0,
) -> Iterator[Stage]:
    """Yield the stages, the start first, until the queries or the pool run out.

    Parameters
    ----------
    rules : Rules
        How to play.
    X : ndarray of shape (n_samples, ...)
        Inputs that classifier and strategy may see.
    y : ndarray of shape (n_samples,)
        True labels, as the annotator gives them.
    pool : ndarray of shape (n_pool,)
        Rows that can be labelled.
    past : sequence of ndarray
        Rows that are labelled without a query in each of the first cycles: those of
        the start, and of queries that were made earlier.
    n_finished : int, default=0
        Stages that are not wanted again. Their classifier is fitted only if the game
        goes on from it.
    """
    # The mark must fit in beside the labels: NaN needs floats, a longer word needs a
    # longer text type.
    dtype = np.result_type(y, np.array(rules.missing_label))
    y_shown = np.full_like(y, rules.missing_label, dtype)
    goes_on = len(past) <= rules.n_cycles and sum(map(len, past)) < len(pool)
    is_chain = rules.retrain != "scratch"
    estimator, n_labels = None, 0
    for cycle in range(rules.n_cycles + 1):
        started = time.perf_counter()
        is_query = cycle >= len(past)
        new = (
            _query(rules, estimator, X, y_shown, pool, cycle)
            if is_query
            else past[cycle]
        )
        seconds_query = time.perf_counter() - started if is_query else 0.0
        y_shown[new] = y[new]
        n_labels += len(new)
        pool = np.setdiff1d(pool, new)
        is_wanted = cycle >= n_finished
        # Rounds that were played earlier are fitted again only where something depends
        # on them: the next query on the last one, a warm start on each.
        if is_wanted or (goes_on and (is_chain or cycle == n_finished - 1)):
            started = time.perf_counter()
            estimator = _fit(rules, estimator, X, y_shown, cycle)
            seconds_fit = time.perf_counter() - started
        if is_wanted:
            yield Stage(new, estimator, n_labels, seconds_fit, seconds_query)
        if not len(pool):
            return


def _fit(
    rules: Rules, previous: Any, X: NDArray[Any], y: NDArray[Any], cycle: int
) -> Any:
    """Return the classifier of one cycle."""
    if rules.retrain == "scratch" or is_stand_in(previous):
        previous = None
    elif rules.retrain == "shrink_perturb" and previous is not None:
        previous = forgetful(previous, derived_seed(rules.seed, Purpose.PERTURB, cycle))
    if single := stand_in(rules.estimator, rules.classes, y, rules.missing_label):
        return fit_on_labeled(single, X, y, rules.missing_label)
    key = (rules.seed, Purpose.MODEL, cycle)
    estimator = prepared(rules.estimator, rules.missing_label, *key)
    with known_classes():  # also for a classifier that cannot be told
        return fitted(
            with_classes(estimator, rules.classes),
            previous,
            X,
            y,
            rules.missing_label,
        )


def _query(
    rules: Rules,
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    pool: Rows,
    cycle: int,
) -> Rows:
    """Return the rows to label next."""
    if is_stand_in(estimator) and isinstance(rules.strategy, DeepQueryStrategy):
        # It offers less than the classifier will, which is what has to do.
        name, strategy = type(rules.strategy).__name__, rules.strategy
        check_needs(name, rules.estimator, strategy._needs, strategy._works_on_inputs)
    key = (rules.seed, Purpose.STRATEGY, cycle)
    # Rows whose label nobody knows are unlabelled, too, and must not be asked for.
    # Without any, None lets strategies keep their own way for the whole pool.
    is_all = len(pool) == len(y) - is_labeled(y, rules.missing_label).sum()
    return queried(
        prepared(rules.strategy, rules.missing_label, *key),
        estimator,
        X,
        y,
        None if is_all else pool,
        min(rules.batch_size, len(pool)),
        rules.missing_label,
    )
