"""Workers that end with the process that started them; interrupts that arrive."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

_SECONDS = 0.5


@cache
def leave_with(parent: int) -> None:
    """End this process soon after the one that started it, however that ended.

    A process that is killed can no longer stop its workers, which would go on, and
    hold its output open. Elsewhere than in a worker of ``parent`` nothing happens.

    Parameters
    ----------
    parent : int
        Id of the process that waits for this one.
    """
    if parent == os.getpid() or not hasattr(os, "getppid") or os.name == "nt":
        return
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)  # no clean-up could reach anyone


@contextmanager
def interrupts_leave() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt if there was an interrupt.

    Libraries that train, scikit-learn's ``MLPClassifier`` among them, take an interrupt
    for the wish to stop early, and return a model that is half trained. So whoever
    keeps what came out asks first.
    """
    seen: list[int] = []

    def check() -> None:
        if seen:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(before)):  # others are not interrupted
        yield check
        return

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        before(number, frame)

    # Only the main thread may set handlers, and only it is interrupted.
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
