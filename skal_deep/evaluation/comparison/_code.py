"""The code that a user wrote: which of it a run reaches, and a hash of each part."""

import dis
import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import nn

from skal_deep.evaluation.comparison._configuration import is_data, plain

_INSTALLED = {"site-packages", "dist-packages"}
_DEPTH = 60  # deeper than code lies; a logger or a linked list has no end
_MUTATORS = {
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert"),
    *("pop", "popitem", "remove", "setdefault", "update"),
}
_STORES = {"STORE_GLOBAL", "STORE_ATTR", "STORE_DEREF", "DELETE_GLOBAL"}
_LOADS = {"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_ATTR", "LOAD_NAME"}


def code_of(*values: Any) -> dict[str, str]:
    """Return a hash for each part of the user's own code that values reach.

    That is functions, classes and constants, by name, of modules that are neither
    installed nor Python's own: the net, its blocks, metrics, helpers that they call.
    What is hashed is the code that runs, compiled: comments, line numbers and
    docstrings do not count, nor do counters, that is, values that the code changes.

    Parameters
    ----------
    *values : object
        Estimators, strategies, functions, classes, or lists and dicts of these.
    """
    walk = _Walk()
    for value in values:
        walk.visit(value)
    return walk.hashes()


class _Walk:
    """Goes from objects to the code behind them, once to each."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, Any]] = []
        self.constants: list[tuple[str, str, Any]] = []
        self.changed: set[str] = set()
        self.seen: dict[int, Any] = {}  # keeps what it has seen, so that ids stay
        self.depth = 0

    def hashes(self) -> dict[str, str]:
        """Return a hash for each name; equal names are numbered."""
        found: dict[str, str] = {}
        parts = self.parts + [
            (name, plain(value))
            for name, last, value in self.constants
            if last not in self.changed
        ]
        for name, part in parts:
            n = 1 + sum(key == name or key.startswith(f"{name} (") for key in found)
            text = hashlib.sha256(json.dumps(part).encode()).hexdigest()[:16]
            found[name if n == 1 else f"{name} ({n})"] = text
        return found

    def visit(self, value: Any) -> None:
        """Add the code behind a value, if it is the user's."""
        if value is None or isinstance(
            value, bool | int | float | complex | str | bytes
        ):
            return
        if is_data(value) or id(value) in self.seen or self.depth > _DEPTH:
            return
        # Noted before it is looked into: objects may refer to themselves.
        self.seen[id(value)] = value
        self.depth += 1
        try:
            self._visit(value)
        finally:
            self.depth -= 1

    def _visit(self, value: Any) -> None:
        if isinstance(value, FunctionType):
            self._function(value)
        elif inspect.isclass(value):
            self._class(value)
        elif isinstance(value, MethodType):
            self.visit(value.__func__)
            self.visit(value.__self__)
        elif isinstance(value, staticmethod | classmethod):
            self.visit(value.__func__)
        elif isinstance(value, property):
            self._all((value.fget, value.fset, value.fdel))
        elif isinstance(value, functools.partial):
            self._all((value.func, *value.args, *value.keywords.values()))
        elif isinstance(value, Mapping):
            self._all(value.values())
        elif isinstance(value, Sequence | Set) and not isinstance(value, range):
            self._all(value if isinstance(value, Sequence) else sorted(value, key=repr))
        elif not isinstance(value, ModuleType):
            self.visit(type(value))
            self.visit(getattr(value, "__wrapped__", None))
            self._all(_held(value))

    def _all(self, values: Any) -> None:
        for value in values:
            self.visit(value)

    def _class(self, cls: type) -> None:
        for base in cls.__mro__:
            if not is_own(base.__module__):
                continue
            if base is not cls:
                self.visit(base)
                continue
            # which bases there are is code, too
            name = f"{cls.__module__}.{cls.__qualname__}"
            self.parts.append((name, [f"{b.__qualname__}" for b in cls.__bases__]))
            for key, value in vars(cls).items():
                if _is_code(value):
                    self.visit(value)
                elif not key.startswith(("__", "_abc_", "_sklearn_")):
                    self._constant(f"{name}.{key}", value)

    def _function(self, function: FunctionType) -> None:
        code = function.__code__
        self.visit(getattr(function, "__wrapped__", None))
        if not is_own(function.__module__ or ""):
            return
        name = f"{function.__module__}.{function.__qualname__}"
        defaults = [function.__defaults__, function.__kwdefaults__]
        self.parts.append(
            (name, [_code_values(code, function.__doc__), _text(defaults)])
        )
        self._all(function.__defaults__ or ())
        self._all((function.__kwdefaults__ or {}).values())
        for each in _codes(code):
            self._look(each)
        names = {name for each in _codes(code) for name in each.co_names}
        for key in sorted(names & function.__globals__.keys()):
            if key.startswith("__"):  # where the file lies, and the like
                continue
            self._reach(
                f"{function.__module__}.{key}", function.__globals__[key], names
            )
        for imported in sorted(_imported_names(code)):
            self._reach(imported, sys.modules.get(imported), names)
        for key, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if cell != type(cell)():  # not empty
                self._reach(f"{name}.{key}", cell.cell_contents, names)

    def _reach(self, name: str, value: Any, names: set[str]) -> None:
        """Add what a function refers to by name."""
        if isinstance(value, ModuleType):
            if is_own(value.__name__):
                for key in sorted(names & vars(value).keys()):
                    self._reach(f"{value.__name__}.{key}", vars(value)[key], names)
        else:
            self._constant(name, value)

    def _constant(self, name: str, value: Any) -> None:
        """Note a constant, and add the code behind it."""
        if _is_constant(value):
            self.constants.append((name, name.split(".")[-1], value))
        self.visit(value)

    def _look(self, code: CodeType) -> None:
        """Note which names the code changes: counters, caches, lists of calls."""
        steps = list(dis.get_instructions(code))
        for i, step in enumerate(steps):
            if step.opname in _STORES:
                self.changed.add(step.argval)
            if step.opname in _LOADS:
                after = steps[i + 1 : i + 3]
                is_called = bool(after) and after[0].argval in _MUTATORS
                is_item = any(s.opname in ("COPY", "STORE_SUBSCR") for s in after[1:])
                if is_called or is_item:
                    self.changed.add(step.argval)


