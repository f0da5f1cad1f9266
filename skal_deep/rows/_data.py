"""Rows of any kind: what X may be, how many rows it has, and how some are taken.

This is the one place that knows kinds of X. It brings X into one of these forms:

- an array of numbers, or of objects: of one axis (texts, names of files) or a table;
- a compressed sparse matrix;
- a table of pandas, polars or pyarrow, or a column of texts, as the caller made it;
- a :class:`RowDict`, arrays by name.
"""

from collections.abc import Iterator, Mapping, Set
from numbers import Number
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _get_feature_names, _num_samples

from skal_deep._threads import for_each_part
from skal_deep.functional._chunks import slices
from skal_deep.rows._shape import check_is_rows

_NUMBERS = "biuf"
_WIDEST = 8  # bytes of a number that torch knows; a long double has more
# Sparse rows become dense up to so many numbers, 1 GiB.
_MOST_DENSE = 2**27
# A guess for a text, or a name of a file.
_BYTES_OF_OBJECT = 2**12
# Bytes that take longer to copy than a thread takes to start.
_BYTES_OF_A_THREAD = 2**22


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


def as_data(X: Any, name: str = "X") -> Any:
    """Return inputs in one of the forms of this module, without a copy where possible.

    Parameters
    ----------
    X : array-like, sparse matrix, table, or dict of arrays
        Inputs.
    name : str, default="X"
        Their name, for messages.
    """
    if isinstance(X, np.ndarray):
        return _as_array(X, name)
    if issparse(X):
        if X.ndim != 2 or X.dtype.kind not in _NUMBERS:
            raise ValueError(
                f"{name} is a sparse array of {X.dtype} with {X.ndim} axes: pass rows "
                "of numbers, of two axes."
            )
        return X.tocsr()
    if isinstance(X, Mapping):  # after sparse ones, of which a kind is a dict
        return _as_dict(X, name)
    if isinstance(X, torch.Tensor):
        return _as_array(array_of_tensor(X, name), name)
    if is_table(X):
        return _as_table(X, name)
    is_array = hasattr(X, "__array__") and not isinstance(X, np.generic)
    if hasattr(X, "collect") and hasattr(X, "lazy"):
        raise TypeError(f"{name} is a lazy table without rows: pass {name}.collect().")
    if isinstance(X, str | bytes | type) or not (is_array or hasattr(X, "__iter__")):
        raise TypeError(f"{name} must be an array of rows, not {X!r:.80}.")
    if isinstance(X, Set | Iterator):
        raise TypeError(
            f"{name} must have rows that can be taken by number, which those of a "
            f"{type(X).__name__} cannot: pass list({name})."
        )
    return _as_array(_array_of(X, name), name)


def array_of_tensor(tensor: torch.Tensor, name: str) -> NDArray[Any]:
    """Return a tensor of any layout, with a gradient or without, as an array.

    Parameters
    ----------
    tensor : Tensor
        Rows, or positions.
    name : str
        Their name, for messages.
    """
    tensor = tensor.detach()
    try:
        array: NDArray[Any] = _of_known_type(tensor.to_dense()).numpy(force=True)
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise TypeError(
            f"{name} is a tensor of {tensor.dtype} on {tensor.device} that cannot "
            f"become an array ({error}). Pass a dense tensor of numbers."
        ) from error
    return array


