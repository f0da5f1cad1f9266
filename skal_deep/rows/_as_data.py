"""What X may be: inputs of any kind, brought into one of our forms or refused."""

from collections.abc import Iterator, Mapping, Set
from numbers import Number
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch.utils.data import DataLoader, Dataset

from skal_deep.rows._data import NUMBERS, RowDict, is_table
from skal_deep.rows._numbers import as_floats
from skal_deep.rows._shape import check_is_rows, check_no_mask

_WIDEST = 8  # bytes of a number that torch knows; a long double has more


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
        if X.ndim != 2 or X.dtype.kind not in NUMBERS:
            raise ValueError(
                f"{name} is a sparse array of {X.dtype} with {X.ndim} axes: pass rows "
                "of numbers, of two axes."
            )
        return X.tocsr()
    if isinstance(X, Mapping):  # after sparse ones, of which a kind is a dict
        return _as_dict(X, name)
    if isinstance(X, torch.Tensor):
        return _as_array(array_of_tensor(X, name), name)
    _check_taken_by_number(X, name)
    if is_table(X):
        return _as_table(X, name)
    is_array = hasattr(X, "__array__") and not isinstance(X, np.generic)
    if isinstance(X, str | bytes | type) or not (is_array or hasattr(X, "__iter__")):
        raise TypeError(f"{name} must be an array of rows, not {X!r:.80}.")
    if isinstance(X, Set | Iterator):
        raise TypeError(
            f"{name} must have rows that can be taken by number, which those of a "
            f"{type(X).__name__} cannot: pass list({name})."
        )
    return _as_array(_array_of(X, name), name)


def _check_taken_by_number(X: Any, name: str) -> None:
    """Raise if rows come one after another, or as dicts, or are not computed yet."""
    if hasattr(X, "collect") and hasattr(X, "lazy") and not hasattr(X, "shape"):
        raise TypeError(f"{name} is a lazy table without rows: pass {name}.collect().")
    if hasattr(X, "__dask_graph__") and is_table(X):
        raise TypeError(f"{name} is a table of dask: pass {name}.compute().")
    if isinstance(X, Dataset | DataLoader):
        raise TypeError(
            f"{name} is a {type(X).__name__} of torch. Pass its rows as an array, or "
            "their positions, np.arange(len(data))[:, None], to a net whose `dataset` "
            "looks them up."
        )
    if hasattr(X, "column_names") and hasattr(X, "to_pandas") and not is_table(X):
        raise TypeError(
            f"{name} is a {type(X).__name__} whose rows are dicts: pass "
            f"{name}.to_pandas(), or one column of it, such as the texts."
        )


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


def _array_of(X: Any, name: str) -> NDArray[Any]:
    """Return what NumPy makes of a list, or an array of its entries."""
    is_array = hasattr(X, "dtype") or hasattr(X, "__array__")
    rows = X if is_array or isinstance(X, memoryview) else list(X)
    if rows is not X and any(isinstance(row, Mapping | PathLike) for row in rows[:1]):
        return _objects(rows)
    if rows is not X:
        rows = [array_of_tensor(r, name) if torch.is_tensor(r) else r for r in rows]
        for row in rows:
            check_no_mask(row, f"A row of {name}")
            if getattr(row, "mode", None) in ("P", "PA") and hasattr(row, "getpalette"):
                raise ValueError(
                    f"{name} holds images whose pixels are numbers of a palette: pass "
                    "[image.convert('RGB') for image in images]."
                )
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
    if X.dtype.kind in NUMBERS:
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
    if X.dtype.names:
        raise ValueError(
            f"{name} is a structured array, whose rows are records: pass "
            f"pandas.DataFrame({name}), or, where all fields are numbers, "
            f"numpy.lib.recfunctions.structured_to_unstructured({name})."
        )
    if X.dtype.kind not in "OUST":
        raise ValueError(
            f"{name} must hold numbers, not {X.dtype}. Encode it first, for example by "
            "scikit-learn's OrdinalEncoder."
        )
    if X.ndim == 1 and X.dtype.kind != "O":
        return X.astype(object)
    if X.dtype.kind == "O" and len(X) and _are_numbers(X):
        return _as_array(as_floats(X, name), name)
    return X


def _check_axes(array: NDArray[Any], name: str) -> None:
    if not array.ndim:
        raise ValueError(f"{name} must be an array of rows, not {array.item()!r}.")
    check_is_rows(array, name)


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
    return _without_decimals(X, columns)


def _without_decimals(X: Any, columns: list[Any]) -> Any:
    """Return a table with floats for columns of the type decimal.

    scikit-learn's linear models are fitted to them, and fail in their predictions.
    """
    if hasattr(X, "schema") and hasattr(X, "column_names"):  # of pyarrow
        types = list(X.schema.types)
    else:
        types = list(getattr(X, "dtypes", []))
    found = [
        at
        for at, dtype in enumerate(types)
        if str(dtype).lower().startswith(("decimal", "arrow_decimal"))
    ]
    if not found:
        return X
    if hasattr(X, "column_names"):
        for at in found:
            X = X.set_column(at, columns[at], X.column(at).cast("float64"))
        return X
    if hasattr(X, "iloc"):
        return X.astype({columns[at]: "double[pyarrow]" for at in found})
    return X.cast({columns[at]: float for at in found})  # of polars
