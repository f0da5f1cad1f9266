"""Work on parts of an array by as many threads as torch has, one part at a time each.

Each part is worked on as one thread alone would, so that results do not hang on the
number of threads. Threads inside many small products, as torch starts them, wait for
each other at each one, and longest where the machine has other work to do.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from itertools import chain, islice

import torch
from threadpoolctl import threadpool_limits

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


@contextmanager
def threads_over_parts(device: torch.device) -> Iterator[None]:
    """Keep torch's threads for :func:`for_each_part`, for a while.

    Use it around code whose operations are small, but for those on parts: where the
    machine is busy, threads inside small operations cost several times what they save.
    Threads that are started inside are kept until its end.

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
        with ThreadPoolExecutor(n_torch) as threads:
            _own.kept = threads, n_torch
            torch.set_num_threads(1)
            yield
    finally:
        _own.kept = None
        torch.set_num_threads(n_torch)


def for_each_part(
    parts: Iterable[slice],
    begin: Callable[[], Callable[[slice], None]],
    device: torch.device,
) -> None:
    """Work on all parts, by ``torch.get_num_threads()`` threads at most.

    In a process that torch has one thread in, such as joblib's workers, no other thread
    is started; neither for work that is not the processor's.

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
    first = list(islice(todo, n_threads if device.type == "cpu" else 1))
    todo, lock = chain(first, todo), threading.Lock()

    def work() -> None:
        nonlocal todo
        try:
            work_on = begin()
            while (part := next_part()) is not None:
                work_on(part)
        except BaseException:
            todo = iter(())
            raise

    def next_part() -> slice | None:
        with lock:
            return next(todo, None)

    if len(first) < 2:
        work()
        return
    # a thread does not take these over from the one that starts it
    is_inference = torch.is_inference_mode_enabled()

    @torch.inference_mode(is_inference)
    @torch.no_grad()
    def work_alone() -> None:
        torch.set_num_threads(1)
        work()

    try:
        with nullcontext(threads) if threads else ThreadPoolExecutor(n_threads) as some:
            done = [some.submit(work_alone) for _ in first]
            try:
                for each in done:
                    each.result()
            finally:  # also where Ctrl-C comes while this thread waits
                todo = iter(())
                wait(done)
    finally:
        # A thread sets its own number, and that of threads that are started later.
        torch.set_num_threads(n_torch)
