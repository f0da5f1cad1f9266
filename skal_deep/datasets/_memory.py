"""Whether what a file claims to hold has room in memory."""

import os
from pathlib import Path

_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, on Linux


def check_room(n_bytes: int, source: object) -> None:
    """Raise if so many bytes are more than the memory of this machine.

    Asking for them would end the process where the system promises more than it has.

    Parameters
    ----------
    n_bytes : int
        How many.
    source : object
        What claims to hold them.
    """
    if n_bytes > memory():
        raise ValueError(
            f"{source} claims to hold {n_bytes / 2**30:,.1f} GiB, more than the memory "
            f"of {memory() / 2**30:,.1f} GiB. Is it damaged? If not, use a part of it."
        )


def memory() -> float:
    """Return the bytes of memory; infinity where the system does not say."""
    try:
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return float("inf")
    try:
        return min(n_bytes, int(_GROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no such group, or one without a limit ("max")
        return n_bytes
