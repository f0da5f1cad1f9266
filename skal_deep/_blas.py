"""The threads of numpy and scipy, whose number is that of the whole process."""

import os
import threading
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def libraries(user_api: str) -> ThreadpoolController:
    """Return what sets the threads of "blas" or "openmp" libraries, and of no others.

    It takes a while to find them. What limits some puts all back that it knows.
    """
    return ThreadpoolController().select(user_api=user_api)


class Blas:
    """Who wants one thread: the first changes the number, the last puts it back.

    Both may be called again, where Ctrl-C has left them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[object, int] = {}  # and the thread of each
        self._before: list[int] | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave_other_threads)

    def hold(self, holder: object) -> None:
        """Give numpy and scipy one thread until whoever holds them releases them."""
        with self._lock:
            self._holders[holder] = threading.get_ident()
            if self._before is None:
                blas = libraries("blas").lib_controllers
                self._before = [library.num_threads for library in blas]
                _set([1] * len(blas))

    def release(self, holder: object) -> None:
        """Do nothing if it does not hold them."""
        with self._lock:
            self._holders.pop(holder, None)
            if not self._holders and self._before is not None:
                _set(self._before)
                self._before = None

    def _leave_other_threads(self) -> None:
        """Release what other threads hold, which a forked process does not have."""
        self._lock = threading.Lock()
        for holder, thread in list(self._holders.items()):
            if thread != threading.get_ident():
                self.release(holder)


def _set(numbers: list[int]) -> None:
    blas = libraries("blas").lib_controllers
    for library, n_threads in zip(blas, numbers, strict=True):
        if library.num_threads == n_threads:
            continue  # as in workers, which have one
        # threadpoolctl 3.8 ignores all threads but the one that has been the first
        renounce = getattr(library, "clear_controlling_thread", lambda **_: None)
        renounce(force=True)
        library.set_num_threads(n_threads)
        renounce(force=True)


BLAS = Blas()
