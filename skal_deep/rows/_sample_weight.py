"""Weights of rows, as numbers."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_sample_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return weights of rows as numbers: finite, not negative and one a row."""
    try:
        weight = np.asarray(sample_weight)
    except ValueError:
        raise ValueError(
            f"sample_weight must be one number a row, of shape ({n_rows},); its parts "
            "have different lengths."
        ) from None
    if weight.dtype == object and all(isinstance(w, Real) for w in weight.flat):
        weight = weight.astype(float)
    if weight.shape != (n_rows,) or weight.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight must be one number a row, labelled or not, of shape "
            f"({n_rows},); got {weight.dtype} of shape {weight.shape}."
        )
    weight = weight.astype(float)
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            "sample_weight must not be NaN, infinite or negative. Give rows without a "
            "label any weight, such as 1: it does not count."
        )
    return weight
