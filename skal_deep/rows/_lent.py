"""Arrays that are lent to code of others, which may write into what it is given."""

import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np


def lent(values: Any) -> Any:
    """Return a copy of data for one call of an estimator, metric or strategy.

    ``StandardScaler(copy=False)`` and many a metric write into their arguments, which
    all calls that follow would see. Of an array that is mapped from a file it is a
    mapping of its own whose pages are copied when they are written to, as the file may
    be larger than memory.

    Parameters
    ----------
    values : array-like or None
        Data.
    """
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        mapped = _mapped(values)
        if mapped is not None:
            return mapped
        is_plain = not values.dtype.hasobject
        if is_plain or all(type(value) is str for value in values.flat):
            return values.copy(order="K")
    return copy.deepcopy(values)


def _mapped(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return a private mapping of the same part of a file, if it is mapped."""
    root: Any = values
    while isinstance(root, np.ndarray) and not isinstance(root, np.memmap):
        root = root.base
    name = getattr(root, "filename", None)
    # A mapping in mode "c" holds changes that are in no file.
    if not isinstance(root, np.memmap) or name is None or root.mode == "c":
        return None
    while isinstance(root.base, np.memmap):  # offsets are those of the whole mapping
        root = root.base
    order: Literal["C", "F"] = "C" if values.flags.c_contiguous else "F"
    is_whole = values.flags.c_contiguous or values.flags.f_contiguous
    if not (is_whole and values.size and Path(name).exists()):
        return None
    start = values.ctypes.data - root.ctypes.data
    return np.asarray(
        np.memmap(name, values.dtype, "c", root.offset + start, values.shape, order)
    )
