"""The jobs of a comparison: one strategy in one repeat each, wherever it runs.

A round has two shapes on its way: what the loop yields, and the row that is stored in
a run directory and read from it::

    learner, GivenData --start_of--> Start --play--> Round, one for each cycle
    Round --_row--> row, a line of <repeat>.jsonl --collect_outcomes--> Comparison
"""

import hashlib
import platform
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from sklearn.base import clone
from tqdm import tqdm

from skal_deep import __version__
from skal_deep._calls import results_of
from skal_deep._threads import one_thread
from skal_deep.classifier import CapabilityError
from skal_deep.classifier._base import derived_seed
from skal_deep.evaluation._metrics import MEASURED, named_scorers
from skal_deep.evaluation.comparison._failures import make_portable
from skal_deep.evaluation.comparison._result import Comparison
from skal_deep.evaluation.comparison._row_file import DamagedRunError
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.evaluation.simulation._interrupts import interrupts_leave
from skal_deep.evaluation.simulation._loop import play
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._search import GreedySearch, hold_back
from skal_deep.evaluation.simulation._start import GivenData, Start, start_of
from skal_deep.evaluation.simulation._streams import Purpose

_PACKAGES = ("numpy", "scikit-learn", "scikit-activeml", "skorch", "torch")
_ELSEWHERE = ("indices", "seeds", "configuration", "versions", "checksum")

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
    learner: HasRules,
    name: str,
    strategy: Any,
    repeat: int,
    seed: int,
    run: RunDirectory | None,
    picks: list[list[int]] | None,
    selection_size: float | int | None = None,
    **data: Any,
) -> Outcome:
    """Simulate one strategy in one repeat, on one thread.

    The outcome depends on the arguments alone, whatever part of it comes from the run
    directory.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation; it is cloned.
    name : str
        Name of the strategy.
    strategy : QueryStrategy or None
        The query strategy.
    repeat : int
        Number of the repeat, which decides split, first labels and weights.
    seed : int
        Seed of the comparison.
    run : RunDirectory or None
        The run directory: rounds played earlier are read, new ones are written.
    picks : list of list of int, or None
        Rows to label in each round; if given, no strategy is asked.
    selection_size : float, int or None, default=None
        Rows that a search chooses by, which no strategy may label.
    **data : array-like
        What :class:`GivenData` holds. Each array is an argument of its own, so that
        joblib shares it, or a cluster sends it, once for all jobs.
    """
    learner = clone(learner).set_params(query_strategy=strategy)
    seed = derived_seed(seed, repeat)
    error = None
    with _TURN, one_thread(), interrupts_leave() as check_interrupt:
        start = start_of(learner, seed, GivenData(**data))
        if selection_size is not None:
            start, selection = hold_back(
                learner, seed, start, data["y"], selection_size
            )
            if isinstance(strategy, GreedySearch):
                bound = strategy.bind(learner, seed, start, selection)
                learner = clone(learner).set_params(query_strategy=bound)
        # What was stored is checked against this start before anything is played on
        # from it.
        rows = (
            []
            if run is None
            else _read_stored(run, name, repeat, learner, start, picks, seed)
        )
        provenance = {} if run is None else _provenance(run.hash_of(name))
        past = [row["indices"] for row in rows] if picks is None else picks
        try:
            for played in play(learner, seed, start, past, len(rows)):
                # Before the row is kept: a training that swallowed Ctrl-C has returned
                # a half-trained classifier, whose score must not be stored.
                check_interrupt()
                indices = played.indices.tolist()
                row = _row(name, repeat, len(rows), played.measured, indices)
                if run is not None:
                    row |= {"seeds": _seeds(seed, len(rows)), **provenance}
                    run.append(row)
                rows.append(row)
        except (CapabilityError, DamagedRunError, OSError):
            raise  # no training that failed: nothing of this kind can go on
        except Exception as failed:
            check_interrupt()
            error = make_portable(failed)
            error.add_note(f"This was {name}, repeat {repeat}, round {len(rows)}.")
    first = _start_hash(learner, start, rows[0]) if rows else None
    rows += [] if error is None else _missing_rows(learner, start, name, repeat, rows)
    return Outcome(name, repeat, first, rows, error)


