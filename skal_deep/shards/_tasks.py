"""Tasks, one a part, that run wherever joblib is told to."""

import os
import platform
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool

from skal_deep._calls import results_of
from skal_deep._threads import one_thread
from skal_deep.shards._files import Part, told_of

# So often tasks of processes that died are started again.
_N_TRIES = 3


def map_parts(
    function: Callable[..., Any],
    parts: Sequence[Part],
    n_jobs: int | None,
    *args: Any,
) -> list[Any]:
    """Return ``function(part, *args)`` for each part, in order.

    A task depends on its arguments alone. So those of a process that died are started
    again, and what others returned is kept.

    Parameters
    ----------
    function : callable
        Of a module.
    parts : sequence of Part
        One task each.
    n_jobs : int or None
        As in joblib.
    *args : object
        For all tasks.
    """
    answers: dict[int, Any] = {}
    home = _process()
    for left in reversed(range(_N_TRIES)):
        waiting = [number for number in range(len(parts)) if number not in answers]
        calls = [
            joblib.delayed(_numbered)(number, home, function, parts[number], *args)
            for number in waiting
        ]
        try:
            answers.update(results_of(calls, n_jobs))  # one by one: what came is kept
            break
        except BrokenProcessPool:
            if not left:
                raise
            warnings.warn(
                "A process that queried shards was killed, perhaps for its memory: "
                f"{len(parts) - len(answers)} of {len(parts)} parts are started again. "
                "Smaller `part_bytes` take less memory.",
                RuntimeWarning,
                stacklevel=2,
            )
    return [answers[number] for number in range(len(parts))]


def _numbered(
    number: int,
    home: tuple[str, int],
    function: Callable[..., Any],
    part: Part,
    *args: Any,
) -> tuple[int, Any]:
    """Run a task; in another process on one thread, as there is one for a core."""
    is_home = _process() == home
    if not is_home:
        os.environ.setdefault("POLARS_MAX_THREADS", "1")  # polars asks when imported
    with nullcontext() if is_home else one_thread(), told_of(part):
        return number, function(part, *args)


def _process() -> tuple[str, int]:
    """Return what tells processes of all machines apart."""
    return platform.node(), os.getpid()
