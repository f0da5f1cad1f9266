"""Interrupts that are not lost while a model is trained."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from skal_deep._put_back import put_back


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

    def restore() -> None:
        signal.signal(signal.SIGINT, before)

    # Only the main thread may set handlers, and only it is interrupted.
    with put_back(restore):
        signal.signal(signal.SIGINT, note)
        yield check