def _read_stored(
    run: RunDirectory,
    name: str,
    repeat: int,
    learner: HasRules,
    start: Start,
    picks: list[list[int]] | None,
    seed: int,
) -> list[dict[str, Any]]:
    """Return the rounds that were played earlier, if each is one of this job."""
    file = run.file(name, repeat)
    rows = file.resume(learner.n_cycles + 1)
    can_label = set(start.visible[start.pool].tolist())
    for row in rows:
        stage, indices = row["stage"], set(row["indices"])
        if foreign := sorted(indices - can_label):
            text = f"row {foreign[0]} of X cannot be labelled in this repeat"
            file.refuse_round(stage, text)
        if row.get("seeds") != _seeds(seed, stage):
            file.refuse_round(stage, "the round was played with other seeds")
        wanted = None
        if picks is not None:
            wanted = set(picks[stage]) if stage < len(picks) else set()
        elif not stage:
            wanted = set(start.visible[start.first].tolist())
        if wanted is not None and indices != wanted:
            file.refuse_round(stage, "other rows of X are labelled than were given")
    return rows


def _row(
    strategy: str,
    repeat: int,
    stage: int,
    measured: dict[str, float],
    indices: list[int],
) -> dict[str, Any]:
    """Return a round as it is stored and read: what was measured is of the curve."""
    key = {"strategy": strategy, "repeat": repeat, "stage": stage}
    return key | measured | {"indices": indices}


def _missing_rows(
    learner: HasRules,
    start: Start,
    name: str,
    repeat: int,
    played: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return rows without a score for the rounds that a failed job did not play."""
    n_first, n_pool = len(start.first), len(start.pool)
    columns = ["cost"] if start.cost is not None else []
    columns += [*named_scorers(learner.scoring), *MEASURED]
    rows = []
    for stage in range(learner.n_cycles + 1):
        n_labels = min(n_first + stage * learner.batch_size, n_pool)
        if stage >= len(played):
            measured = {"n_labels": n_labels, **dict.fromkeys(columns, float("nan"))}
            rows.append(_row(name, repeat, stage, measured, []))
        if n_labels == n_pool:
            break
    return rows


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
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of what decides the numbers, and the kind of machine."""
    return {
        "skal_deep": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        **{package: version(package) for package in _PACKAGES},
    }


def _start_hash(learner: HasRules, start: Start, first: dict[str, Any]) -> str:
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


def play_jobs(jobs: list[Any], n_jobs: int | None, progress: bool) -> list[Outcome]:
    """Run jobs where joblib is told to.

    Parameters
    ----------
    jobs : list
        Delayed calls that return outcomes.
    n_jobs : int or None
        As in joblib.
    progress : bool
        Whether to show a progress bar.
    """
    if not jobs:
        return []
    found = results_of(jobs, n_jobs)
    return list(tqdm(found, total=len(jobs), desc="compare", disable=not progress))


def collect_outcomes(
    outcomes: list[Outcome],
    names: list[str],
    settings: dict[str, Any],
    references: list[Outcome],
) -> Comparison:
    """Return what jobs returned, in order, if their starts are paired.

    Parameters
    ----------
    outcomes : list of Outcome
        In any order.
    names : list of str
        Names of the strategies, in order.
    settings : dict
        The settings of the comparison.
    references : list of Outcome
        Reference lines.
    """
    check_paired(outcomes)
    outcomes.sort(key=lambda outcome: (outcome.repeat, names.index(outcome.strategy)))
    references.sort(key=lambda outcome: (outcome.repeat, outcome.strategy))
    rows = [row for outcome in outcomes for row in outcome.rows]
    picks = [_pick(row, settings["n_rows"]) for row in rows]
    lines = [_point(row) for outcome in references for row in outcome.rows]
    points = [_point(row) for row in rows]
    return Comparison(points, settings["scoring"], settings, picks, lines)


def _point(row: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a row that belongs to a curve."""
    return {name: value for name, value in row.items() if name not in _ELSEWHERE}


def _pick(row: dict[str, Any], n_rows: int) -> dict[str, Any]:
    """Return which rows of X were labelled, also where it was a copy of them."""
    key = {name: row[name] for name in ("strategy", "repeat", "stage")}
    return key | {"indices": [index % n_rows for index in row["indices"]]}


def check_paired(outcomes: list[Outcome]) -> None:
    """Raise unless all strategies of a repeat started alike.

    Parameters
    ----------
    outcomes : list of Outcome
        Results of the jobs.
    """
    starts: dict[int, str] = {}
    for outcome in outcomes:
        if outcome.start is None:  # it failed before its first score
            continue
        if starts.setdefault(outcome.repeat, outcome.start) != outcome.start:
            raise RuntimeError(
                f"{outcome.strategy} started repeat {outcome.repeat} differently from "
                "the others, so differences are not paired. Is the estimator "
                "reproducible, with a random_state that decides its fit?"
            )
