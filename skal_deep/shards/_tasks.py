"""Tasks, one a part, that run wherever joblib is told to."""

import multiprocessing
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import joblib
import torch
from joblib.externals.loky.process_executor import BrokenProcessPool
from joblib.parallel import get_active_backend

from skal_deep.shards._files import Part

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
    for left in reversed(range(_N_TRIES)):
        waiting = [number for number in range(len(parts)) if number not in answers]
        is_lazy = get_active_backend()[0].supports_return_generator
        parallel = joblib.Parallel(
            n_jobs=n_jobs, return_as="generator_unordered" if is_lazy else "list"
        )
        tasks = (
            joblib.delayed(_numbered)(number, function, parts[number], *args)
            for number in waiting
        )
        try:
            answers.update(parallel(tasks))  # one by one: what came is kept
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
    number: int, function: Callable[..., Any], part: Part, *args: Any
) -> tuple[int, Any]:
    """Run a task; in a process of its own on one thread, as there is one for a core."""
    is_worker = multiprocessing.parent_process() is not None
    n_threads = torch.get_num_threads()
    if is_worker:
        torch.set_num_threads(1)
    try:
        return number, function(part, *args)
    except ValueError as error:
        raise ValueError(f"{part}: {error}") from error
    finally:
        if is_worker:
            torch.set_num_threads(n_threads)
