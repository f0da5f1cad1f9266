"""Orders of rows that do not depend on how the caller has stored them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.rows._contents import mixed, row_keys
from skal_deep.rows._data import plain_table
from skal_deep.rows._numbers import numbers

_BY_POSITION = ContextVar("_BY_POSITION", default=False)


@contextmanager
def order_by_position() -> Iterator[None]:
    """Let positions decide orders in place of contents, in this thread.

    Of the same rows in two spaces positions are what both have: so they are shuffled
    alike, draw the same numbers, and train the same nets.
    """
    token = _BY_POSITION.set(True)
    try:
        yield
    finally:
        _BY_POSITION.reset(token)


def canonical_order(
    data: Any,
    rows: NDArray[np.intp],
    y: NDArray[Any] | None = None,
    sample_weight: NDArray[Any] | None = None,
) -> NDArray[np.intp]:
    """Return the rows in an order that their contents decide.

    The same rows stored in another order come out in the same order, up to rows that
    are equal in all that is given. So a query trains on the same mini-batches however
    the pool is permuted. Texts are sorted alphabetically, all others by a hash.

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
    keys = _keys(data, rows)
    order, is_repeated = _sorted(keys)
    if not is_repeated.any():
        return rows[order]
    ties: list[NDArray[Any]] = [keys]
    if y is not None:
        labels = y[rows].astype(str)
        ties.append(np.unique(labels, axis=0, return_inverse=True)[1].ravel())
    if sample_weight is not None:
        ties.append(sample_weight[rows])
    return rows[np.lexsort(ties[::-1])]


def random_order(data: Any, rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return the rows in an order that their contents and a seed decide.

    Over seeds every order is as likely as any other, which makes "first among ties" a
    fair draw; and the same rows stored in another order come out in the same one.
    Among equal rows the first position wins as often as any other.

    Parameters
    ----------
    data : object
        All inputs, in a form of ``as_data``.
    rows : ndarray of shape (N,)
        Positions to order, rising.
    seed : int
        Decides the order.
    """
    keys = mixed(_keys(data, rows) ^ mixed(np.array([seed + 1], dtype=np.uint64)))
    order, is_repeated = _sorted(keys)
    if not is_repeated.any():
        return rows[order]
    # Equal rows would be neighbours, and win a tie as one: each repeat has a place of
    # its own.
    at = np.arange(len(rows))
    n_before = at - np.maximum.accumulate(np.where(is_repeated, 0, at))
    keys = mixed(keys[order] + n_before.astype(np.uint64))
    return rows[order[_sorted(keys)[0]]]


def _keys(data: Any, rows: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Return keys of rows, for tables of plain numbers those of their numbers."""
    if _BY_POSITION.get():
        return rows.astype(np.uint64)
    keys: NDArray[np.uint64] = row_keys(
        numbers(data) if plain_table(data) else data, rows
    )
    return keys


def _sorted(
    keys: NDArray[np.uint64],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the order of keys, equal ones by position, and which of them are repeats.

    A repeat is equal to the key before it, in that order. Positions take the place of
    the lowest bits, and the numbers themselves are sorted: of a million hashes that
    takes half the time of ``argsort``, an eighth of a stable one. Keys that differ in
    those bits alone, few among hashes, are sorted once more.
    """
    n = len(keys)
    low = np.uint64((1 << n.bit_length()) - 1)
    packed = keys & ~low
    packed |= np.arange(n, dtype=np.uint64)
    packed.sort()
    order: NDArray[np.intp] = (packed & low).view(np.intp)
    is_repeated = np.zeros(n, dtype=bool)
    is_close = (packed[1:] ^ packed[:-1]) <= low
    if is_close.any():
        is_among = is_repeated.copy()
        is_among[1:] |= is_close
        is_among[:-1] |= is_close
        some = order[is_among]
        order[is_among] = some[np.argsort(keys[some], kind="stable")]
        np.equal(keys[order[1:]], keys[order[:-1]], out=is_repeated[1:])
    return order, is_repeated


def training_order(
    data: Any,
    rows: NDArray[np.intp],
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
) -> NDArray[np.intp]:
    """Return rows in the order to train on: decided by contents, yet without a trend.

    In :func:`canonical_order` neighbours may be alike, and mini-batches of a net that
    does not shuffle would be, too. So that order is shuffled, always in the same way.

    Parameters
    ----------
    data, rows, y, sample_weight
        As of :func:`canonical_order`.
    """
    order = canonical_order(data, rows, y, sample_weight)
    return np.random.default_rng(0).permutation(order)
