"""Putting things back at the end of a block, whatever ends it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial


class _Open(threading.local):
    """What the blocks of a thread have not put back, the outermost first."""

    def __init__(self) -> None:
        self.restores: list[Callable[[], None]] = []


_open = _Open()


@contextmanager
def put_back(restore: Callable[[], None]) -> Iterator[None]:
    """Restore something at the end, even when Ctrl-C hits the restoring itself.

    Ctrl-C just before the end of a block may leave its end to the collector, who comes
    late. So a block ends those inside it that have not ended, and the end of one that
    an outer one has ended does nothing.

    Parameters
    ----------
    restore : callable
        Runs again where its first run is left: what that did not reach the second does.
    """
    still_open = _open.restores
    own = partial(restore)  # an object of its own, which no other block has
    try:
        try:
            still_open.append(own)
            yield
        finally:
            while own in still_open:
                still_open[-1]()
                still_open.pop()
    finally:
        while own in still_open:
            still_open.pop()()  # it is not asked a third time, even if it raises
