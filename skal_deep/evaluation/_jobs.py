"""One job of a comparison: one strategy in one repeat, wherever it runs."""

import hashlib
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skal_deep import __version__
from skal_deep.classifier import derived_seed
from skal_deep.evaluation._rounds import rounds
from skal_deep.evaluation._run_directory import RunDirectory
from skal_deep.evaluation._scoring import named_scorers
from skal_deep.evaluation._start import Start, start_of
from skal_deep.evaluation._streams import Purpose

_PACKAGES = ("numpy", "scikit-learn", "scikit-activeml", "skorch", "torch")

# torch's random generator and its number of threads belong to the whole process, so
# that jobs in threads of one process have to take turns.
_TURN = threading.Lock()


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
        rows and their labels, the scores of the first classifier.
    rows : list of dict
        One row for each round.
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
    run: RunDirectory | None,
    picks: list[list[int]] | None,
    *data: Any,
) -> Outcome:
    """Play one strategy through one repeat, on one thread.

    The outcome depends on the arguments alone, whatever part of it comes from the run
    directory.

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
    run : RunDirectory or None
        Where rounds are stored, and where those played earlier are found.
    picks : list of list of int, or None
        What is labelled in each round, if it is given and nobody asks.
    *data : array-like
        X, y, X_test, y_test, cost.
    """
    learner = clone(learner).set_params(query_strategy=strategy)
    seed = derived_seed(seed, repeat)
    with _one_thread():
        start = start_of(learner, seed, *data)
        rows = [] if run is None else run.resume(name, repeat)
        rows = rows[: learner.n_cycles + 1]
        provenance = {} if run is None else _provenance(run.hash_of(name))
        past = [row["indices"] for row in rows] if picks is None else picks
        for played in rounds(learner, seed, start, past, len(rows)):
            row = {
                "strategy": name,
                "repeat": repeat,
                "stage": len(rows),
                **played.point,
                "indices": played.indices.tolist(),
            }
            if run is not None:
                row |= {"seeds": _seeds(seed, len(rows)), **provenance}
                run.append(row)
            rows.append(row)
    return Outcome(name, repeat, _start_hash(learner, start, rows[0]), rows)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep other jobs of the process waiting, and libraries on one thread."""
    with _TURN:
        n_threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            with threadpool_limits(1):
                yield
        finally:
            torch.set_num_threads(n_threads)


def _seeds(seed: int, stage: int) -> dict[str, int]:
    """Return the seeds that a round was played with."""
    return {
        "repeat": seed,
        "model": derived_seed(seed, Purpose.MODEL, stage),
        "strategy": derived_seed(seed, Purpose.STRATEGY, stage),
    }


def _provenance(configuration: str) -> dict[str, Any]:
    """Return by what a round was played."""
    return {"configuration": configuration, "versions": _versions()}


@cache
def _versions() -> dict[str, str]:
    """Return the versions of what decides the numbers."""
    return {
        "skal_deep": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version(package) for package in _PACKAGES},
    }


def _start_hash(learner: Any, start: Start, first: dict[str, Any]) -> str:
    """Return a hash of the start; scores are rounded, as machines may differ."""
    hashed = hashlib.sha256()
    for rows in (start.test_rows, start.visible[start.first]):
        hashed.update(rows.tobytes())
    hashed.update(repr(start.y[start.first].tolist()).encode())
    for metric in named_scorers(learner.scoring):
        hashed.update(f"{metric}={first[metric]:.6g};".encode())
    return hashed.hexdigest()
