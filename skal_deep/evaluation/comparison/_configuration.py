"""What decides a run, as plain values that can be stored and compared."""

import dataclasses
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

# Set by the learner, or of no consequence for the rounds that are played.
_IRRELEVANT = {"random_state", "query_strategy", "n_cycles", "score_by", "keep_stages"}
_N_BYTES = 2**24


def configuration_of(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator, nested ones too, as plain values.

    Parameters
    ----------
    estimator : object
        With ``get_params``, as in scikit-learn.
    """
    configuration = {}
    for name, value in sorted(estimator.get_params().items()):
        last = name.split("__")[-1]
        if name in _IRRELEVANT or last == "random_state" or last.startswith("_"):
            continue
        is_nested = has_params(value)  # then its parameters follow
        if is_nested:
            configuration[name] = _name(type(value))
            continue
        try:
            configuration[name] = plain(value)
        except RecursionError:  # it holds itself
            configuration[name] = without_addresses(repr(value))
    return configuration


def describe_estimator(estimator: Any) -> dict[str, Any]:
    """Return class and parameters of an estimator as plain values.

    Parameters
    ----------
    estimator : object or None
        With ``get_params``, as in scikit-learn.
    """
    if estimator is None:
        return {}
    return {"class": _name(type(estimator)), **configuration_of(estimator)}


def without_addresses(text: str) -> str:
    """Return the text of an object without its place in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; the same for equal values in every process.

    Parameters
    ----------
    value : object
        Anything. Arrays and weights become hashes, functions and classes names.
    """
    if isinstance(value, np.generic) and not isinstance(value, np.void):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_data(value):
        return fingerprint(value)
    if isinstance(value, nn.Module):
        parts = {name: _attributes(part) for name, part in value.named_modules()}
        return [repr(value), plain(value.state_dict()), plain(parts)]
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(json.dumps(plain(item)) for item in value)
    if isinstance(value, bytes | bytearray | memoryview):
        return fingerprint(np.frombuffer(value, np.uint8))
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if inspect.isclass(value) or inspect.isroutine(value):
        return _name(value)
    if isinstance(value, functools.partial):
        return [plain(value.func), plain(value.args), plain(value.keywords)]
    if isinstance(value, np.random.RandomState):
        return plain(value.get_state(legacy=False))
    if isinstance(value, np.random.Generator):
        return plain(value.bit_generator.state)
    if isinstance(value, torch.Generator):
        return plain(value.get_state())
    if has_params(value):
        return describe_estimator(value)
    text = without_addresses(repr(value))
    is_default = getattr(type(value), "__repr__", None) == object.__repr__
    says_all = not is_default and "..." not in text
    if not says_all or dataclasses.is_dataclass(value):
        return [_name(type(value)), plain(_attributes(value))]
    return text


def _key(key: Any) -> str:
    """Return a key of a dict as text; 1 and "1" are two."""
    return key if isinstance(key, str) else f"{type(key).__name__} {key!r}"


def _attributes(value: Any) -> dict[str, Any]:
    """Return what an object holds that is no business of torch's alone."""
    is_module = isinstance(value, nn.Module)
    return {
        name: item
        for name, item in getattr(value, "__dict__", {}).items()
        if not (is_module and (name.startswith("_") or name == "training"))
    }


def is_data(value: Any) -> bool:
    """Return whether a value is an array, a tensor or a table, of any library."""
    if inspect.isclass(value):  # np.float64 has what its numbers have
        return False
    return (
        isinstance(value, np.ndarray | torch.Tensor)
        or sparse.issparse(value)
        or _is_table(value)
        or (hasattr(value, "__array__") and hasattr(value, "dtype"))
    )


def _is_table(value: Any) -> bool:
    return (
        hasattr(value, "columns")
        and hasattr(value, "shape")
        and not inspect.isclass(value)
    )


def fingerprint(values: Any) -> str:
    """Return kind, shape and hash of data: equal for equal data, in every process.

    Names of columns, keys of dicts and whatever stands in nested lists count; the
    order in memory does not, nor whether an array is mapped from a file.

    Parameters
    ----------
    values : array-like
        An array, tensor, table, sparse matrix, dict or list of these.
    """
    if isinstance(values, torch.Tensor):
        return _of_tensor(values)
    if sparse.issparse(values):
        return _of_sparse(values)
    if hasattr(values, "column_names") and hasattr(values, "to_pandas"):
        return fingerprint(values.to_pandas())  # a table of pyarrow
    if _is_table(values):
        names = [plain(name) for name in values.columns]
        columns = [_column(values, i) for i in range(len(names))]
        return _hash_parts(f"table{list(values.shape)}", [names, *columns])
    if isinstance(values, Mapping):
        items = [[_key(key), fingerprint(item)] for key, item in values.items()]
        return _hash_parts(f"dict of {len(items)}", items)
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        return _hash_parts("masked", [fingerprint(values.filled()), fingerprint(mask)])
    if isinstance(values, str | bytes) or values is None:
        return _hash_parts("value", plain(values))
    if not is_data(values) and not isinstance(
        values, Sequence | np.generic | int | float
    ):
        return _hash_parts(type(values).__name__, plain(values))
    is_named = hasattr(values, "dtype") and not isinstance(values, np.ndarray)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # of several lengths, or tensors
        array = None
    if array is None or array.dtype.hasobject or array.dtype.kind == "T":
        items = [values] if array is not None and array.ndim == 0 else list(values)
        shape = [len(items)] if array is None else list(array.shape)
        return _hash_parts(f"object{shape}", [_element(item) for item in items])
    kind = str(values.dtype) if is_named else str(array.dtype)
    return f"{kind}{list(array.shape)} {_of_bytes(array)}"


def _of_bytes(array: NDArray[Any]) -> str:
    """Return a hash of the elements of an array, a part of it at a time."""
    hashed, rows = hashlib.sha256(), array.reshape(1) if array.ndim == 0 else array
    n_rows = max(1, _N_BYTES * len(rows) // max(1, rows.nbytes))
    for start in range(0, len(rows), n_rows):
        hashed.update(np.ascontiguousarray(rows[start : start + n_rows]).tobytes())
    return hashed.hexdigest()[:16]


def _of_tensor(tensor: torch.Tensor) -> str:
    """Return kind, shape and hash of a tensor of any type and layout."""
    tensor = tensor.detach().cpu()
    if tensor.layout != torch.strided:
        return f"{tensor.layout} {_of_tensor(tensor.to_dense())}"
    if tensor.is_quantized:
        return f"{tensor.dtype} {_of_tensor(tensor.dequantize())}"
    if (
        tensor.dtype == torch.bfloat16
    ):  # numpy has none; float32 holds each of its values
        return f"bfloat16 {_of_tensor(tensor.float())}"
    return fingerprint(tensor.numpy(force=True))


def _of_sparse(matrix: Any) -> str:
    """Return shape and hash of a sparse matrix; its format does not count."""
    rows = sparse.coo_array(matrix)
    # sum_duplicates works in place, and the matrix is the user's.
    if rows is matrix:
        rows = rows.copy()
    rows.sum_duplicates()  # sorts, too
    parts = [fingerprint(part.astype(np.int64)) for part in rows.coords]
    return _hash_parts(f"sparse{list(rows.shape)}", [*parts, fingerprint(rows.data)])


def _column(table: Any, i: int) -> list[Any]:
    """Return type and hash of a column, which need not have a name of its own."""
    column = table.iloc[:, i] if hasattr(table, "iloc") else table[table.columns[i]]
    kind = str(getattr(column, "dtype", ""))
    if hasattr(column, "cat"):  # categories and their order count
        kind = repr([kind, *map(plain, getattr(column.dtype, "categories", ()))])
    values = column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)
    return [kind, fingerprint(values)]


def _element(item: Any) -> Any:
    """Return an element of an object array as plain values, with its type."""
    if item is None or isinstance(item, bool | int | float | str):
        return item
    if isinstance(item, np.void):
        item = item.tolist()
    if is_data(item) or isinstance(item, Mapping):
        return [fingerprint(item)]
    if isinstance(item, list | tuple):
        return [[_element(part) for part in item]]
    return [type(item).__name__, plain(item)]


def _hash_parts(kind: str, parts: Any) -> str:
    """Return kind and a hash of plain values."""
    return f"{kind} {hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def digest(configuration: Mapping[str, Any]) -> str:
    """Return a hash of a configuration.

    Parameters
    ----------
    configuration : dict
        Plain values.
    """
    text = json.dumps(configuration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return a line for each value in which two configurations differ.

    Parameters
    ----------
    stored, wanted : dict
        Plain values.
    """
    lines = []
    for name in sorted(stored.keys() | wanted.keys()):
        there, here = (
            json.dumps(values[name], sort_keys=True) if name in values else "nothing"
            for values in (stored, wanted)
        )
        if there != here:
            lines.append(f"{name}: {there} in the run, {here} now")
    return lines


def has_params(value: Any) -> bool:
    """Return whether a value is an estimator, or like one."""
    return hasattr(value, "get_params") and not inspect.isclass(value)


def _name(value: Any) -> str:
    name = getattr(value, "__qualname__", repr(value))
    return f"{getattr(value, '__module__', None)}.{name}"
