"""Targets of a regression, as a file has them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._labels import is_no_value, warn_of_gaps


def as_targets(y: NDArray[Any], source: str = "y") -> tuple[NDArray[np.float64], None]:
    """Return targets in float64, NaN where there is no value, which a warning says.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_targets)
        Numbers, or words that are numbers.
    source : str, default="y"
        Where they are from, for what is said of them.
    """
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim not in (1, 2) or y.dtype.kind not in "biufU":
        raise ValueError(
            f"The targets of {source} must be numbers, one a row; they are of type "
            f"{y.dtype} and shape {y.shape}."
        )
    if y.dtype.kind == "U":
        y = np.array([_number(word, source) for word in y.ravel()]).reshape(y.shape)
    targets = y.astype(np.float64)
    if np.isinf(targets).any():
        raise ValueError(f"The targets of {source} must be finite numbers.")
    missing = np.asarray(np.isnan(targets.reshape(len(targets), -1)).any(axis=1))
    if missing.any() and missing.all():
        raise ValueError(f"No row of {source} has a target.")
    warn_of_gaps(missing, source, "target", "NaN")
    return targets, None


def _number(word: str, source: str) -> float:
    if is_no_value(word):
        return float("nan")
    try:
        return float(word)
    except ValueError:
        raise ValueError(
            f"The targets of {source} must be numbers, and one is {word[:50]!r}. For "
            "classes name the column as the label."
        ) from None
