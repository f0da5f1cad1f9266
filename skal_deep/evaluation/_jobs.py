"""One job of a comparison: one strategy in one repeat, wherever it runs."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skal_deep.classifier import derived_seed
from skal_deep.evaluation._scoring import RESERVED


@dataclass(frozen=True)
class Outcome:
    """What one job returns.

    Attributes
    ----------
    strategy : str
        Name of the strategy.
    repeat : int
        Number of the repeat.
    start : str
        Hash of what the strategies of a repeat share: the rows set aside, the first
        labels, the scores of the first classifier.
    rows : list of dict
        One row for each stage.
    """

    strategy: str
    repeat: int
    start: str
    rows: list[dict[str, Any]]


def run_job(
    learner: Any,
    name: str,
    strategy: Any,
    repeat: int,
    seed: int,
    data: tuple[Any, Any, Any, Any],
) -> Outcome:
    """Play one strategy through one repeat, on one thread.

    The outcome depends on the arguments alone.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        How to play; it is cloned.
    name : str
        Name of the strategy.
    strategy : QueryStrategy or None
        Who asks.
    repeat : int
        Number of the repeat, which decides split, first labels and weights.
    seed : int
        Seed of the comparison.
    data : tuple
        X, y, X_test, y_test.
    """
    learner = clone(learner).set_params(
        query_strategy=strategy, random_state=derived_seed(seed, repeat)
    )
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            learner.fit(*data)
    finally:
        torch.set_num_threads(n_threads)
    curve = learner.learning_curve_
    rows = [
        {
            "strategy": name,
            "repeat": repeat,
            "stage": stage,
            **{column: values[stage].item() for column, values in curve.items()},
        }
        for stage in range(len(curve["n_labels"]))
    ]
    return Outcome(name, repeat, _start_hash(learner, rows[0]), rows)


def _start_hash(learner: Any, first: dict[str, Any]) -> str:
    """Return a hash of the start; scores are rounded, as machines may differ."""
    start = hashlib.sha256()
    for rows in (learner.test_indices_, learner.query_indices_[0]):
        start.update(rows.tobytes())
    for column in learner.learning_curve_:
        if column not in RESERVED:
            start.update(f"{column}={first[column]:.6g};".encode())
    return start.hexdigest()


def check_paired(outcomes: list[Outcome]) -> None:
    """Raise unless all strategies of a repeat started alike.

    Parameters
    ----------
    outcomes : list of Outcome
        What the jobs returned.
    """
    starts: dict[int, str] = {}
    for outcome in outcomes:
        if starts.setdefault(outcome.repeat, outcome.start) != outcome.start:
            raise RuntimeError(
                f"{outcome.strategy} started repeat {outcome.repeat} differently from "
                "the others, so differences are not paired. Is the estimator "
                "reproducible, with a random_state that decides its fit?"
            )
