"""What rows hold, as numbers that do not depend on where the rows stand."""

import os
import pickle
import sys
from collections.abc import Callable, Mapping
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse

from skal_deep._compiled import are_compiled
from skal_deep._threads import for_each_part
from skal_deep.rows._data import RowDict, is_numbers, is_objects, n_rows, take

Hashes = NDArray[np.uint64]
_CHUNK_NUMBERS = 2**20
# Whole numbers up to this are floats, too. Beyond it, those up to 2^64 are a multiple
# of the second number, which is a float, and a rest.
_EXACT, _FLOATS_APART = 2**53, 2**11


def row_keys(X: Any, rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return a key for each row, which orders rows of any kind.

    Texts and names of files keep their alphabetical order, which a folder that is moved
    does not change; everything else is hashed.

    Parameters
    ----------
    X : object
        Inputs in a form of ``as_data``.
    rows : ndarray of shape (N,)
        Positions.
    """
    if is_numbers(X):
        return _of_numbers(X, rows)
    if is_objects(X):
        texts = _texts(X[rows])
        if texts is not None:
            order = sorted(range(len(texts)), key=texts.__getitem__)
            ranks = np.zeros(len(texts), dtype=np.uint64)
            changes = [texts[a] != texts[b] for a, b in zip(order, order[1:])]  # noqa: B905, RUF007
            ranks[order] = np.concatenate([[0], np.cumsum(changes)])[: len(texts)]
            return ranks
    return row_hashes(take(X, rows))


def row_hashes(X: Any) -> Hashes:
    """Return 64 bits for each row: equal for equal contents, else not.

    Parameters
    ----------
    X : object
        Inputs in a form of ``as_data``.
    """
    if is_numbers(X):
        return _of_numbers(X, np.arange(len(X)))
    if issparse(X):
        return _of_sparse(X)
    if isinstance(X, RowDict):
        hashes = np.zeros(len(X), dtype=np.uint64)
        for name in sorted(X):
            hashes = mixed(hashes * np.uint64(3) ^ row_hashes(X[name]))
        return hashes
    if isinstance(X, np.ndarray):
        return np.array([_digest(row) for row in X], dtype=np.uint64)
    return _of_table(X)


def equal_rows(X: Any, other: Any) -> bool:
    """Return whether inputs in one of our forms are the same, row by row."""
    if X is other:
        return True
    if type(X) is not type(other) or n_rows(X) != n_rows(other):
        return False
    if is_numbers(X):
        return np.array_equal(X, other, equal_nan=X.dtype.kind == "f")
    if is_objects(X):
        texts, others = _texts(X), _texts(other)
        if texts is not None:
            return texts == others
    return np.array_equal(row_hashes(X), row_hashes(other))


def hashes_of_files(X: Any) -> list[str] | None:
    """Return name and hash of contents of each file in X; nothing for other X.

    The folder does not count, so that files may be moved.

    Parameters
    ----------
    X : object
        Any value.
    """
    if isinstance(X, list | tuple):
        array = np.empty(len(X), dtype=object)
        array[:] = X
        X = array
    is_text = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "OU"
    texts = _texts(X.astype(object)) if is_text and len(X) else None
    # The first says what they are: looking for thousands of texts takes time.
    if not texts or not all(_is_file(text) for text in texts[:1]):
        return None
    hashes = []
    for text in texts:
        if not _is_file(text):
            hashes.append(f"{text} is no file")
            continue
        with Path(text).open("rb") as file:
            hashes.append(
                f"{Path(text).name} {file_digest(file, 'sha256').hexdigest()}"
            )
    return hashes


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero in it
        return False


def _texts(rows: NDArray[Any]) -> list[str] | None:
    """Return objects as texts, if they all are texts or names of files."""
    if all(type(row) is str for row in rows):
        return list(rows)
    if all(isinstance(row, str | os.PathLike) for row in rows):
        return [os.fsdecode(row) for row in rows]
    return None


def mixed(bits: Hashes) -> Hashes:
    """Return numbers each bit of which hangs on all of the given ones (splitmix64)."""
    hashes: Hashes = bits ^ (bits >> np.uint64(30))
    hashes *= np.uint64(0xBF58476D1CE4E5B9)  # in place: fresh memory takes as long
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def _factors(columns: NDArray[Any]) -> Hashes:
    """Return K = 3 odd numbers for each column, (K, D)."""
    places = 3 * (columns.astype(np.int64) + 1) + np.arange(3)[:, None]
    return mixed(places.view(np.uint64)) | np.uint64(1)


def _words(numbers: NDArray[Any]) -> Hashes:
    """Return words of 32 bits, with bits that differ brought to the low end.

    The bits of small whole numbers end in zeros, and so would multiples of them.
    """
    words = numbers.astype(np.uint32)
    words ^= words >> np.uint32(16)
    words ^= words >> np.uint32(8)
    return words.astype(np.uint64)


def _entries(values: NDArray[Any], factors_KD: Hashes) -> Hashes:
    """Return hashes of numbers in their columns, whose sum is that of the row.

    Equal numbers have equal ones whatever their type, -0.0 that of 0.0, and all NaN
    one. A number is a word, the bits of float32, where that type holds it, and else
    the two words of float64; multiples of words by odd numbers are summed.
    """
    if values.dtype.kind != "f":
        return _of_whole(values, factors_KD)
    doubles = values.astype(np.float64) + 0.0
    doubles[np.isnan(doubles)] = np.nan
    with np.errstate(over="ignore"):
        singles = doubles.astype(np.float32)
    is_single = (singles == doubles) | np.isnan(doubles)
    bits = doubles.view(np.uint64)
    one = _words(singles.view(np.uint32)) * factors_KD[0]
    low = _words(bits & np.uint64(2**32 - 1)) * factors_KD[1]
    high = _words(bits >> np.uint64(32)) * factors_KD[2]
    hashes: Hashes = np.where(is_single, one, low + high)
    return hashes


def _of_whole(values: NDArray[Any], factors_KD: Hashes) -> Hashes:
    """Return hashes of whole numbers: those of floats, as far as these hold them."""
    hashes = _entries(values.astype(np.float64), factors_KD)
    if values.dtype.itemsize == 8 and np.any(rest := values % _FLOATS_APART):
        is_beyond = (values > _EXACT) | (values < -_EXACT)
        top = _entries((values - rest).astype(np.float64), factors_KD)
        rests = _entries(rest.astype(np.float64), mixed(factors_KD) | np.uint64(1))
        hashes = np.where(is_beyond, top + rests, hashes)
    return hashes


def _of_numbers(X: NDArray[Any], rows: Any) -> Hashes:
    n_numbers = int(np.prod(X.shape[1:]))
    size = max(1, _CHUNK_NUMBERS // max(1, n_numbers))
    factors_KD = _factors(np.arange(n_numbers))
    hashes = np.zeros(len(rows), dtype=np.uint64)
    loop = _compiled_loop()

    def work_on(part: slice) -> None:
        some = rows[part]
        if some[-1] - some[0] == len(some) - 1 and (np.diff(some) == 1).all():
            some = slice(some[0], some[-1] + 1)  # a view
        chunk_ND = X[some].reshape(len(hashes[part]), n_numbers)
        if loop is None or not _are_floats(chunk_ND):
            hashes[part] = _entries(chunk_ND, factors_KD).sum(axis=1)
            return
        if chunk_ND.dtype not in (np.float32, np.float64):
            chunk_ND = chunk_ND.astype(np.float64)
        loop(np.ascontiguousarray(chunk_ND), factors_KD, hashes[part])

    parts = [slice(at, at + size) for at in range(0, len(rows), size)]
    for_each_part(parts, lambda: work_on, torch.device("cpu"))
    return hashes


def _compiled_loop() -> Callable[..., None] | None:
    if not are_compiled():
        return None
    from skal_deep.rows._hash_loop import hash_rows

    return hash_rows


def _are_floats(values: NDArray[Any]) -> bool:
    """Return whether float64 holds all values as they are."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return True
    return bool(values.min() >= -_EXACT and values.max() <= _EXACT)


def _of_sparse(X: Any) -> Hashes:
    X = X.copy()  # what follows works in place
    X.sum_duplicates()
    X.eliminate_zeros()
    sums = np.zeros(X.nnz + 1, dtype=np.uint64)
    np.cumsum(_entries(X.data, _factors(X.indices)), out=sums[1:])
    hashes: Hashes = sums[X.indptr[1:]] - sums[X.indptr[:-1]]
    return hashes


def _of_table(X: Any) -> Hashes:
    """Return hashes of the rows of a table, by the library that made it."""
    if not hasattr(X, "iloc"):
        if hasattr(X, "hash_rows"):  # of polars
            hashes: Hashes = X.hash_rows(seed=0).to_numpy()
            return hashes
        X = X.to_pandas()
    pandas = sys.modules["pandas"]
    names = list(X.columns) if hasattr(X, "columns") else [None]
    hashes = np.zeros(len(X), dtype=np.uint64)
    for at, name in enumerate(names):
        column = X if name is None else X.iloc[:, at]
        if getattr(column.dtype, "kind", "O") in "iuf":
            hashes = mixed(hashes * np.uint64(3) ^ _of_column(column))
            continue
        try:
            own = pandas.util.hash_pandas_object(column, index=False).to_numpy()
        except TypeError as error:
            raise ValueError(
                f"The column {name!r} of X has entries that are lists, arrays or the "
                "like, by which rows cannot be told apart: give it a column for each "
                "number, or make the entries tuples."
            ) from error
        if column.dtype == object:  # to pandas, 1 and "1" are one
            kinds = [type(v).__name__ for v in column.where(column.notna(), None)]
            own = own ^ pandas.util.hash_array(np.array(kinds, dtype=object))
        hashes = mixed(hashes * np.uint64(3) ^ own)
    return hashes


def _of_column(column: Any) -> Hashes:
    """Return hashes of a column of numbers, whatever type pandas keeps them in."""
    rows = np.arange(len(column))
    if isinstance(column.dtype, np.dtype):
        return _of_numbers(np.asarray(column)[:, None], rows)
    # floats with NaN for gaps would merge whole numbers beyond 2^53
    values = column.to_numpy(dtype=f"{column.dtype.kind}8", na_value=0)
    hashes = _of_numbers(values[:, None], rows)
    hashes[column.isna().to_numpy(dtype=bool)] = _of_numbers(
        np.full((1, 1), np.nan), np.arange(1)
    )
    return hashes


def _digest(row: Any) -> int:
    return int.from_bytes(blake2b(_content(row), digest_size=8).digest(), "big")


def _content(row: Any) -> bytes:
    """Return an object as bytes, with its type."""
    if isinstance(row, str):
        return b"text " + row.encode("utf-8", "surrogatepass")
    if isinstance(row, bytes):
        return b"bytes " + row
    if isinstance(row, os.PathLike):
        return b"text " + os.fsencode(row)
    if row is None or type(row).__name__ == "NAType":
        return b"nothing"
    if isinstance(row, float | np.floating) and np.isnan(row):
        return b"nothing"
    if isinstance(row, bool | int | float):
        return f"{type(row).__name__} {row!r}".encode()
    if isinstance(row, Mapping):
        items = [(_content(key), _content(item)) for key, item in row.items()]
        return b"dict " + repr(sorted(items)).encode()
    if isinstance(row, list | tuple) or (
        isinstance(row, np.ndarray) and row.dtype.kind in "OUST"
    ):
        return b"list " + repr([_content(item) for item in row]).encode()
    if hasattr(row, "__array__") or hasattr(row, "__array_interface__"):
        array = np.ascontiguousarray(row)
        return f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()
    return pickle.dumps(row)
