"""What decides a run, as plain values that can be stored and compared."""

import hashlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
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
        is_nested = _has_params(value)  # then its parameters follow
        configuration[name] = _name(type(value)) if is_nested else plain(value)
    return configuration


def described(estimator: Any) -> dict[str, Any]:
    """Return class and parameters of an estimator as plain values.

    Parameters
    ----------
    estimator : object or None
        With ``get_params``, as in scikit-learn.
    """
    if estimator is None:
        return {}
    return {"class": _name(type(estimator)), **configuration_of(estimator)}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; the same for equal values in every process.

    Parameters
    ----------
    value : object
        Anything. Arrays and weights become hashes, functions and classes names.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        return fingerprint(value.numpy(force=True))
    if isinstance(value, np.ndarray):
        return fingerprint(value)
    if isinstance(value, nn.Module):
        return [repr(value), plain(value.state_dict())]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(json.dumps(plain(item)) for item in value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if inspect.isclass(value) or inspect.isroutine(value):
        return _name(value)
    if _has_params(value):
        return described(value)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def fingerprint(values: ArrayLike) -> str:
    """Return type, shape and hash of an array, which may be mapped from a file.

    Parameters
    ----------
    values : array-like
        The array.
    """
    array, hashed = np.asarray(values), hashlib.sha256()
    if array.dtype.hasobject:
        hashed.update(json.dumps(array.tolist(), default=str).encode())
    else:
        n_rows = max(1, _N_BYTES * len(array) // max(1, array.nbytes))
        for start in range(0, len(array), n_rows):
            hashed.update(np.ascontiguousarray(array[start : start + n_rows]).data)
    return f"{array.dtype}{list(array.shape)} {hashed.hexdigest()[:16]}"


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


def _has_params(value: Any) -> bool:
    return hasattr(value, "get_params") and not inspect.isclass(value)


def _name(value: Any) -> str:
    name = getattr(value, "__qualname__", repr(value))
    return f"{getattr(value, '__module__', None)}.{name}"
