"""Which code is the user's: what is neither installed nor Python's nor ours."""

import sys
import sysconfig
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import skal_deep

_INSTALLED = {"site-packages", "dist-packages"}
_ELSEWHERE = tuple(
    Path(folder).resolve()
    for folder in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")),
        *skal_deep.__path__,
    )
)


def is_own(module: str) -> bool:
    """Return whether a module is the user's, by where its file lies.

    Its name decides nothing: a user's ``profile.py`` is not Python's.

    Parameters
    ----------
    module : str
        Its name. One that is not imported, or has no file, is a notebook or was typed.
    """
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if file is None:
        origin = getattr(getattr(loaded, "__spec__", None), "origin", None)
        return module != "builtins" and origin not in ("built-in", "frozen")
    return is_own_file(file)


def is_own_file(file: str) -> bool:
    """Return whether a file is the user's."""
    path = Path(file)
    if _INSTALLED & set(path.parts):
        return False
    return not any(path.resolve().is_relative_to(folder) for folder in _ELSEWHERE)


def module_of(function: FunctionType) -> str:
    """Return the module whose code a function is, whatever decorators say of it."""
    # functools.wraps gives a wrapper the module of what it wraps.
    return str(function.__globals__.get("__name__", function.__module__ or ""))


def own_functions(cls: type) -> list[FunctionType]:
    """Return the functions in the body of a class, bare of their descriptors."""
    found: list[FunctionType] = []
    for value in vars(cls).values():
        found += _functions(value)
    return found


def codes(code: CodeType) -> list[CodeType]:
    """Return a code object and those inside it."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return [code, *(part for each in inner for part in codes(each))]


def _functions(value: Any) -> list[FunctionType]:
    if isinstance(value, FunctionType):
        inside = getattr(value, "__wrapped__", None)
        return [value, *(_functions(inside) if inside is not None else [])]
    if isinstance(value, property):
        parts = [value.fget, value.fset, value.fdel]
    else:
        parts = [getattr(value, name, None) for name in ("__func__", "func")]
    return [each for part in parts if part is not None for each in _functions(part)]
