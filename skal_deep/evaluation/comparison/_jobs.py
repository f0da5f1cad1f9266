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
from skal_deep.classifier import CapabilityError, derived_seed
from skal_deep.evaluation._metrics import MEASURED, named_scorers
from skal_deep.evaluation.comparison._failures import portable
from skal_deep.evaluation.comparison._row_file import DamagedRunError
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.evaluation.simulation._rounds import rounds
from skal_deep.evaluation.simulation._start import Start, start_of
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.evaluation.simulation._watch import interrupts_leave

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
    start : str or None
        Hash of what the strategies of a repeat share: the rows set aside, the first
        rows and their labels, the scores of the first classifier.
    rows : list of dict
        One row for each round; without scores for those that a failed job lacks.
    error : Exception or None
        Why it failed, if it did.
    """

    strategy: str
    repeat: int
    start: str | None
    rows: list[dict[str, Any]]
    error: Exception | None = None


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
        Settings of the simulation; it is cloned.
    name : str
        Name of the strategy.
    strategy : QueryStrategy or None
        The query strategy.
    repeat : int
        Number of the repeat, which decides split, first labels and weights.
    seed : int
        Seed of the comparison.
    run : RunDirectory or None
        Where rounds are stored, and where those played earlier are found.
    picks : list of list of int, or None
        Rows to label in each round, where they are given and no query is made.
    *data : array-like
        X, y, X_test, y_test, cost.
    """
    learner = clone(learner).set_params(query_strategy=strategy)
    seed = derived_seed(seed, repeat)
    error = None
    with _one_thread(), interrupts_leave() as check_interrupt:
        start = start_of(learner, seed, *data)
        # What was stored is checked against this start before anything is played on
        # from it.
        rows = [] if run is None else _stored(run, name, repeat, learner, start, picks)
        provenance = {} if run is None else _provenance(run.hash_of(name))
        past = [row["indices"] for row in rows] if picks is None else picks
        try:
            for played in rounds(learner, seed, start, past, len(rows)):
                # Before the row is kept: a training that swallowed Ctrl-C has returned
                # a half-trained classifier, whose score must not be stored.
                check_interrupt()
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
        except (CapabilityError, DamagedRunError, OSError):
            raise  # no training that failed: nothing of this kind can go on
        except Exception as failed:
            check_interrupt()
            error = portable(failed)
            error.add_note(f"This was {name}, repeat {repeat}, round {len(rows)}.")
    first = _start_hash(learner, start, rows[0]) if rows else None
    rows += [] if error is None else _missing(learner, start, name, repeat, rows)
    return Outcome(name, repeat, first, rows, error)


def _stored(
    run: RunDirectory,
    name: str,
    repeat: int,
    learner: Any,
    start: Start,
    picks: list[list[int]] | None,
) -> list[dict[str, Any]]:
    """Return the rounds that were played earlier, if each labels what it may."""
    file = run.file(name, repeat)
    rows = file.resume()[: learner.n_cycles + 1]
    can_label = set(start.visible[start.pool].tolist())
    for row in rows:
        stage, indices = row["stage"], set(row["indices"])
        if foreign := sorted(indices - can_label):
            text = f"row {foreign[0]} of X cannot be labelled in this repeat"
            file.refuse_indices(stage, text)
        wanted = None
        if picks is not None:
            wanted = set(picks[stage]) if stage < len(picks) else set()
        elif not stage:
            wanted = set(start.visible[start.first].tolist())
        if wanted is not None and indices != wanted:
            file.refuse_indices(stage, "other rows of X are labelled than were given")
    return rows


def _missing(
    learner: Any, start: Start, name: str, repeat: int, played: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return rows without a score for the rounds that a failed job did not play."""
    n_first, n_pool = len(start.first), len(start.pool)
    columns = ["cost"] if start.cost is not None else []
    columns += [*named_scorers(learner.scoring), *MEASURED]
    rows = []
    for stage in range(learner.n_cycles + 1):
        n_labels = min(n_first + stage * learner.batch_size, n_pool)
        if stage >= len(played):
            row = {"strategy": name, "repeat": repeat, "stage": stage}
            row |= {"n_labels": n_labels, **dict.fromkeys(columns, float("nan"))}
            rows.append(row | {"indices": []})
        if n_labels == n_pool:
            break
    return rows


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
    return {
        "configuration": configuration,
        "versions": versions(),
        "platform": platform.platform(),
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of what decides the numbers."""
    return {
        "skal_deep": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _start_hash(learner: Any, start: Start, first: dict[str, Any]) -> str:
    """Return a hash of the start; scores are rounded, as machines may differ."""
    hashed = hashlib.sha256()
    for rows in (start.test_rows, start.visible[start.first]):
        hashed.update(rows.tobytes())
    hashed.update(repr(start.y[start.first].tolist()).encode())
    for metric in named_scorers(learner.scoring):
        # The score of the first classifier belongs to it: equal rows are not enough for
        # a pair, if the fit is not reproducible.
        hashed.update(f"{metric}={first[metric]:.6g};".encode())
    return hashed.hexdigest()
