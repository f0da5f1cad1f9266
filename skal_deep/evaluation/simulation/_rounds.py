"""What one round leaves: rows, a classifier, what was measured."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PROC = Path("/proc/self")


@dataclass(frozen=True)
class Round:
    """What one round leaves.

    Attributes
    ----------
    indices : ndarray of shape (n_new,)
        Rows of the caller's X that were labelled for it.
    estimator : object
        The classifier, fitted to all labels so far.
    measured : dict of str to float
        "n_labels", "cost" if labels have one, the scores, seconds and memory: a point
        of the learning curve.
    """

    indices: NDArray[np.intp]
    estimator: Any
    measured: dict[str, float]


def reset_peak() -> None:
    """Measure memory anew, where the system lets a process do so: on Linux."""
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