def is_own(module: str) -> bool:
    """Return whether a module is the user's: not installed, not Python's, not ours."""
    top = module.partition(".")[0]
    if top == "skal_deep" or top in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or not _INSTALLED & set(Path(file).parts)


def _is_code(value: Any) -> bool:
    kinds = (FunctionType, staticmethod, classmethod, property)
    return isinstance(value, kinds) or inspect.isclass(value)


def _is_constant(value: Any) -> bool:
    """Return whether a value is plain enough to be compared."""
    if isinstance(value, Mapping):
        return all(_is_constant(item) for item in value.values())
    if isinstance(value, tuple | list | Set):
        return all(_is_constant(item) for item in value)
    kinds = bool | int | float | complex | str | bytes | np.generic | nn.Module
    return value is None or isinstance(value, kinds) or is_data(value)


def _held(value: Any) -> list[Any]:
    """Return what an instance holds: parameters, or else attributes."""
    if isinstance(value, nn.Module) or not hasattr(value, "get_params"):
        held = getattr(value, "__dict__", {})
        return list(held.values()) if isinstance(held, Mapping) else []
    return [item for _, item in sorted(value.get_params(deep=False).items())]


def _text(value: Any) -> str:
    """Return defaults of a function as text; code among them is visited by itself."""
    return json.dumps(plain(value))


def _code_values(code: CodeType, doc: str | None = None) -> list[Any]:
    """Return a code object as plain values, without lines and the docstring."""
    constants = list(code.co_consts)
    if doc is not None and constants and constants[0] == doc:
        constants = constants[1:]
    return [
        code.co_code.hex(),
        [
            _code_values(c) if isinstance(c, CodeType) else _tag_type(c)
            for c in constants
        ],
        *(list(names) for names in (code.co_names, code.co_varnames, code.co_freevars)),
    ]


def _tag_type(constant: Any) -> Any:
    """Return a constant of code as plain values; 1, 1.0 and True are three."""
    if isinstance(constant, tuple):
        return [_tag_type(item) for item in constant]
    if isinstance(constant, frozenset):
        return sorted(json.dumps(_tag_type(item)) for item in constant)
    return f"{type(constant).__name__} {constant!r}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _imported_names(code: CodeType) -> set[str]:
    """Return the modules that code imports while it runs."""
    return {
        step.argval
        for each in _codes(code)
        for step in dis.get_instructions(each)
        if step.opname == "IMPORT_NAME"
    }
