"""The code that a user wrote: which of it a run reaches, and a hash of each part."""

import dis
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import nn

from skal_deep.identity._own import codes, is_own, is_own_file, module_of
from skal_deep.identity._values import is_data, name_of, plain
from skal_deep.identity._writes import (
    changes_argument,
    first_default,
    first_value,
    tallies,
    writes_of,
)

_DEPTH = 60  # deeper than code lies; a logger or a linked list has no end
_PLAIN = (bool, int, float, complex, str, bytes, range)
# A draw moves them, so that what counts is the statement that made them.
_GENERATORS = (np.random.RandomState, np.random.Generator, random.Random)
_FUNCTIONS = (FunctionType, staticmethod, classmethod, property)
# Written by Python and scikit-learn into the classes of others.
_NOT_THE_USERS = {
    "_abc_impl",
    "_sklearn_auto_wrap_output_keys",
    "_sklearn_output_config",
}


def code_of(*values: Any, opaque: list[str] | None = None) -> dict[str, str]:
    """Return a hash for each part of the user's own code that values reach.

    That is functions, classes and what these refer to by name, in modules that are
    neither installed nor Python's own: the net, its blocks, metrics, helpers that they
    call, constants. What is hashed is the code that runs, compiled: comments, line
    numbers and docstrings do not count. Of what the code itself changes while it runs,
    such as a counter, the statement counts that gives it its first value.

    Parameters
    ----------
    *values : object
        Estimators, strategies, functions, classes, or lists and dicts of these.
    opaque : list of str, default=None
        Gets the names of classes of constants that cannot be looked into.
    """
    walk = _Walk([] if opaque is None else opaque)
    for value in values:
        walk.visit(value)
    return walk.hashes()


@dataclass(frozen=True)
class _Constant:
    """What code refers to by a name, and where that name is bound."""

    name: str
    value: Any
    key: Any  # by which a write to it is noted
    module: str
    scope: tuple[str, ...] = ()
    bound_as: str = ""


