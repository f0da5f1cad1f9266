"""An order of rows that does not depend on how the caller has stored them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK_ELEMENTS = 2**22


def canonical_order(data: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rows in an order that their contents decide.

    The same rows stored in another order come out in the same order, up to equal
    rows. So a query draws the same rows, breaks ties the same way and trains on the
    same mini-batches however the pool is permuted. Rows are sorted by a projection
    on a fixed direction.

    Parameters
    ----------
    data : ndarray of shape (n_samples, ...)
        All inputs.
    rows : ndarray of shape (N,)
        Positions to order.
    """
    n_features = int(np.prod(data.shape[1:]))
    direction = np.cos(np.arange(1, n_features + 1))
    size = max(1, _CHUNK_ELEMENTS // max(1, n_features))
    keys = np.empty(len(rows))
    for start in range(0, len(rows), size):
        chunk_ND = data[rows[start : start + size]].reshape(-1, n_features)
        # not a matrix product: its rounding depends on a row's position
        keys[start : start + size] = (chunk_ND * direction).sum(axis=1)
    return rows[np.argsort(keys, kind="stable")]


def shuffled(rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return the rows in random order, which makes "first among ties" a fair draw."""
    return np.random.default_rng(seed).permutation(rows)
