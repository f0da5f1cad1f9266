"""The loop of active learning: label, fit, score, query, and again."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.pool import RandomSampling
from skactiveml.utils import is_labeled

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation.simulation._cycle import (
    fit_clone,
    query_rows,
    shrink_and_perturb,
    tell_classes,
)
from skal_deep.evaluation.simulation._one_class import is_stand_in, stand_in
from skal_deep.evaluation.simulation._rounds import Round, peak_megabytes, reset_peak
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._start import Rows, Start
from skal_deep.evaluation.simulation._streams import Purpose, prepare
from skal_deep.pool import DeepQueryStrategy
from skal_deep.rows._labels import known_classes


def play(
    learner: HasRules,
    seed: int,
    start: Start,
    past: Sequence[ArrayLike] = (),
    n_finished: int = 0,
) -> Iterator[Round]:
    """Yield the rounds, the start first, until the queries or the pool run out.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    seed : int
        Seed of the simulation.
    start : Start
        Where it starts.
    past : sequence of array-like
        Rows of the caller's X that are labelled without a query in each of the first
        rounds: those of the start, and of queries that were made earlier.
    n_finished : int, default=0
        Rounds that are not wanted again. Their classifier is fitted only if the game
        goes on from it.
    """
    metrics = named_scorers(learner.scoring)
    known = [np.searchsorted(start.visible, np.asarray(rows)) for rows in past]
    known = known or [start.first]
    pool, y = start.pool, start.y
    cost = np.zeros(len(y)) if start.cost is None else start.cost
    # The mark must fit in beside the labels: NaN needs floats, a longer word needs a
    # longer text type.
    dtype = np.result_type(y, np.array(learner.missing_label))
    y_shown = np.full_like(y, learner.missing_label, dtype)
    goes_on = len(known) <= learner.n_cycles and sum(map(len, known)) < len(pool)
    is_chain = learner.retrain != "scratch"
    estimator, n_labels, spent = None, 0, 0.0
    for cycle in range(learner.n_cycles + 1):
        reset_peak()
        started = time.perf_counter()
        is_query = cycle >= len(known)
        new = (
            _query(learner, seed, estimator, start.X, y_shown, pool, cycle)
            if is_query
            else known[cycle]
        )
        seconds_query = time.perf_counter() - started if is_query else 0.0
        y_shown[new] = y[new]
        n_labels += len(new)
        spent += float(cost[new].sum())
        pool = np.setdiff1d(pool, new)
        is_wanted = cycle >= n_finished
        # Rounds that were played earlier are fitted again only where something depends
        # on them: the next query on the last one, a warm start on each.
        if is_wanted or (goes_on and (is_chain or cycle == n_finished - 1)):
            started = time.perf_counter()
            estimator = _fit(learner, seed, estimator, start, y_shown, cycle)
            seconds_fit = time.perf_counter() - started
        if is_wanted:
            measured: dict[str, float] = {"n_labels": n_labels}
            if start.cost is not None:
                measured["cost"] = spent
            started = time.perf_counter()
            measured |= scores_of(
                metrics, estimator, start.X_test, start.y_test, learner.missing_label
            )
            measured |= {
                "seconds_fit": seconds_fit,
                "seconds_query": seconds_query,
                "seconds_score": time.perf_counter() - started,
                "peak_megabytes": peak_megabytes(),
            }
            yield Round(start.visible[new], estimator, measured)
        if not len(pool):
            return


def _fit(
    learner: HasRules,
    seed: int,
    previous: Any,
    start: Start,
    y: NDArray[Any],
    cycle: int,
) -> Any:
    """Return the classifier of one cycle."""
    missing_label = learner.missing_label
    if learner.retrain == "scratch" or is_stand_in(previous):
        previous = None
    elif learner.retrain == "shrink_perturb" and previous is not None:
        previous = shrink_and_perturb(
            previous, derived_seed(seed, Purpose.PERTURB, cycle)
        )
    if single := stand_in(learner.estimator, start.classes, y, missing_label):
        return fit_on_labeled(single, start.X, y, missing_label)
    estimator = prepare(learner.estimator, missing_label, seed, Purpose.MODEL, cycle)
    with known_classes():  # also for a classifier that cannot be told
        return fit_clone(
            tell_classes(estimator, start.classes), previous, start.X, y, missing_label
        )


def _query(
    learner: HasRules,
    seed: int,
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    pool: Rows,
    cycle: int,
) -> Rows:
    """Return the rows to label next."""
    strategy = learner.query_strategy
    strategy = RandomSampling() if strategy is None else strategy
    if is_stand_in(estimator) and isinstance(strategy, DeepQueryStrategy):
        # It offers less than the classifier will, which is what has to do.
        needs, works_on_inputs = strategy._needs, strategy._works_on_inputs
        name = type(strategy).__name__
        check_needs(name, learner.estimator, needs, works_on_inputs)
    is_all = len(pool) == len(y) - is_labeled(y, learner.missing_label).sum()
    return query_rows(
        prepare(strategy, learner.missing_label, seed, Purpose.STRATEGY, cycle),
        estimator,
        X,
        y,
        None if is_all else pool,
        min(learner.batch_size, len(pool)),
        learner.missing_label,
    )
