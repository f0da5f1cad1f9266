"""What code writes while it runs: counters, lists of calls, caches.

Their values differ from run to run though nobody has changed anything. So what counts
of them is the statement that gives them their first value, as it stands in the source.
"""

import ast
import functools
import inspect
import linecache
import sys
import textwrap
import tokenize
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, cast

from skal_deep.identity._own import codes, is_own, own_functions

_MUTATORS = {
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert"),
    *("pop", "popitem", "popleft", "remove", "setdefault", "update"),
}
_BUILDERS = {"__init__", "__new__", "__post_init__", "__setstate__"}
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Writes:
    """What a function writes to that outlives its call.

    Attributes
    ----------
    names : set of str
        Global and closed-over names: bound anew, or changed in place.
    attributes : set of (str, str)
        Attributes by the name that they are taken of: ``("Model", "n_fits")``. ``""``
        stands for the class of the function.
    """

    names: set[str] = field(default_factory=set)
    attributes: set[tuple[str, str]] = field(default_factory=set)


def writes_of(function: FunctionType) -> Writes:
    """Return what a function writes; nothing where its source cannot be read."""
    tree = _parsed(function.__code__)
    if tree is None:
        return Writes()
    declared, local = set(), set()
    for code in codes(function.__code__):
        local |= {*code.co_varnames, *code.co_cellvars}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            declared |= set(node.names)
    found = Writes()
    for node, in_place in _targets(tree):
        if isinstance(node, ast.Name):
            if node.id in declared or (in_place and node.id not in local):
                found.names.add(node.id)
            continue
        owner = _name(node.value)
        # An instance's attribute hides that of its class; what lies in it is shared.
        if (
            owner in ("cls", "__class__")
            or (in_place and owner in local)
            or _is_class_of_self(node.value)
        ):
            found.attributes.add(("", node.attr))
        elif owner and owner not in local:
            found.attributes.add((owner, node.attr))
    return found


def tallies(cls: type) -> frozenset[str]:
    """Return attributes of instances that methods count up or fill and never read.

    They decide nothing, whatever they hold.

    Parameters
    ----------
    cls : type
        Any class.
    """
    return _tallies(cls)


@functools.lru_cache(maxsize=256)
def _tallies(cls: Hashable) -> frozenset[str]:
    cls = cast(type, cls)
    own = [base for base in cls.__mro__ if is_own(base.__module__)]
    functions = [function for base in own for function in own_functions(base)]
    written: set[str] = set()
    read: set[str] = set()
    for base in set(cls.__mro__) - {*own, object}:
        for function in own_functions(base):
            read |= {name for each in codes(function.__code__) for name in _names(each)}
    for function in functions:
        tree = _parsed(function.__code__)
        if tree is None:
            return frozenset()
        spared = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.add(node.value)  # getattr(self, "name")
            target = _tallied(node)
            first = function.__code__.co_varnames[:1]
            if target is not None and _name(target.value) in first:
                spared.add(id(target))
                if function.__name__ not in _BUILDERS:
                    written.add(target.attr)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and id(node) not in spared:
                is_bound = isinstance(node.ctx, ast.Store)
                if not (is_bound and function.__name__ in _BUILDERS):
                    read.add(node.attr)
    return frozenset(written - read)


def first_value(
    module: str, scope: Sequence[str], name: str
) -> tuple[list[str], set[str]] | None:
    """Return the statements that bind a name in the source, and the names they read.

    Parameters
    ----------
    module : str
        Name of the module.
    scope : sequence of str
        Names of the functions and classes around it.
    name : str
        The name.

    Returns
    -------
    found : tuple or None
        ``None`` if there is no source, or none that binds it by ``=``. In a class whose
        body does not bind the name nothing does: the list is empty.
    """
    for tree in _module_trees(module):
        inside: Any = tree
        for each in scope:
            inner = [
                node
                for node in _statements(inside)
                if isinstance(node, _Scope) and node.name == each
            ]
            inside = inner[-1] if inner else None
            if inside is None:
                break
        if inside is None:
            continue
        found = [node for node in _statements(inside) if _binds(node, name)]
        if found:
            loads = {
                part.id
                for node in found
                for part in ast.walk(node)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
            }
            return [ast.dump(node) for node in found], loads - {name}
        if isinstance(inside, ast.ClassDef):
            return [], set()
    return None


