"""An order of rows that does not depend on how the caller has stored them."""

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.rows._contents import row_keys
from skal_deep.rows._data import is_numbers, numbers, plain_table

_CHUNK_ELEMENTS = 2**22


def canonical_order(
    data: Any,
    rows: NDArray[np.intp],
    y: NDArray[Any] | None = None,
    sample_weight: NDArray[Any] | None = None,
) -> NDArray[np.intp]:
    """Return the rows in an order that their contents decide.

    The same rows stored in another order come out in the same order, up to rows that
    are equal in all that is given. So a query draws the same rows, breaks ties the
    same way and trains on the same mini-batches however the pool is permuted. Numbers
    are sorted by a projection on a fixed direction, texts alphabetically, all others
    by a hash.

    Parameters
    ----------
    data : object
        All inputs, in a form of ``as_data``.
    rows : ndarray of shape (N,)
        Positions to order.
    y : ndarray of shape (n_samples,), optional
        Labels, which order rows of equal inputs.
    sample_weight : ndarray of shape (n_samples,), optional
        Weights, which order rows of equal inputs and labels.
    """
    if plain_table(data):
        data = numbers(data)
    keys = _projections(data, rows) if is_numbers(data) else row_keys(data, rows)
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    is_tied = np.zeros(len(rows), dtype=bool)
    equal = np.flatnonzero(keys[1:] == keys[:-1])
    is_tied[equal] = is_tied[equal + 1] = True
    if not is_tied.any():
        return rows
    contents = np.zeros(len(rows), dtype=np.uint64)
    if is_numbers(data):  # other keys are equal for equal contents alone
        contents[is_tied] = [_digest(data[row]) for row in rows[is_tied]]
    ties: list[NDArray[Any]] = [contents]
    if y is not None:
        labels = y[rows].astype(str)
        ties.append(np.unique(labels, axis=0, return_inverse=True)[1].ravel())
    if sample_weight is not None:
        ties.append(sample_weight[rows])
    return rows[np.lexsort((*reversed(ties), keys))]


def _projections(data: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the projections of rows of numbers on a fixed direction."""
    n_features = int(np.prod(data.shape[1:]))
    direction = np.cos(np.arange(1, n_features + 1))
    size = max(1, _CHUNK_ELEMENTS // max(1, n_features))
    keys = np.empty(len(rows))
    for start in range(0, len(rows), size):
        chunk_ND = data[rows[start : start + size]].reshape(-1, n_features)
        # not a matrix product: its rounding depends on a row's position
        keys[start : start + size] = (chunk_ND * direction).sum(axis=1)
    keys[np.isnan(keys)] = np.inf  # equal to each other, and told apart below
    return keys


def _digest(row: NDArray[Any]) -> int:
    """Return a number that tells rows of equal projections apart."""
    return int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "big")


def training_order(
    data: Any,
    rows: NDArray[np.intp],
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
) -> NDArray[np.intp]:
    """Return rows in the order to train on: decided by contents, yet without a trend.

    In :func:`canonical_order` neighbours are alike, and mini-batches of a net that
    does not shuffle would be, too. So that order is shuffled, always in the same way.

    Parameters
    ----------
    data, rows, y, sample_weight
        As of :func:`canonical_order`.
    """
    order = canonical_order(data, rows, y, sample_weight)
    return np.random.default_rng(0).permutation(order)
