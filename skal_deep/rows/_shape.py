"""Arrays that look like rows and are none: of one axis, or masked."""

from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np


def check_is_rows(X: Any, name: str = "X") -> None:
    """Refuse inputs of one axis or with a mask, and say how to pass what they may be.

    Parameters
    ----------
    X : array-like
        Inputs.
    name : str, default="X"
        Their name, for the message.
    """
    if isinstance(X, Mapping):
        return
    check_no_mask(X, name)
    shape = getattr(X, "shape", None)
    if shape is None:
        is_list = isinstance(X, list | tuple) and len(X) and isinstance(X[0], Number)
        if not is_list:
            return
        shape = (len(X),)
    dtype = getattr(X, "dtype", None)
    is_number = dtype is None or getattr(dtype, "kind", "O") in "biufc"
    if len(shape) == 1 and shape[0] and is_number:
        raise ValueError(
            f"Reshape your data: {name} must hold one row a sample, but has the one "
            f"axis {tuple(shape)}. If these are positions of rows in a data set, or "
            "values of one feature, "
            f"pass np.reshape({name}, (-1, 1)); if they are the features of one row, "
            f"np.reshape({name}, (1, -1))."
        )


def check_no_mask(X: Any, name: str) -> None:
    """Raise if an array is masked: the numbers behind the mask would be taken.

    Parameters
    ----------
    X : object
        Anything.
    name : str
        Its name, for the message.
    """
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} is masked, and what is behind the mask would be taken for values: "
            f"pass {name}.filled(np.nan) and a Pipeline that imputes, or fill the gaps."
        )
