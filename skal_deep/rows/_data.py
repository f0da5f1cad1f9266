"""Rows in one of our forms: how many there are, how some are taken, what they are.

:func:`~skal_deep.rows._as_data.as_data` brings X into one of these forms:

- an array of numbers, or of objects: of one axis (texts, names of files) or a table;
- a compressed sparse matrix;
- a table of pandas, polars or pyarrow, or a column of texts, as the caller made it;
- a :class:`RowDict`, arrays by name.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _get_feature_names, _num_samples

from skal_deep._threads import for_each_part
from skal_deep.functional._chunks import slices

NUMBERS = "biuf"  # kinds of types of numbers
# A guess for a text, or a name of a file.
_BYTES_OF_OBJECT = 2**12
# Bytes that take longer to copy than a thread takes to start.
_BYTES_OF_A_THREAD = 2**22
# Bytes of a sum: smaller ones take a tenth longer.
_BYTES_OF_A_SUM = 2**25


class RowDict(dict[str, NDArray[Any]]):
    """Arrays by name, of which entry n of each belongs to row n.

    A name gives an array, positions, a mask or a slice give rows of all. Its length is
    the number of rows.
    """

    def __len__(self) -> int:
        return len(next(iter(self.values()))) if super().__len__() else 0

    def __bool__(self) -> bool:
        return len(self) > 0

    @property
    def shape(self) -> tuple[int]:
        """The number of rows, which is all that its arrays share."""
        return (len(self),)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        return RowDict({name: part[key] for name, part in self.items()})


def is_table(X: Any) -> bool:
    """Return whether inputs are a table, or a column of one, whatever its library."""
    if isinstance(X, type):
        return False
    if hasattr(X, "iloc") or not hasattr(X, "shape"):
        return hasattr(X, "iloc")
    is_column = hasattr(X, "to_pandas") and len(X.shape) == 1
    return hasattr(X, "columns") or is_column  # arrays of xarray have no columns


def plain_table(X: Any) -> bool:
    """Return whether inputs are a table whose columns are all of plain numbers."""
    if not is_table(X) or len(X.shape) != 2:
        return False
    if hasattr(X, "iloc"):
        dtypes = list(X.dtypes)
        return all(isinstance(t, np.dtype) and t.kind in NUMBERS for t in dtypes)
    return hasattr(X, "hash_rows") and all(t.is_numeric() for t in X.dtypes)


def is_numbers(X: Any) -> bool:
    """Return whether inputs in one of our forms are an array of numbers."""
    return isinstance(X, np.ndarray) and X.dtype.kind in NUMBERS


def is_finite(X: Any) -> bool:
    """Return whether inputs are an array of numbers that are all finite."""
    if not is_numbers(X):
        return False
    if X.dtype.kind != "f":
        return True
    size = max(1, _BYTES_OF_A_SUM // max(1, row_bytes(X)))
    are_finite = []

    def work_on(part: slice) -> None:
        some = X[part]
        with np.errstate(over="ignore", invalid="ignore"):
            # a sum is finite for finite numbers alone, and takes half the time
            is_sure = np.isfinite(some.sum()) or np.isfinite(some).all()
        are_finite.append(bool(is_sure))

    def parts_until_one_is_not() -> Iterator[slice]:
        for part in slices(len(X), size):
            if not all(are_finite):
                return
            yield part

    for_each_part(parts_until_one_is_not(), lambda: work_on, torch.device("cpu"))
    return all(are_finite)


def is_objects(X: Any) -> bool:
    """Return whether inputs in one of our forms are objects, such as texts."""
    return isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1


def n_rows(X: Any) -> int:
    """Return the number of rows."""
    return len(X) if isinstance(X, np.ndarray) else int(_num_samples(X))


def take(X: Any, rows: Any) -> Any:
    """Return some rows, by positions, a mask or a slice."""
    if is_numbers(X) and isinstance(rows, np.ndarray) and rows.dtype.kind == "i":
        return native(_taken(X, rows))
    if is_numbers(X):
        return native(X[rows])
    if isinstance(X, np.ndarray | RowDict) or issparse(X):
        return X[rows]
    if isinstance(rows, slice):
        rows = np.arange(n_rows(X))[rows]
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    return _safe_indexing(X, rows)


def _taken(X: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Return ``X[rows]``, a third faster for short rows, and by threads for many."""
    n_bytes = len(rows) * row_bytes(X)
    is_inside = n_bytes > _BYTES_OF_A_THREAD and 0 <= rows.min() <= rows.max() < len(X)
    if not is_inside:
        return X.take(rows, axis=0)
    taken = np.empty((len(rows), *X.shape[1:]), X.dtype)
    size = max(1, _BYTES_OF_A_THREAD // max(1, row_bytes(X)))

    def work_on(part: slice) -> None:
        # without "clip", which changes nothing here, it would copy twice
        X.take(rows[part], axis=0, out=taken[part], mode="clip")

    for_each_part(slices(len(rows), size), lambda: work_on, torch.device("cpu"))
    return taken


def native(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in the byte order of this machine, the only one torch knows."""
    if numbers.dtype.isnative:
        return numbers
    return numbers.astype(numbers.dtype.newbyteorder("="))


def row_shape(X: Any) -> Any:
    """Return what rows of one estimator have in common: axes, or those by name."""
    if isinstance(X, RowDict):
        return {name: part.shape[1:] for name, part in X.items()}
    return tuple(X.shape[1:])


def n_columns(X: Any) -> int | None:
    """Return the length of the second axis, if rows have axes."""
    return None if len(X.shape) < 2 else int(X.shape[1])


def row_bytes(X: Any) -> int:
    """Return about how much memory a row takes once a model looks at it."""
    if is_numbers(X):
        return int(X[:1].nbytes)
    if isinstance(X, RowDict):
        return sum(int(part[:1].nbytes) for part in X.values())
    if isinstance(X, np.ndarray) or len(X.shape) == 1:
        return _BYTES_OF_OBJECT
    return 8 * int(X.shape[1])  # sparse rows become dense


def kind_of(X: Any) -> str:
    """Return in words what inputs in one of our forms are."""
    if is_numbers(X):
        return "an array of numbers"
    if isinstance(X, np.ndarray):
        return "an array of objects, such as texts"
    if isinstance(X, RowDict):
        return f"a dict of the arrays {', '.join(sorted(X))}"
    if issparse(X):
        return "a sparse matrix"
    return f"a {type(X).__name__} of {type(X).__module__.partition('.')[0]}"


def check_alike(other: Any, X: Any, name: str) -> None:
    """Raise unless inputs are of the kind, and have the columns, of those of X.

    Parameters
    ----------
    other, X : object
        Inputs in our forms.
    name : str
        The name of the first.
    """
    if kind_of(other) != kind_of(X):
        raise ValueError(
            f"{name} must be rows like those of X: X is {kind_of(X)}, {name} is "
            f"{kind_of(other)}."
        )
    if row_shape(other) != row_shape(X):
        hint = ""
        if is_numbers(other) and other.dtype.kind in "iub":
            hint = " To pass rows of X by their number, give integers of one axis."
        raise ValueError(
            f"{name} holds rows of shape {row_shape(other)}, but those of X have shape "
            f"{row_shape(X)}.{hint}"
        )
    known, named = _get_feature_names(X), _get_feature_names(other)
    if known is not None and named is not None and list(known) != list(named):
        raise ValueError(
            f"The columns of {name} are named {list(named)}, those of X {list(known)}. "
            "Give them the same names in the same order."
        )
