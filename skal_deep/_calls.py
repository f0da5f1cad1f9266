"""Calls that are made where joblib is told to: here, in processes, on a cluster."""

import builtins
import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
from joblib._parallel_backends import LokyBackend
from joblib.parallel import get_active_backend
from skorch.callbacks import PrintLog

from skal_deep._workers import leave_with

# A function, its arguments, and its arguments by name, as joblib.delayed has them.
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

# Ray reads it where it would replace ``print``.
_RAY_REPLACES = "RAY_TQDM_PATCH_PRINT"


def results_of(calls: list[Call], n_jobs: int | None) -> Iterator[Any]:
    """Yield what calls return, in any order, as soon as the backend gives it.

    Parameters
    ----------
    calls : list
        Of ``joblib.delayed``. What many of them share is sent to a worker once.
    n_jobs : int or None
        As in joblib.
    """
    backend, _ = get_active_backend()
    if hasattr(backend, "client"):  # dask
        yield from _on_dask(calls, backend)
        return
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
    is_ray = type(backend).__module__.startswith("ray.")
    with _print_of_skorch() if is_ray else nullcontext():
        found = parallel(calls)
    yield from found


def _on_dask(calls: list[Call], backend: Any) -> Iterator[Any]:
    """Yield what workers of dask return.

    joblib counts workers once. If there is one, it makes all calls in the process that
    asks; if others come later, it does not use them. What it has sent to a worker is
    lost with that. So dask gets all calls at once, and what they share as a task, which
    it does again where it must. Objects go as bytes, of which each call makes its own:
    a worker may be asked for them by another one while it uses them.
    """
    import dask
    import distributed

    backend.effective_n_jobs(-1)  # says so if no worker comes
    submit = backend.client.submit
    uses = Counter(id(value) for call in calls for value in _values(call))
    # such data may be large: the queue keeps them, in order not to lose them
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        sent = {
            id(value): submit(_same, _packed(value), pure=False)
            for value in _values(calls[0] if calls else (_same, (), {}))
            if uses[id(value)] == len(calls) and not _is_plain(value)
        }
    futures: list[Any] = []
    try:
        for function, args, named in calls:
            futures.append(
                submit(
                    _call,
                    function,
                    [sent.get(id(value), value) for value in args],
                    {name: sent.get(id(named[name]), named[name]) for name in named},
                    pure=False,
                    **backend.submit_kwargs,
                )
            )
        with backend.retrieval_context():  # a worker that waits leaves its place
            for future in distributed.as_completed(futures, loop=backend.client.loop):
                yield future.result()
    finally:  # also where Ctrl-C comes
        backend.client.cancel(futures)


@contextmanager
def _print_of_skorch() -> Iterator[None]:
    """Put Python's ``print`` back for a while, which ray replaces at its first message.

    Nets of skorch hold it, and functions are pickled by their names.
    """
    replaced, asked = builtins.print, os.environ.get(_RAY_REPLACES)
    try:
        os.environ[_RAY_REPLACES] = "0"
        builtins.print = inspect.signature(PrintLog).parameters["sink"].default
        yield
    finally:
        builtins.print = replaced
        if asked is None:
            del os.environ[_RAY_REPLACES]
        else:
            os.environ[_RAY_REPLACES] = asked


def _values(call: Call) -> list[Any]:
    return [*call[1], *call[2].values()]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class _Packed:
    """An object as bytes."""

    content: bytes


def _packed(value: Any) -> Any:
    """Return an object as bytes; numbers, which no call changes, are shared."""
    from distributed.protocol import pickle

    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value
    return _Packed(pickle.dumps(value))


def _unpacked(value: Any) -> Any:
    from distributed.protocol import pickle

    return pickle.loads(value.content) if isinstance(value, _Packed) else value


def _call(function: Callable[..., Any], args: list[Any], named: dict[str, Any]) -> Any:
    own = {name: _unpacked(value) for name, value in named.items()}
    return function(*map(_unpacked, args), **own)
