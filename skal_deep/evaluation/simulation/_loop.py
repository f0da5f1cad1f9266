"""The loop of active learning: label, fit, score, query, and again."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.classifier._base import derived_seed
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation.simulation._rounds import Round, peak_megabytes, reset_peak
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._start import Start
from skal_deep.evaluation.simulation._steps import ask, learn
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.modules import isolated_rng
from skal_deep.rows._costs import n_within


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
    estimator: Any = None
    n_labels, spent, granted = 0, 0.0, 0.0
    asked: list[NDArray[np.intp]] = []
    for cycle in range(learner.n_cycles + 1):
        reset_peak()
        started = time.perf_counter()
        is_query = cycle >= len(known)
        new = (
            ask(
                learner,
                seed,
                estimator,
                start.X,
                y_shown,
                pool,
                cycle,
                cost=start.cost,
                rounds=asked,
            ).rows
            if is_query
            else known[cycle]
        )
        seconds_query = time.perf_counter() - started if is_query else 0.0
        if start.budget is not None and cycle:
            granted += start.budget  # what one query leaves the next may spend
            if is_query:
                new = new[: n_within(cost[new], granted)]
            granted -= float(cost[new].sum())
        if cycle:
            asked.append(new)
        y_shown[new] = y[new]
        n_labels += len(new)
        spent += float(cost[new].sum())
        pool = np.setdiff1d(pool, new)
        is_wanted = cycle >= n_finished
        # Rounds that were played earlier are fitted again only where something depends
        # on them: the next query on the last one, a warm start on each.
        if is_wanted or (goes_on and (is_chain or cycle == n_finished - 1)):
            started = time.perf_counter()
            estimator = learn(
                learner, seed, estimator, start.X, y_shown, start.classes, cycle
            )
            seconds_fit = time.perf_counter() - started
        if is_wanted:
            measured: dict[str, float] = {"n_labels": n_labels}
            if start.cost is not None:
                measured["cost"] = spent
            started = time.perf_counter()
            with isolated_rng(derived_seed(seed, Purpose.SCORE, cycle)):
                measured |= scores_of(
                    metrics,
                    estimator,
                    start.X_test,
                    start.y_test,
                    learner.missing_label,
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