def _of_known_type(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of a type that NumPy has, too: it knows no bfloat16."""
    is_known = tensor.dtype in (torch.float16, torch.float32, torch.float64)
    return tensor.float() if tensor.is_floating_point() and not is_known else tensor


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


def _array_of(X: Any, name: str) -> NDArray[Any]:
    """Return what NumPy makes of a list, or an array of its entries."""
    rows = X if hasattr(X, "dtype") or hasattr(X, "__array__") else list(X)
    if rows is not X and any(isinstance(row, Mapping | PathLike) for row in rows[:1]):
        return _objects(rows)
    if rows is not X:
        rows = [array_of_tensor(r, name) if torch.is_tensor(r) else r for r in rows]
        for row in rows:
            check_no_mask(row, f"A row of {name}")
    try:
        array = np.asarray(rows)
    except ValueError:
        raise ValueError(
            f"The rows of {name} are not all of one shape. Pad them, or pass an array "
            "of objects, dtype=object, and a Pipeline that makes them alike."
        ) from None
    if array.dtype.kind in "US" and array.ndim == 1:  # a number would be a text
        return _objects(rows)
    return array


def _objects(rows: Any) -> NDArray[Any]:
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def _as_array(X: NDArray[Any], name: str) -> NDArray[Any]:
    if X.dtype.kind in _NUMBERS:
        check_no_mask(X, name)
        array = np.asarray(X)
        if array.ndim < 2:
            _check_axes(array, name)
        return array if array.itemsize <= _WIDEST else array.astype(np.float64)
    check_no_mask(X, name)
    X = np.asarray(X)
    if not X.ndim:
        raise ValueError(f"{name} must be an array of rows, not {X.item()!r:.80}.")
    if X.dtype.kind == "c":  # in the words of scikit-learn
        raise ValueError(
            f"Complex data not supported: {name} holds {X.dtype}. Pass its real and "
            "imaginary parts as numbers of their own."
        )
    if X.dtype.kind not in "OUST":
        raise ValueError(
            f"{name} must hold numbers, not {X.dtype}. Encode it first, for example by "
            "scikit-learn's OrdinalEncoder."
        )
    if X.ndim == 1 and X.dtype.kind != "O":
        return X.astype(object)
    if X.dtype.kind == "O" and len(X) and _are_numbers(X):
        return _as_array(_as_floats(X, name), name)
    return X


def _check_axes(array: NDArray[Any], name: str) -> None:
    if not array.ndim:
        raise ValueError(f"{name} must be an array of rows, not {array.item()!r}.")
    check_is_rows(array, name)


def _as_floats(objects: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        return objects.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{name} holds Python objects that are no numbers of float64 ({error}). "
            "Encode them first, for example by scikit-learn's OrdinalEncoder."
        ) from None


def _are_numbers(objects: NDArray[Any]) -> bool:
    return all(isinstance(each, Number) for each in np.asarray(objects).flat)


def _as_dict(X: Mapping[Any, Any], name: str) -> RowDict:
    if isinstance(X, RowDict):
        return X
    parts = RowDict()
    for key, part in X.items():
        if not isinstance(key, str):
            raise TypeError(
                f"The parts of {name} must have words for names, which are those of "
                f"the arguments of `forward`; {key!r} is none."
            )
        if isinstance(part, torch.Tensor):
            part = array_of_tensor(part, f"{name}[{key!r}]")
        check_no_mask(part, f"{name}[{key!r}]")
        try:
            array = np.asarray(part)
        except ValueError:
            raise ValueError(
                f"The rows of {name}[{key!r}] are not all of one length. If they are "
                "tokens, pad them: tokenizer(..., padding=True, return_tensors='np')."
            ) from None
        if not array.ndim or array.dtype.kind not in "biufOUST":
            raise ValueError(
                f"{name}[{key!r}] must be an array, an entry a row, not {part!r:.40}"
            )
        parts[key] = array
    lengths = {key: len(part) for key, part in parts.items()}
    if not lengths or len(set(lengths.values())) > 1:
        raise ValueError(
            f"The parts of {name} must have as many rows each; they have {lengths}."
        )
    return parts


def is_table(X: Any) -> bool:
    """Return whether inputs are a table, or a column of one, whatever its library."""
    if isinstance(X, type):
        return False
    return hasattr(X, "iloc") or (
        hasattr(X, "shape") and (hasattr(X, "columns") or hasattr(X, "to_pandas"))
    )


def _as_table(X: Any, name: str) -> Any:
    if len(X.shape) == 1:  # a column
        is_text = hasattr(X, "iloc") and X.dtype.kind not in "biufcmM"
        if is_text and not (X.dtype == object and len(X) and _are_numbers(X)):
            return X
        check_is_rows(X, name)  # with gaps it would become an array of objects
        return _as_array(np.asarray(X), name)
    if type(X).__name__ == "RecordBatch":  # scikit-learn takes its columns for rows
        raise TypeError(
            f"{name} is a RecordBatch, of which no rows can be taken: pass a table, "
            f"pyarrow.Table.from_batches([{name}])."
        )
    columns = list(X.column_names if hasattr(X, "column_names") else X.columns)
    if twice := sorted({str(c) for c in columns if columns.count(c) > 1}):
        raise ValueError(
            f"{name} has several columns with the names {', '.join(twice)}: give each "
            "column a name of its own."
        )
    return X


def plain_table(X: Any) -> bool:
    """Return whether inputs are a table whose columns are all of plain numbers."""
    if not is_table(X) or len(X.shape) != 2:
        return False
    if hasattr(X, "iloc"):
        dtypes = list(X.dtypes)
        return all(isinstance(t, np.dtype) and t.kind in _NUMBERS for t in dtypes)
    return hasattr(X, "hash_rows") and all(t.is_numeric() for t in X.dtypes)


def is_numbers(X: Any) -> bool:
    """Return whether inputs in one of our forms are an array of numbers."""
    return isinstance(X, np.ndarray) and X.dtype.kind in _NUMBERS


def is_finite(X: Any) -> bool:
    """Return whether inputs are an array of numbers that are all finite."""
    if not is_numbers(X):
        return False
    if X.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        # a sum is finite for finite numbers alone, and takes half the time
        return bool(np.isfinite(X.sum()) or np.isfinite(X).all())


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


def numbers(X: Any, name: str = "X", who: str = "") -> NDArray[Any]:
    """Return inputs in one of our forms as an array of numbers.

    Parameters
    ----------
    X : object
        Inputs in one of our forms.
    name : str, default="X"
        Their name, for messages.
    who : str, default=""
        Who wants numbers, and what for, for messages.
    """
    if is_numbers(X):
        array: NDArray[Any] = X
        return array
    if issparse(X):
        if X.shape[0] * X.shape[1] > _MOST_DENSE:
            raise ValueError(
                f"{name} is sparse, with {X.shape[0]} rows of {X.shape[1]} columns, "
                "which are too many to be held densely. Reduce the columns first, for "
                "example by TruncatedSVD in a Pipeline."
            )
        return np.asarray(X.toarray())
    if who:
        who = f"{who} "
    if isinstance(X, np.ndarray):
        return _numbers_of_objects(X, name, who)
    if isinstance(X, RowDict):
        raise ValueError(
            f"{who}needs rows of numbers, and {name} is {kind_of(X)}: pass a net whose "
            "`forward` takes them by name, or a Pipeline that makes vectors of them."
        )
    if len(X.shape) == 1:
        return _numbers_of_objects(np.asarray(X, dtype=object), name, who)
    try:
        return np.asarray(
            check_array(
                X,
                ensure_all_finite=False,
                ensure_min_samples=0,
                ensure_min_features=0,
            )
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who}needs rows of numbers, and {name} has columns that hold others "
            f"({error}). Pass a Pipeline that encodes them, for example by "
            "ColumnTransformer and OneHotEncoder."
        ) from error


def _numbers_of_objects(X: NDArray[Any], name: str, who: str) -> NDArray[Any]:
    if X.ndim == 1:
        raise ValueError(
            f"{who}needs rows of numbers, and {name} holds objects, such as texts or "
            "names of files: pass a Pipeline that makes vectors of them, for example "
            "by TfidfVectorizer or skal_deep.embedding."
        )
    if X.dtype.kind != "O":
        raise ValueError(
            f"{name} must hold numbers, not {X.dtype}. Encode it first, for example by "
            "scikit-learn's OrdinalEncoder."
        )
    return _as_floats(X, name)
