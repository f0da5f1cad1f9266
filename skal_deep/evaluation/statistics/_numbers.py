"""Numbers as users hand them over: no texts, and NaN where a value is masked."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def real_numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return values as floats, NaN where they are masked, if they are numbers.

    Parameters
    ----------
    values : array-like
        Numbers.
    name : str
        What to call them in an error.
    """
    kind = np.asarray(values).dtype
    if kind.kind not in "buifO":
        raise TypeError(f"{name} must be numbers, not of type {kind}.")
    numbers: NDArray[np.float64] = np.ma.asarray(values, float).filled(np.nan)
    return numbers
