"""The rounds of a simulation: what is labelled in each, and what it scores."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.pool import RandomSampling

from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation.simulation._loop import Rules, play
from skal_deep.evaluation.simulation._memory import peak_megabytes, reset_peak
from skal_deep.evaluation.simulation._start import Start


@dataclass(frozen=True)
class Round:
    """What one round leaves.

    Attributes
    ----------
    indices : ndarray of shape (n_new,)
        Rows of the caller's X that were labelled for it.
    point : dict of str to float
        A point of the learning curve.
    estimator : object
        The classifier, fitted to all labels so far.
    """

    indices: NDArray[np.intp]
    point: dict[str, float]
    estimator: Any


def rounds(
    learner: Any,
    seed: int,
    start: Start,
    past: Sequence[ArrayLike] = (),
    n_finished: int = 0,
) -> Iterator[Round]:
    """Yield the rounds of a simulation.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Settings of the simulation.
    seed : int
        Seed of the simulation.
    start : Start
        Where it starts.
    past : sequence of array-like
        Rows of the caller's X that were labelled in each round played already; there
        is no query in these.
    n_finished : int, default=0
        Rounds that are not wanted again.
    """
    strategy, metrics = learner.query_strategy, named_scorers(learner.scoring)
    rules = Rules(
        estimator=learner.estimator,
        strategy=RandomSampling() if strategy is None else strategy,
        classes=start.classes,
        batch_size=learner.batch_size,
        n_cycles=learner.n_cycles,
        retrain=learner.retrain,
        missing_label=learner.missing_label,
        seed=seed,
    )
    # Rows of the caller's X become positions among the visible rows, which are sorted
    # and hold each of them.
    picks = [np.searchsorted(start.visible, np.asarray(rows)) for rows in past]
    cost = np.zeros(len(start.y)) if start.cost is None else start.cost
    spent = float(sum(cost[rows].sum() for rows in picks[:n_finished]))
    reset_peak()
    for stage in play(
        rules, start.X, start.y, start.pool, picks or [start.first], n_finished
    ):
        point: dict[str, float] = {"n_labels": stage.n_labels}
        spent += float(cost[stage.new].sum())
        if start.cost is not None:
            point["cost"] = spent
        started = time.perf_counter()
        point |= scores_of(
            metrics, stage.estimator, start.X_test, start.y_test, learner.missing_label
        )
        point |= {
            "seconds_fit": stage.seconds_fit,
            "seconds_query": stage.seconds_query,
            "seconds_score": time.perf_counter() - started,
            "peak_megabytes": peak_megabytes(),
        }
        yield Round(start.visible[stage.new], point, stage.estimator)
        reset_peak()