class _Walk:
    """Goes from objects to the code behind them, once to each."""

    def __init__(self, opaque: list[str]) -> None:
        self.opaque = opaque
        self.parts: list[tuple[str, Any]] = []
        self.constants: dict[Any, _Constant] = {}
        self.changed: set[Any] = set()
        self.seen: dict[int, Any] = {}  # keeps what it has seen, so that ids stay
        self.looked_into: dict[Any, ModuleType] = {}
        self.depth = 0

    def hashes(self) -> dict[str, str]:
        """Return a hash for each name; equal names are numbered."""
        constants: dict[Any, tuple[str, Any]] = {}
        while new := [key for key in self.constants if key not in constants]:
            for key in new:  # statements refer to more names
                constant = self.constants[key]
                constants[key] = (constant.name, self._tell(constant))
        found: dict[str, str] = {}
        counts: dict[str, int] = {}
        for name, part in (*self.parts, *constants.values()):
            counts[name] = counts.get(name, 0) + 1
            # attributes that a library fills from a set come in any order
            told = json.dumps(part, sort_keys=True)
            text = hashlib.sha256(told.encode()).hexdigest()[:16]
            numbered = name if counts[name] == 1 else f"{name} ({counts[name]})"
            found[numbered] = text
        return found

    def visit(self, value: Any) -> None:
        """Add the code behind a value, if it is the user's."""
        if value is None or isinstance(value, _PLAIN):
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
        elif isinstance(value, Sequence | Set):
            self._all(value if isinstance(value, Sequence) else sorted(value, key=repr))
        elif not isinstance(value, ModuleType):
            self.visit(type(value))
            self.visit(getattr(value, "__wrapped__", None))
            self._all(_held(value))

    def _all(self, values: Iterable[Any]) -> None:
        for value in values:
            self.visit(value)

    def _class(self, cls: type) -> None:
        for base in cls.__mro__[:0:-1]:
            if is_own(base.__module__):
                self.visit(base)
        if not is_own(cls.__module__):
            return
        name = f"{cls.__module__}.{cls.__qualname__}"
        # which bases there are is code, too
        self.parts.append((name, [name_of(base) for base in cls.__bases__]))
        self.visit(type(cls))
        for key, value in vars(cls).items():
            if isinstance(value, _FUNCTIONS) or inspect.isclass(value):
                self.visit(value)
            elif not key.startswith("__") and key not in _NOT_THE_USERS:
                self._add(
                    _Constant(
                        f"{name}.{key}",
                        value,
                        ("attribute", key),
                        cls.__module__,
                        _scope(cls.__qualname__),
                    ),
                    cls,
                )

    def _function(self, function: FunctionType) -> None:
        code, module = function.__code__, module_of(function)
        wrapped = getattr(function, "__wrapped__", None)
        self.visit(wrapped)
        if not is_own(module) and not _is_of_user(code):
            self._foreign(function, wrapped)
            return
        name = f"{module}.{code.co_qualname}"
        defaults: Any = [function.__defaults__, function.__kwdefaults__]
        if changes_argument(function) and (text := first_default(function)):
            defaults = text
        told = plain(defaults, is_whole=True, opaque=self.opaque)
        self.parts.append((name, [_code_values(code), told]))
        self._all(function.__defaults__ or ())
        self._all((function.__kwdefaults__ or {}).values())
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        self._note_writes(function, cells)
        scope = _scope(code.co_qualname)
        for key, value in vars(function).items():
            if key != "__wrapped__":
                made = _Constant(
                    f"{name}.{key}",
                    value,
                    ("attribute", key),
                    module,
                    scope[:-1],
                    f"{function.__name__}.{key}",
                )
                self._add(made, function)
        names = {each for part in codes(code) for each in part.co_names}
        for key in sorted(_globals_of(code) & function.__globals__.keys()):
            if not key.startswith("__"):  # where the file lies, and the like
                self._reach(module, key, function.__globals__[key], names)
        for imported in _imports(function):
            self._reach_module(imported, names)
        for key, cell in cells.items():
            if cell != type(cell)():  # not empty
                value = cell.cell_contents
                made = _Constant(f"{name}.{key}", value, id(cell), module, scope[:-1])
                self._add(made, cell)
                if isinstance(value, ModuleType):
                    self._reach_module(value, names)

    def _foreign(self, function: FunctionType, wrapped: Any) -> None:
        """Look through a decorator of a library for the user's function inside."""
        inside = inspect.unwrap(function)
        is_users = isinstance(inside, FunctionType) and is_own(module_of(inside))
        for number, cell in enumerate(function.__closure__ or ()):
            if cell == type(cell)():
                continue
            value = cell.cell_contents
            if wrapped is not None and is_users:
                name = f"{name_of(function)}.{function.__code__.co_freevars[number]}"
                self._add(_Constant(name, value, id(cell), module_of(function)), cell)
            elif isinstance(value, FunctionType):
                self.visit(value)

    def _note_writes(self, function: FunctionType, cells: Mapping[str, Any]) -> None:
        """Note what the function changes: counters, caches, lists of calls."""
        module, writes = module_of(function), writes_of(function)
        for name in writes.names:
            self.changed.add(id(cells[name]) if name in cells else (module, name))
        for owner, attribute in writes.attributes:
            held = function.__globals__.get(owner)
            if owner in cells and cells[owner] != type(cells[owner])():
                held = cells[owner].cell_contents
            if isinstance(held, ModuleType):
                self.changed.add((held.__name__, attribute))
            elif not owner or inspect.isclass(held) or inspect.isfunction(held):
                self.changed.add(("attribute", attribute))
            else:
                key = id(cells[owner]) if owner in cells else (module, owner)
                self.changed.add(key)

    def _reach(self, module: str, key: str, value: Any, names: set[str]) -> None:
        """Add what a function refers to by a name of a module."""
        self._add(_Constant(f"{module}.{key}", value, (module, key), module), None)
        if isinstance(value, ModuleType):
            self._reach_module(value, names)

    def _reach_module(self, module: ModuleType, names: set[str]) -> None:
        key = (id(module), frozenset(names))
        if not is_own(module.__name__) or key in self.looked_into:
            return
        self.looked_into[key] = module
        for each in sorted(names & vars(module).keys()):
            self._reach(module.__name__, each, vars(module)[each], names)

    def _add(self, constant: _Constant, owner: Any) -> None:
        """Note a constant, and add the code behind it."""
        known = (constant.name, constant.key, id(owner))
        self.seen[id(owner)] = self.seen.get(id(owner), owner)
        if known not in self.constants:
            self.constants[known] = constant
            self.visit(constant.value)

    def _tell(self, constant: _Constant) -> Any:
        """Return a constant as plain values, or the statement that it began with."""
        is_generator = isinstance(constant.value, _GENERATORS)
        if is_generator or constant.key in self.changed:
            name = constant.bound_as or constant.name.rpartition(".")[-1]
            found = first_value(constant.module, constant.scope, name)
            if found is not None:
                statements, loads = found
                around = vars(sys.modules.get(constant.module, random))
                for each in sorted(loads & around.keys()):
                    self._reach(constant.module, each, around[each], set())
                return statements
            if is_generator:
                return name_of(type(constant.value))
        return plain(constant.value, is_whole=True, opaque=self.opaque)


