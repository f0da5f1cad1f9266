"""What an embedding depends on, as digests: the content of a row, the model."""

import functools
import hashlib
import inspect
import re
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

KEY_BYTES = 16
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# A change of what the stored numbers mean gives every model another folder.
_FORMAT = "1"
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def content_key(kind: str, *parts: bytes) -> bytes:
    """Return the key of a row: a digest of its kind and content, of 16 bytes."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in (kind.encode(), *parts):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def array_key(row: NDArray[Any]) -> bytes:
    """Return the key of a row of numbers, by shape, type and value."""
    row = np.ascontiguousarray(row)
    row = row.astype(row.dtype.newbyteorder("<"), copy=False)
    return content_key("array", f"{row.shape}{row.dtype.str}".encode(), row.tobytes())


def row_key(row: Any) -> bytes:
    """Return the key of a row: a text, an array, or a dict of arrays."""
    if isinstance(row, str):
        return content_key("text", row.encode("utf-8", "surrogatepass"))
    if isinstance(row, bytes):
        return content_key("bytes", row)
    if isinstance(row, Mapping):
        names = sorted(row)
        return content_key(
            "dict", *(part for n in names for part in (n.encode(), row_key(row[n])))
        )
    return array_key(np.asarray(row))


def model_key(backbone: Any, version: str, **settings: Any) -> str:
    """Return the name of the folder for a model: a digest of all that decides it.

    Parameters
    ----------
    backbone : object
        The model. Of a module, every weight and buffer counts.
    version : str
        What the user says decides the result of code that cannot be looked into.
    **settings : object
        What else decides the numbers: transforms, pooling, type.
    """
    digest = hashlib.blake2b(digest_size=KEY_BYTES)

    def add(text: str) -> None:
        part = text.encode()
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)

    add(_FORMAT)
    add(version)
    add(describe(backbone, version))
    for name in sorted(settings):
        add(name)
        add(describe(settings[name], version))
    return digest.hexdigest()


def describe(value: Any, version: str = "") -> str:
    """Return a text that changes when what a value computes changes.

    Functions are told by their source and what they refer to, modules by their weights,
    other objects by their class's source and their attributes.

    Parameters
    ----------
    value : object
        Any of these.
    version : str
        If it is given, what cannot be looked into is told by its name alone.
    """
    return _describe(value, version, ())


def _describe(value: Any, version: str, seen: tuple[int, ...]) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in seen:
        return "itself"
    seen = (*seen, id(value))
    tell = functools.partial(_describe, version=version, seen=seen)
    if isinstance(value, nn.Module):
        return _module(value, tell)
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return f"{type(value).__name__}:{_tensor(torch.as_tensor(value))}"
    if isinstance(value, torch.dtype | torch.device | np.dtype | Path):
        return repr(value)
    if isinstance(value, Mapping):
        return str({tell(name): tell(part) for name, part in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        parts = [tell(part) for part in value]
        ordered = sorted(parts) if isinstance(value, set | frozenset) else parts
        return f"{type(value).__name__}{ordered}"
    if isinstance(value, functools.partial):
        return f"partial{tell((value.func, value.args, value.keywords))}"
    if isinstance(value, types.MethodType):
        return f"method {value.__func__.__name__} of {tell(value.__self__)}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__} {getattr(value, '__version__', '')}"
    if isinstance(value, types.BuiltinFunctionType | np.ufunc):
        return f"{getattr(value, '__module__', '')}.{value.__name__}"
    if isinstance(value, types.FunctionType):
        return _function(value, tell)
    if inspect.isclass(value):
        return _source(value, version)
    return _object(value, version, tell)


def _module(module: nn.Module, tell: Callable[[Any], str]) -> str:
    """Return what a module is: its layers, its code, its weights."""
    classes = sorted(
        {
            f"{type(part).__module__}.{type(part).__qualname__}"
            for part in module.modules()
        }
    )
    tensors = {
        name: _tensor(tensor)
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    forward = type(module).forward
    code = _code(forward) if isinstance(forward, types.FunctionType) else ""
    hooks = [len(module._forward_hooks), len(module._forward_pre_hooks)]
    return f"{classes}{_ADDRESS.sub('', repr(module))}{code}{hooks}{tell(tensors)}"


def _tensor(tensor: torch.Tensor) -> str:
    """Return type, shape and digest of a tensor's numbers."""
    tensor = tensor.detach().cpu().contiguous()
    data = tensor.reshape(-1).view(torch.uint8) if tensor.numel() else tensor
    numbers: Any = data.numpy()
    digest = hashlib.blake2b(numbers, digest_size=KEY_BYTES).hexdigest()
    return f"{tensor.dtype}{tuple(tensor.shape)}{digest}"


def _code(function: types.FunctionType) -> str:
    """Return what a function does: its byte code, names and constants."""
    return _of_code(function.__code__)


def _of_code(code: types.CodeType) -> str:
    constants = [
        _of_code(each) if isinstance(each, types.CodeType) else repr(each)
        for each in code.co_consts
    ]
    return f"{code.co_code.hex()}{code.co_names}{code.co_varnames}{constants}"


def _function(function: types.FunctionType, tell: Callable[[Any], str]) -> str:
    """Return what a function does, with its defaults and what it has closed over."""
    closed = inspect.getclosurevars(function)
    around = {**closed.nonlocals, **closed.globals}
    defaults = (function.__defaults__, function.__kwdefaults__)
    name = f"{function.__module__}.{function.__qualname__}"
    return f"{name}{_code(function)}{tell(defaults)}{tell(around)}"


def _source(cls: type, version: str) -> str:
    """Return the code of a class and the name of its bases."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if version:
        return name
    try:
        bases = [base.__qualname__ for base in cls.__mro__]
        return f"{name}{inspect.getsource(cls)}{bases}"
    except (OSError, TypeError):  # compiled, or typed into a console
        methods = {
            key: _code(part)
            for key, part in vars(cls).items()
            if isinstance(part, types.FunctionType)
        }
        return f"{name}{methods}"


def _object(value: Any, version: str, tell: Callable[[Any], str]) -> str:
    """Return an object's class and attributes, or its name if a version is given."""
    state = getattr(value, "__dict__", None)
    if state is None and (text := repr(value)) and not _ADDRESS.search(text):
        state = {"repr": text}
    if state is None:
        if version:
            return f"{type(value).__module__}.{type(value).__qualname__}"
        raise ValueError(
            f"What {type(value).__name__} computes cannot be told from its code or its "
            "attributes, so that embeddings kept on disk could be those of another "
            "model: give version='...', a text that you change when its results change."
        )
    return f"{_source(type(value), version)}{tell(state)}"
