"""Anything as plain values that can be stored and compared; data as hashes."""

import copyreg
import functools
import hashlib
import inspect
import json
import os
import random
import re
from collections import UserList, deque
from collections.abc import Mapping, Sequence, Set
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from skal_deep.identity._writes import tallies

_N_BYTES = 2**24
_DEPTH = 60  # deeper than what decides a result lies
# What torch itself keeps in each module: the parts are told one by one.
_OF_TORCH = frozenset(vars(nn.Module()))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
# Of what transformers has loaded: from where says nothing of what it computes.
_ORIGINS = {"name_or_path", "_name_or_path", "_commit_hash"}


def plain(value: Any, is_whole: bool = False, opaque: list[str] | None = None) -> Any:
    """Return a value as JSON knows it; the same for equal values in every process.

    Parameters
    ----------
    value : object
        Anything. Arrays and weights become hashes, functions and classes names.
    is_whole : bool, default=False
        Whether all of an estimator counts. Otherwise only its parameters do, without
        seeds, as of one that is cloned before it is fitted.
    opaque : list of str, default=None
        Gets the names of classes of what cannot be looked into.
    """
    return _Plain(is_whole, [] if opaque is None else opaque).of(value)


class _Plain:
    """Goes through a value, which may hold itself."""

    def __init__(self, is_whole: bool, opaque: list[str]):
        self.is_whole = is_whole
        self.opaque = opaque
        self.inside: list[int] = []

    def of(self, value: Any) -> Any:
        """Return a value as plain values."""
        if isinstance(value, np.generic) and not isinstance(value, np.void):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if is_data(value):
            return fingerprint(value)
        if id(value) in self.inside:
            return f"the object {len(self.inside) - self.inside.index(id(value))} up"
        if len(self.inside) > _DEPTH or value is os.environ:
            return name_of(type(value))
        self.inside.append(id(value))
        try:
            return self._of(value)
        finally:
            self.inside.pop()

    def _of(self, value: Any) -> Any:
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, Mapping):
            return {_key(key): self.of(item) for key, item in value.items()}
        if isinstance(value, Set):
            return sorted(json.dumps(self.of(item)) for item in value)
        if isinstance(value, bytes | bytearray | memoryview):
            return fingerprint(np.frombuffer(value, np.uint8))
        if isinstance(value, list | tuple | deque | UserList):
            return [self.of(item) for item in value]
        if inspect.isroutine(value) and _is_bound(value):
            was, self.is_whole = self.is_whole, True  # nothing clones it
            try:
                return [name_of(value), self.of(getattr(value, "__self__", None))]
            finally:
                self.is_whole = was
        if inspect.isclass(value) or inspect.isroutine(value):
            return name_of(value)
        if isinstance(value, ModuleType):
            return value.__name__
        if isinstance(value, functools.partial):
            return [self.of(value.func), self.of(value.args), self.of(value.keywords)]
        if isinstance(value, np.random.RandomState):
            return self.of(value.get_state(legacy=False))
        if isinstance(value, np.random.Generator):
            return self.of(value.bit_generator.state)
        if isinstance(value, torch.Generator):
            return self.of(value.get_state())
        if has_params(value) and not self.is_whole:
            params = sorted(value.get_params(deep=False).items())
            return {"class": name_of(type(value))} | {
                name: self.of(item) for name, item in params if name != "random_state"
            }
        return self._object(value)

    def _module(self, module: nn.Module) -> Any:
        """Return layers, their own attributes and hooks, weights and buffers."""
        module = getattr(module, "_orig_mod", module)  # of a compiled one
        layers = []  # their order counts
        for name, part in module.named_modules():
            hooks = [list(getattr(part, kind).values()) for kind in _HOOKS]
            if isinstance(part, torch.jit.ScriptModule):
                # its comments are lines of files
                held: Any = re.sub(r" *#.*", "", str(part.inlined_graph))
            elif isinstance(part, torch.fx.GraphModule):
                held = part.code
            else:
                held = self.of(_attributes(part, _OF_TORCH))
            layers.append([name, name_of(type(part)), held, self.of(hooks)])
        tensors = {
            **module.state_dict(),
            **dict(module.named_buffers(remove_duplicate=False)),
        }
        return [layers, self.of(tensors)]

    def _object(self, value: Any) -> Any:
        """Return class and state: what pickle would keep, or what it holds."""
        kind, name = type(value), name_of(type(value))
        reduced: Any
        try:
            reduce = copyreg.dispatch_table.get(kind)
            reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception:  # locks, files, or whatever a class refuses with
            reduced = None
        if isinstance(reduced, str):
            return reduced
        if reduced is None:
            held = _attributes(value)
            if not held:
                self.opaque.append(name)
            return [name, self.of(held)]
        make, arguments, *rest = reduced
        state = rest[0] if rest else None
        parts = state if isinstance(state, tuple) else (state,)
        states = [
            _counted(part, kind) if isinstance(part, dict) else part for part in parts
        ]
        items = [list(part) if part is not None else [] for part in rest[1:3]]
        return [name, name_of(make), *map(self.of, (arguments, states, items))]


def without_addresses(text: str) -> str:
    """Return the text of an object without its place in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def name_of(value: Any) -> str:
    """Return module and name of a class or function."""
    name = getattr(value, "__qualname__", None) or without_addresses(repr(value))
    return f"{getattr(value, '__module__', None)}.{name}"


def _key(key: Any) -> str:
    """Return a key of a dict as text; 1 and "1" are two."""
    if isinstance(key, str):
        return key
    return f"{type(key).__name__} {without_addresses(repr(key))}"


def _is_bound(routine: Any) -> bool:
    """Return whether it is a method of an object that can tell something."""
    owner = getattr(routine, "__self__", None)
    # Of numpy.random.rand the owner is the global generator, which any draw moves.
    is_other = isinstance(owner, ModuleType | np.random.RandomState | random.Random)
    return owner is not None and not inspect.isclass(owner) and not is_other


def _attributes(value: Any, but: Set[str] = frozenset()) -> dict[str, Any]:
    """Return what an object holds, but what decides nothing."""
    held = _counted(getattr(value, "__dict__", {}), type(value))
    return {name: item for name, item in held.items() if name not in but}


def _counted(held: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return attributes without counters and without the folder of a download."""
    but = tallies(kind)
    kept = {name: item for name, item in held.items() if name not in but}
    if any(base.__module__.startswith("transformers.") for base in kind.__mro__):
        kept = _elsewhere(kept)
        if isinstance(kept.get("init_kwargs"), dict):
            kept["init_kwargs"] = _elsewhere(kept["init_kwargs"])
    return kept


def _elsewhere(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in held.items() if name not in _ORIGINS}


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


def has_params(value: Any) -> bool:
    """Return whether a value is an estimator, or like one."""
    return hasattr(value, "get_params") and not inspect.isclass(value)


def digest(configuration: Mapping[str, Any]) -> str:
    """Return a hash of a configuration.

    Parameters
    ----------
    configuration : dict
        Plain values.
    """
    text = json.dumps(configuration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
