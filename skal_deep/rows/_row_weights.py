"""Weights of rows as users pass them, to classifiers and to queries."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def row_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Return weights of rows as numbers, finite, not negative and one a row.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), or None
        Weights; ``None`` stays ``None``.
    n_rows : int
        Number of rows, labelled or not.
    """
    if sample_weight is None:
        return None
    try:
        weight = np.asarray(sample_weight)
    except ValueError:  # rows of several lengths
        weight = np.empty(0, dtype=object)
    if weight.dtype == object and all(isinstance(w, Real) for w in weight.flat):
        weight = weight.astype(float)
    if weight.shape != (n_rows,) or weight.dtype.kind not in "biuf":
        raise ValueError(
            "sample_weight must be one number a row, labelled or not, of shape "
            f"({n_rows},); got {weight.dtype} of shape {weight.shape}."
        )
    weight = weight.astype(float)
    if not np.isfinite(weight).all():
        raise ValueError("sample_weight must not be NaN or infinite." + _ANY)
    if (weight < 0).any():
        raise ValueError("sample_weight must not be negative." + _ANY)
    return weight


def of_mean_one(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights, not all zero, in multiples of their mean, however large."""
    shares = weight / float(weight.max())  # the sum of large weights may be infinite
    return shares / float(shares.mean())


_ANY = " Give rows without a label any weight, such as 1: it does not count."
