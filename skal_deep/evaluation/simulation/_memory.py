"""How much memory the process has needed."""

import sys
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc/self")


def reset_peak() -> None:
    """Start anew, where the system lets a process do so: on Linux."""
    with suppress(OSError):
        (_PROC / "clear_refs").write_text("5", encoding="ascii")


def peak_megabytes() -> float:
    """Return the peak of resident memory since the reset; NaN where it is unknown.

    Without a reset it is the peak of the process's life.
    """
    with suppress(OSError):
        for line in (_PROC / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