def _scope(qualname: str) -> tuple[str, ...]:
    return tuple(part for part in qualname.split(".") if part != "<locals>")


def _is_of_user(code: CodeType) -> bool:
    """Return whether code that runs in a library's name stands in a user's file."""
    return not code.co_filename.startswith("<") and is_own_file(code.co_filename)


def _held(value: Any) -> list[Any]:
    """Return what an instance holds: parameters, or else attributes."""
    if isinstance(value, nn.Module) or not hasattr(value, "get_params"):
        held = getattr(value, "__dict__", {})
        if not isinstance(held, Mapping):
            return []
        counted = tallies(type(value))
        return [item for name, item in held.items() if name not in counted]
    return [item for _, item in sorted(value.get_params(deep=False).items())]


def _code_values(code: CodeType) -> list[Any]:
    """Return a code object as plain values, without lines and docstrings."""
    steps: list[Any] = []
    for step in dis.get_instructions(code):
        value = step.argval
        if isinstance(value, CodeType):
            value = _code_values(value)
        elif step.opcode in dis.hasconst:
            value = _tag_type(value)
        steps.append([step.opname, value if isinstance(value, list) else str(value)])
    kind = [code.co_flags, code.co_posonlyargcount, code.co_kwonlyargcount]
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [steps, code.co_exceptiontable.hex(), kind, list(names)]


def _tag_type(constant: Any) -> Any:
    """Return a constant of code as plain values; 1, 1.0 and True are three."""
    if isinstance(constant, tuple):
        return [_tag_type(item) for item in constant]
    if isinstance(constant, frozenset):
        return sorted(json.dumps(_tag_type(item)) for item in constant)
    return f"{type(constant).__name__} {constant!r}"


def _globals_of(code: CodeType) -> set[str]:
    """Return the global names that code reads."""
    return {
        step.argval
        for each in codes(code)
        for step in dis.get_instructions(each)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }


def _imports(function: FunctionType) -> Iterator[ModuleType]:
    """Yield the user's modules that code imports while it runs."""
    package = function.__globals__.get("__package__") or ""
    for each in codes(function.__code__):
        steps = list(dis.get_instructions(each))
        for i, step in enumerate(steps):
            if step.opname != "IMPORT_NAME":
                continue
            # Before the name stand the level and the names that are taken of it.
            level = next(s.argval for s in steps[i - 2 :: -1] if s.argval is not None)
            name = "." * level + step.argval if isinstance(level, int) else step.argval
            # It may not be imported yet, and what counts must not depend on that.
            with suppress(Exception):
                spec = importlib.util.find_spec(name, package)
                if spec and spec.origin and _is_users_file(spec.origin):
                    yield importlib.import_module(name, package)


def _is_users_file(origin: str) -> bool:
    return origin not in ("built-in", "frozen") and is_own_file(origin)
