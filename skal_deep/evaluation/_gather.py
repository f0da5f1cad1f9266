"""The jobs of a comparison: played, checked, put in order."""

from typing import Any

import joblib
from tqdm import tqdm

from skal_deep.evaluation._jobs import Outcome
from skal_deep.evaluation._result import Comparison
from skal_deep.evaluation._scoring import MEASURED


def play_jobs(jobs: list[Any], n_jobs: int | None, progress: bool) -> list[Outcome]:
    """Run jobs where joblib is told to, and check that they are paired.

    Parameters
    ----------
    jobs : list
        Delayed calls that return outcomes.
    n_jobs : int or None
        As in joblib.
    progress : bool
        Whether to show a progress bar.
    """
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    outcomes = list(
        tqdm(parallel(jobs), total=len(jobs), desc="compare", disable=not progress)
    )
    check_paired(outcomes)
    return outcomes


def collected(
    outcomes: list[Outcome],
    names: list[str],
    metrics: tuple[str, ...],
    settings: dict[str, Any],
) -> Comparison:
    """Return what jobs returned, in order.

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
    """
    outcomes.sort(key=lambda outcome: (outcome.repeat, names.index(outcome.strategy)))
    rows = [row for outcome in outcomes for row in outcome.rows]
    key = ("strategy", "repeat", "stage")
    columns = (*key, "n_labels", *metrics, *MEASURED)
    curves = [{name: row[name] for name in columns} for row in rows]
    picks = [{name: row[name] for name in (*key, "indices")} for row in rows]
    return Comparison(curves, metrics, settings, picks)


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
