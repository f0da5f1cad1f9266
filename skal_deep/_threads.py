"""Work on parts of an array by as many threads as torch has, one part at a time each.

Each part is worked on as one thread alone would, so that results do not hang on the
number of threads. Threads inside many small products, as torch starts them, wait for
each other at each one, and longest where the machine has other work to do.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import chain, islice

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

_own = threading.local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch, BLAS and OpenMP to one thread for a while."""
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)


@cache
def libraries() -> ThreadpoolController:
    """Return what sets the threads of libraries, which takes a while to find them."""
    return ThreadpoolController()


class _Blas:
    """The threads of numpy and scipy, whose number is that of the whole process.

    So it is counted who wants one thread: the first changes it, the last puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._n_holders = threading.Lock(), 0

    def hold(self, n_more: int) -> None:
        with self._lock:
            before, self._n_holders = self._n_holders, self._n_holders + n_more
            if not before:
                self._limits = libraries().limit(limits={"blas": 1})
            elif not self._n_holders:
                self._limits.restore_original_limits()


_blas = _Blas()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep numpy and scipy to one thread for a while, but not torch.

    Use it where their operations and torch's take turns: the threads of either wait in
    a loop for more work, on processors that those of the other need. A fit to 200 rows
    took ten times as long.
    """
    _blas.hold(1)
    try:
        yield
    finally:
        _blas.hold(-1)


@contextmanager
def threads_over_parts(device: torch.device) -> Iterator[None]:
    """Keep torch's threads for :func:`for_each_part`, for a while.

    Use it around code whose operations are small, but for those on parts: where the
    machine is busy, threads inside small operations cost several times what they save.
    Threads that are started inside are kept until its end. numpy and scipy are kept to
    one thread, too.

    Parameters
    ----------
    device : torch.device
        Where the work is done; nothing changes where it is not the processor.
    """
    n_torch = torch.get_num_threads()
    if device.type != "cpu" or n_torch < 2:
        yield
        return
    try:
        with _threads(n_torch) as threads, one_blas_thread():
            _own.kept = threads, n_torch
            torch.set_num_threads(1)
            yield
    finally:
        _own.kept = None
        torch.set_num_threads(n_torch)


@contextmanager
def threads_given_back() -> Iterator[None]:
    """Undo :func:`threads_over_parts` for a while, around a model's or a net's work."""
    kept = getattr(_own, "kept", None)
    if not kept:
        yield
        return
    _own.kept = None
    _blas.hold(-1)
    torch.set_num_threads(kept[1])
    try:
        yield
    finally:
        torch.set_num_threads(1)
        _blas.hold(1)
        _own.kept = kept


def for_each_part(
    parts: Iterable[slice],
    begin: Callable[[], Callable[[slice], None]],
    device: torch.device,
) -> None:
    """Work on all parts, by ``torch.get_num_threads()`` threads at most.

    In a process that torch has one thread in, such as joblib's workers, no other thread
    is started; neither for work that is not the processor's. Each thread starts the
    next one when it has got a part: where there is little to do, few are started.

    Parameters
    ----------
    parts : iterable of slice
        Parts that may be worked on at the same time. The next one is asked for when a
        thread is free, so that what was found so far may end them.
    begin : callable
        Called once by each thread, for scratch memory of its own; returns what works on
        a part. It must be code that leaves Python's lock, or threads gain nothing.
    device : torch.device
        Where the work is done.
    """
    n_torch = torch.get_num_threads()
    threads, n_threads = getattr(_own, "kept", None) or (None, n_torch)
    todo = iter(parts)
    first = list(islice(todo, 2 if n_threads > 1 and device.type == "cpu" else 1))
    todo, lock = chain(first, todo), threading.Lock()
    # a thread does not take it over from the one that starts it
    is_inference = torch.is_inference_mode_enabled()
    started: list[Future[None]] = []

    def next_part() -> slice | None:
        with lock:
            return next(todo, None)

    def work(start_another: Callable[[], None]) -> None:
        nonlocal todo
        try:
            part = next_part()
            if part is None:
                return
            start_another()
            work_on = begin()
            while part is not None:
                work_on(part)
                part = next_part()
        except BaseException:
            todo = iter(())
            raise

    if len(first) < 2:
        work(lambda: None)
        return

    def work_beside() -> None:
        with torch.inference_mode() if is_inference else nullcontext():
            work(start)

    def start() -> None:
        if len(started) < n_threads:
            started.append(some.submit(work_beside))

    try:
        with nullcontext(threads) if threads else _threads(n_threads) as some:
            start()
            try:
                for each in started:  # which grows while they work
                    each.result()
            finally:  # also where Ctrl-C comes while this thread waits
                todo = iter(())
                while not all(each.done() for each in started):
                    wait(started)
    finally:
        # A thread sets its own number, and that of threads that are started later.
        torch.set_num_threads(n_torch)


def _threads(n_threads: int) -> ThreadPoolExecutor:
    """Return threads in which torch has one, and notes nothing for gradients."""

    def begin() -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)

    return ThreadPoolExecutor(n_threads, initializer=begin)