def first_default(function: FunctionType) -> str | None:
    """Return the defaults of a function as they stand in its source."""
    tree = _parsed(function.__code__)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return ast.dump(node.args) if node.name == function.__name__ else None
    return None


def changes_argument(function: FunctionType) -> bool:
    """Return whether a function changes one of its arguments in place."""
    tree = _parsed(function.__code__)
    names = function.__code__.co_varnames[: _n_arguments(function.__code__)]
    return tree is not None and any(
        in_place and isinstance(node, ast.Name) and node.id in names
        for node, in_place in _targets(tree)
    )


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _n_arguments(code: CodeType) -> int:
    return code.co_argcount + code.co_kwonlyargcount


def _names(code: CodeType) -> set[str]:
    return {*code.co_names, *(each for each in code.co_consts if isinstance(each, str))}


def _targets(tree: ast.AST) -> Iterator[tuple[ast.Name | ast.Attribute, bool]]:
    """Yield what is written to, and whether in place: ``x[0] = 1``, ``x.append(1)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(
            node.ctx, ast.Store | ast.Del
        ):
            root = _root(node)
            if root is not None:
                yield root, isinstance(node, ast.Subscript)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            root = _root(node.func.value)
            if root is not None and node.func.attr in _MUTATORS:
                yield root, True


def _root(node: ast.AST) -> ast.Name | ast.Attribute | None:
    while isinstance(node, ast.Subscript):
        node = node.value
    return node if isinstance(node, ast.Name | ast.Attribute) else None


def _is_class_of_self(node: ast.AST) -> bool:
    """Return whether an expression is ``type(self)`` or ``self.__class__``."""
    if isinstance(node, ast.Attribute):
        return node.attr == "__class__"
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    return node.func.id == "type" and len(node.args) == 1


def _tallied(node: ast.AST) -> ast.Attribute | None:
    """Return the attribute that a statement counts up or fills, and nothing else."""
    target: ast.AST | None = None
    if isinstance(node, ast.AugAssign):
        target = _root(node.target)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        only = node.targets[0]
        target = _root(only) if isinstance(only, ast.Subscript) else None
    elif (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr in _MUTATORS
    ):
        target = _root(node.value.func.value)
    return target if isinstance(target, ast.Attribute) else None


def _binds(node: ast.AST, name: str) -> bool:
    targets = {ast.Assign: "targets", ast.AnnAssign: "target"}.get(type(node))
    found = getattr(node, targets) if targets else []
    found = found if isinstance(found, list) else [found]
    parts = (part for each in found for part in ast.walk(each))
    kinds = ast.Name | ast.Attribute
    return any(isinstance(x, kinds) and ast.unparse(x) == name for x in parts)


def _statements(scope: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements of a scope, those in its branches and loops, too."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, _Scope | ast.Lambda | ast.expr):
            yield from _statements(node)


def _module_trees(module: str) -> list[ast.Module]:
    """Return the source of a module, of a notebook its cells, the latest first."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return []
    try:
        texts = [inspect.getsource(loaded)]
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        cells = getattr(loaded, "In", None)
        texts = [each for each in cells if isinstance(each, str)] if cells else []
    return [tree for text in reversed(texts) if (tree := _tree(text)) is not None]


class _This:
    """Code as a key: this one, for equal code may have other defaults in its source."""

    def __init__(self, code: CodeType):
        self.code = code

    def __hash__(self) -> int:
        return id(self.code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and self.code is other.code


def _parsed(code: CodeType) -> ast.Module | None:
    """Return the source of code as a tree; ``None`` where it cannot be read."""
    return _read(_This(code))


@functools.lru_cache(maxsize=1024)
def _read(this: _This) -> ast.Module | None:
    file = this.code.co_filename
    if file.startswith("<") and file not in linecache.cache:
        return None  # inspect would look through all modules first, and then say so
    try:
        return _tree(textwrap.dedent(inspect.getsource(this.code)))
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        return None


@functools.lru_cache(maxsize=256)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):  # half a statement, magics of a notebook
        return None
