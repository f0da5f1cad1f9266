"""A random order of rows."""

import numpy as np
from numpy.typing import NDArray


def shuffled(rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return the rows in random order, which makes "first among ties" a fair draw."""
    return np.random.default_rng(seed).permutation(rows)
