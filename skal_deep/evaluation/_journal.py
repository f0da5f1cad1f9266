"""A file that only grows: whole lines, each on the disk before the call returns."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def append_lines(path: Path, lines: bytes) -> None:
    """Add whole lines, and wait until they are on the disk.

    A line that another process was killed in stays as it is, and is closed: what
    follows begins a line of its own. Nothing is ever cut off.

    Parameters
    ----------
    path : Path
        The file, which is made if needed.
    lines : bytes
        Lines that end with a line break.
    """
    # Append mode and a single write: a line is whole or cut off at its end, never
    # mixed with another one.
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    with open_locked(path, flags) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                lines = b"\n" + lines
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def open_locked(path: Path, flags: int) -> Iterator[BinaryIO]:
    """Open a file for one process at a time, where the file system knows locks.

    Parameters
    ----------
    path : Path
        The file, never a link.
    flags : int
        Those of ``os.open``; the file is for reading, too.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    is_append = flags & os.O_APPEND
    with open(os.open(path, flags, 0o666), "a+b" if is_append else "r+b") as file:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)  # closing the file gives it back
        yield file
