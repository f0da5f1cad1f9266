"""One thread at a time, without threads that wait for one another in a circle."""

import gc
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

# Seconds between two looks at whom the others wait for.
_BETWEEN_LOOKS = 0.1
# Seconds that the thread inside may stand still for unknown reasons.
_PATIENCE = 60.0
# Code of these stands between a thread's own code and what it waits for.
_WAITING = "threading", "queue", "concurrent.futures.", "multiprocessing.pool", "joblib"
_CIRCLE = (
    "Thread {waiting!r} needs the random generators, and thread {inside!r}, which has "
    "them, waits for it. This comes from an estimator that trains or asks its members "
    "in threads of its own, inside a query or a simulation. Let it use joblib's "
    "Parallel without naming a backend, which then runs one member after another, or "
    "a loop."
)


class Turns:
    """A lock for one thread at a time, which the same thread may take again.

    A thread raises ``RuntimeError`` if the one inside waits for it: an estimator may
    train its members in threads of its own while a query holds the lock.
    """

    def __init__(self) -> None:
        self._renew()
        self.inside: int | None = None  # the thread that has the lock, or had it last
        if hasattr(os, "register_at_fork"):
            # In a forked process no other thread can release it.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock, self._look = threading.RLock(), threading.Lock()

    def turn(self) -> AbstractContextManager[Any]:
        """Return what to enter for a turn."""
        # Only the main thread is hit by Ctrl-C, and only what is compiled can be
        # neither left half-entered nor half-left. It is nobody's member.
        if threading.current_thread() is threading.main_thread():
            return self._lock
        return _Patient(self, self._lock)

    def frames(self) -> dict[int, FrameType]:
        """Return what each thread runs, by its number."""
        # Garbage that is collected meanwhile may let another thread go on, and Python
        # 3.11 then hangs if that one asks, too.
        with self._look:
            collects = gc.isenabled()
            gc.disable()
            try:
                return sys._current_frames()
            finally:
                if collects:
                    gc.enable()


class _Patient:
    """Takes a lock, and looks meanwhile whether that can ever succeed."""

    def __init__(self, turns: Turns, lock: Any):
        self._turns, self._lock = turns, lock

    def __enter__(self) -> None:
        n_in_circle, still, last = 0, 0, None
        while not self._lock.acquire(timeout=_BETWEEN_LOOKS):
            inside, frames = self._turns.inside, self._turns.frames()
            # Twice: a lock may change hands between the look at it and that at threads.
            n_in_circle = (
                n_in_circle + 1 if _waits_for_this_thread(inside, frames) else 0
            )
            spot = _standing_still(inside, frames)
            still = still + 1 if spot is not None and spot == last else 0
            last = spot
            del frames
            if n_in_circle > 1 or still * _BETWEEN_LOOKS > _PATIENCE:
                names = {thread.ident: thread.name for thread in threading.enumerate()}
                own = threading.current_thread().name
                raise RuntimeError(
                    _CIRCLE.format(waiting=own, inside=names.get(inside, inside))
                )

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _waits_for_this_thread(thread: int | None, frames: dict[int, FrameType]) -> bool:
    """Return whether a thread waits for this one, or for one that does."""
    threads = {each.ident: each for each in threading.enumerate()}
    works = {
        ident: {id(threads.get(ident)), *_tasks(frame)}
        for ident, frame in frames.items()
    }
    todo, seen = [thread], set()
    while todo:
        ident = todo.pop()
        if ident not in frames or ident in seen:
            continue
        seen.add(ident)
        awaited = {id(value) for value in _awaited(frames[ident])}
        todo += [other for other, work in works.items() if work & awaited]
    return threading.get_ident() in seen - {thread}


def _tasks(frame: FrameType | None) -> Iterator[int]:
    """Yield the futures that a thread works on, by identity."""
    for each in _stack(frame):
        if _module(each) == "concurrent.futures.thread":
            future = getattr(each.f_locals.get("self"), "future", None)
            if future is not None:
                yield id(future)


def _awaited(frame: FrameType | None) -> Iterator[Any]:
    """Yield what a thread may wait for: threads, and futures of their pools."""
    for each in _stack(frame):
        if not _module(each).startswith(_WAITING):
            return
        for value in list(each.f_locals.values()):
            yield value
            yield from _parts(value)


def _parts(value: Any) -> Iterable[Any]:
    """Return the members of a collection, and the threads of a pool."""
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    # joblib's Parallel has a backend, that a pool of multiprocessing; so has what the
    # pool has promised; the pool has a list.
    for name in ("_backend", "_pool", "_pool"):
        value = getattr(value, name, value)
    return list(value) if isinstance(value, list) else ()


def _standing_still(
    thread: int | None, frames: dict[int, FrameType]
) -> tuple[FrameType, int] | None:
    """Return where a thread waits for something that only other threads can do."""
    frame = None if thread is None else frames.get(thread)
    if frame is None or _module(frame) not in ("threading", "queue"):
        return None
    # Futures and pools may be of processes, which take the time that they take.
    others = ("concurrent.", "multiprocessing", "joblib", "torch.utils.data")
    if any(_module(each).startswith(others) for each in _stack(frame)):
        return None
    return frame, frame.f_lasti


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of a thread, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
