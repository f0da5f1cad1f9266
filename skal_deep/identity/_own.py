"""Which code is the user's: what is neither installed nor Python's nor ours."""

import csv
import sys
import sysconfig
from base64 import urlsafe_b64encode
from contextlib import suppress
from functools import cache
from hashlib import sha256
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
    path = path.resolve()
    if any(path.is_relative_to(folder) for folder in _ELSEWHERE):
        return False
    return not _is_as_installed(path)


def _is_as_installed(path: Path) -> bool:
    """Return whether an installer put a file where it is, as ``pip --target`` does.

    It keeps a list of what it put there, with digests: a file that was edited since is
    the user's.
    """
    for folder in path.parents:
        installed = _installed_in(folder, _changed_at(folder))
        if installed and (told := installed.get(path.relative_to(folder).as_posix())):
            return told == _digest(path, _changed_at(path))
    return False


@cache
def _installed_in(folder: Path, changed_at: int) -> dict[str, str]:  # noqa: ARG001
    """Return the digests of files that an installer put into a folder, by name.

    A list that cannot be read vouches for none.
    """
    found: dict[str, str] = {}
    for record in folder.glob("*.dist-info/RECORD"):
        with (
            suppress(OSError, UnicodeDecodeError, csv.Error),
            record.open(encoding="utf-8", newline="") as lines,
        ):
            found |= {line[0]: line[1] for line in csv.reader(lines) if len(line) > 1}
    return found


@cache
def _digest(path: Path, changed_at: int) -> str:  # noqa: ARG001
    """Return the digest of a file as an installer writes it, if it is there."""
    try:
        digest = urlsafe_b64encode(sha256(path.read_bytes()).digest())
    except OSError:
        return ""
    return "sha256=" + digest.decode().rstrip("=")


def _changed_at(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


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
