"""Work on parts of an array by as many threads as torch has, one part at a time each.

Each part is worked on as one thread alone would, so that results do not hang on the
number of threads. Threads inside many small products, as torch starts them, wait for
each other at each one, and longest where the machine has other work to do.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

_own = threading.local()


@contextmanager
def threads_over_parts(device: torch.device) -> Iterator[None]:
    """Keep torch's threads for :func:`for_each_part`, for a while.

    Use it around code whose operations are small, but for those on parts: where the
    machine is busy, threads inside small operations cost several times what they save.

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
        _own.n_threads = n_torch
        torch.set_num_threads(1)
        yield
    finally:
        del _own.n_threads
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
        Parts that may be worked on in any order, and at the same time.
    begin : callable
        Called once by each thread, for scratch memory of its own; returns what works on
        a part. It must be code that leaves Python's lock, or threads gain nothing.
    device : torch.device
        Where the work is done.
    """
    todo, n_torch = deque(parts), torch.get_num_threads()
    n_threads = min(getattr(_own, "n_threads", n_torch), len(todo))

    def work() -> None:
        try:
            work_on = begin()
            while todo:
                try:
                    part = todo.popleft()
                except IndexError:  # another thread was quicker
                    return
                work_on(part)
        except BaseException:
            todo.clear()
            raise

    @torch.no_grad()  # which a thread does not take over from the one that starts it
    def work_alone() -> None:
        torch.set_num_threads(1)
        work()

    if n_threads < 2 or device.type != "cpu":
        work()
        return
    try:
        with ThreadPoolExecutor(n_threads) as threads:
            done = [threads.submit(work_alone) for _ in range(n_threads)]
            try:
                for each in done:
                    each.result()
            finally:  # also where Ctrl-C comes while this thread waits
                todo.clear()
    finally:
        # A thread sets its own number, and that of threads that are started later.
        torch.set_num_threads(n_torch)
