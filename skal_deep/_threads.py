"""Work on parts of an array by as many threads as torch has, one part at a time each.

Each part is worked on as one thread alone would, so that results do not hang on the
number of threads. Threads inside many small products, as torch starts them, wait for
each other at each one, and longest where the machine has other work to do.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController

from skal_deep._blas import BLAS
from skal_deep._put_back import put_back

Part = TypeVar("Part")

_own = threading.local()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep numpy and scipy to one thread for a while, but not torch.

    Use it where their operations and torch's take turns: the threads of either wait in
    a loop for more work, on processors that those of the other need.
    """
    holder = object()
    with put_back(lambda: BLAS.release(holder)):
        BLAS.hold(holder)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch, BLAS and OpenMP to one thread for a while."""
    n_threads = torch.get_num_threads()
    openmp = ThreadpoolController().select(user_api="openmp")
    with (
        put_back(lambda: torch.set_num_threads(n_threads)),
        one_blas_thread(),
        openmp.limit(limits=1),
    ):
        torch.set_num_threads(1)
        yield


@contextmanager
def threads_over_parts(device: torch.device) -> Iterator[None]:
    """Do as :func:`keep_threads`, if the work is a processor's and there are several.

    Parameters
    ----------
    device : torch.device
        Where the work is done.
    """
    is_alone = device.type != "cpu" or torch.get_num_threads() < 2
    with nullcontext() if is_alone else keep_threads():
        yield


@contextmanager
def keep_threads() -> Iterator[None]:
    """Keep torch's threads for :func:`for_each_part`, for a while.

    Use it around code whose operations are small, but for those on parts: where the
    machine is busy, threads inside small operations cost several times what they save.
    Threads that are started inside are kept until its end. numpy and scipy are kept to
    one thread, too, also where torch has no more.
    """
    if getattr(_own, "kept", None):
        yield
        return
    n_threads = torch.get_num_threads()
    threads = _threads(n_threads)

    def restore() -> None:
        try:
            threads.shutdown()
        finally:
            # A thread sets its own number, and that of threads that are started later.
            torch.set_num_threads(n_threads)
            BLAS.release(threads)
            _own.kept = None

    with put_back(restore):
        _own.kept = threads, n_threads
        BLAS.hold(threads)
        torch.set_num_threads(1)
        yield


@contextmanager
def threads_given_back() -> Iterator[None]:
    """Undo :func:`keep_threads` for a while, around a model's or a net's work."""
    kept = getattr(_own, "kept", None)
    if not kept:
        yield
        return
    threads, n_threads = kept

    def take_again() -> None:
        torch.set_num_threads(1)
        BLAS.hold(threads)
        _own.kept = kept

    with put_back(take_again):
        _own.kept = None
        BLAS.release(threads)
        torch.set_num_threads(n_threads)
        yield


def for_each_part(
    parts: Iterable[Part],
    begin: Callable[[], Callable[[Part], None]],
    device: torch.device,
) -> None:
    """Work on all parts, by ``torch.get_num_threads()`` threads at most.

    In a process that torch has one thread in, such as joblib's workers, no other thread
    is started; neither for work that is not the processor's. Each thread starts the
    next one when it has got a part: where there is little to do, few are started.

    Parameters
    ----------
    parts : iterable
        Parts, mostly slices, that may be worked on at the same time. The next one is
        asked for when a thread is free, so that what was found so far may end them.
    begin : callable
        Called once by each thread, for scratch memory of its own; returns what works on
        a part. It must be code that leaves Python's lock, or threads gain nothing.
    device : torch.device
        Where the work is done.
    """
    threads, n_threads = getattr(_own, "kept", None) or (None, torch.get_num_threads())
    todo = iter(parts)
    first = list(islice(todo, 2 if n_threads > 1 and device.type == "cpu" else 1))
    todo, lock = chain(first, todo), threading.Lock()
    # a thread does not take it over from the one that starts it
    is_inference = torch.is_inference_mode_enabled()
    started: list[Future[None]] = []

    def next_part() -> Part | None:
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
    if threads is None:
        with threads_over_parts(device):
            for_each_part(todo, begin, device)
        return

    def work_beside() -> None:
        with torch.inference_mode() if is_inference else nullcontext():
            work(start)

    def start() -> None:
        if len(started) < n_threads:
            started.append(threads.submit(work_beside))

    def end() -> None:  # also where Ctrl-C comes while this thread waits
        nonlocal todo
        todo = iter(())
        while not all(each.done() for each in started):
            wait(started)

    with put_back(end):
        start()
        for each in started:  # which grows while they work
            each.result()


def _threads(n_threads: int) -> ThreadPoolExecutor:
    """Return threads in which torch has one, and notes nothing for gradients."""

    def begin() -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)

    return ThreadPoolExecutor(n_threads, initializer=begin)
