"""What is wrong with inputs of one axis."""

from typing import Any

import numpy as np


def check_is_rows(X: Any, name: str = "X") -> None:
    """Refuse inputs of one axis, and say how to pass what they may be.

    Parameters
    ----------
    X : array-like
        Inputs.
    name : str, default="X"
        Their name, for the message.
    """
    shape = getattr(X, "shape", None)
    if shape is None:
        if not isinstance(X, list | tuple) or not len(X) or np.ndim(X[0]):
            return
        shape = (len(X),)
    if len(shape) == 1 and shape[0]:
        raise ValueError(
            f"Reshape your data: {name} must hold one row a sample, but has the one "
            f"axis {tuple(shape)}. If these are positions of rows in a data set, or "
            "values of one feature, "
            f"pass np.reshape({name}, (-1, 1)); if they are the features of one row, "
            f"np.reshape({name}, (1, -1))."
        )
