"""Failed jobs: reported by name, never in silence."""

import pickle
import warnings
from collections.abc import Mapping, Sequence
from typing import Any


def portable(error: Exception) -> Exception:
    """Return an error that can travel between processes: itself, if it can.

    Parameters
    ----------
    error : Exception
        What a job raised.
    """
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:
        pass
    return RuntimeError(f"{type(error).__name__}: {error}")


def report_failures(
    outcomes: Sequence[Any], references: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """Warn of the jobs that failed, and return them as plain values.

    Parameters
    ----------
    outcomes : sequence of Outcome
        What the jobs of strategies returned. Their first error is raised if all failed:
        then there is nothing to go on with.
    references : sequence of Outcome, default=()
        What the jobs of reference lines returned.
    """
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors and len(errors) == len(outcomes):
        raise errors[0]
    failures = [
        {
            "strategy": outcome.strategy,
            "repeat": outcome.repeat,
            "error": f"{type(outcome.error).__name__}: {outcome.error}",
        }
        for outcome in (*outcomes, *references)
        if outcome.error is not None
    ]
    if failures:
        said = "; ".join(
            f"{each['strategy']}, repeat {each['repeat']}: {each['error']}"
            for each in failures
        )
        n_jobs = len(outcomes) + len(references)
        warnings.warn(
            f"{len(failures)} of {n_jobs} jobs failed and have no scores from there "
            f"on: {said}. With a run_dir the same call tries them again.",
            RuntimeWarning,
            stacklevel=3,
        )
    return failures


def failures_text(settings: Mapping[str, Any]) -> str | None:
    """Return what to say of the jobs that failed, if any did.

    Parameters
    ----------
    settings : dict
        How a comparison was made.
    """
    failed = [
        f"{each['strategy']}, repeat {each['repeat']}: {each['error']}"
        for each in settings.get("failures", ())
    ]
    if not failed:
        return None
    return f"Failed, and without scores from there on: {'; '.join(failed)}."
