"""The jobs of a comparison: played, checked, put in order."""

import os
from typing import Any

import joblib
from joblib._parallel_backends import LokyBackend
from joblib.parallel import get_active_backend
from tqdm import tqdm

from skal_deep.evaluation.comparison._jobs import Outcome
from skal_deep.evaluation.comparison._result import Comparison
from skal_deep.evaluation.simulation._watch import leave_with

_ELSEWHERE = ("indices", "seeds", "configuration", "versions", "platform", "checksum")


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
    backend, _ = get_active_backend()
    # multiprocessing, and ray that builds on it, return everything at the end
    is_lazy = backend.supports_return_generator
    return_as = "generator_unordered" if is_lazy else "list"
    options: dict[str, Any] = {}
    if isinstance(backend, LokyBackend):  # workers that have not begun a job leave, too
        options = {"initializer": leave_with, "initargs": (os.getpid(),)}
    try:
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as=return_as, **options)
    except TypeError:  # an older joblib takes no options for its workers
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as=return_as)
    return list(
        tqdm(parallel(jobs), total=len(jobs), desc="compare", disable=not progress)
    )


def collected(
    outcomes: list[Outcome],
    names: list[str],
    metrics: tuple[str, ...],
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
    metrics : tuple of str
        Names of the metrics.
    settings : dict
        How the comparison was made.
    references : list of Outcome
        Reference lines.
    """
    check_paired(outcomes)
    # Jobs end in any order; the result must not depend on it.
    outcomes.sort(key=lambda outcome: (outcome.repeat, names.index(outcome.strategy)))
    references.sort(key=lambda outcome: (outcome.repeat, outcome.strategy))
    rows = [row for outcome in outcomes for row in outcome.rows]
    picks = [_pick(row, settings["n_rows"]) for row in rows]
    lines = [_point(row) for outcome in references for row in outcome.rows]
    return Comparison([_point(row) for row in rows], metrics, settings, picks, lines)


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
        What the jobs returned.
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
