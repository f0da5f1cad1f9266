"""Every public name is documented the numpydoc way, and every example runs."""

import doctest
import importlib
import inspect
import pkgutil
import re
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any

import pytest
from numpydoc.validate import validate

import skal_deep
import skal_deep.pool

# An extended summary is welcome, not required, and text may begin beside the quotes.
OPTIONAL = {"ES01", "GL01", "GL02"}
# A method is shown by the example of its class.
OPTIONAL_IN_METHODS = OPTIONAL | {"EX01", "SA01"}

# Words of an author who has not looked it up. What we define ourselves says so.
UNCHECKED = re.compile(
    r"others\s+report|remembered\s+from|not\s+known\s+to\s+us|(at|to)\s+hand,\s+not"
    r"|not\s+at\s+hand"
)


def public_names():
    """Yield the functions and classes of all packages that say what is public."""
    seen = set()
    for found in pkgutil.iter_modules(skal_deep.__path__, "skal_deep."):
        package = importlib.import_module(found.name) if found.ispkg else None
        for name in getattr(package, "__all__", ()):
            value = getattr(package, name)
            is_new = id(value) not in seen  # some names are in two packages
            seen.add(id(value))
            if is_new and (inspect.isfunction(value) or inspect.isclass(value)):
                yield f"{found.name}.{name}"


def public_methods():
    """Yield methods and properties of public classes, ours, inherited ones once."""
    seen = set()
    for name in public_names():
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        for method in dir(value) if inspect.isclass(value) else ():
            function = getattr(value, method)
            if isinstance(function, property | cached_property):
                function = getattr(function, "fget", None) or function.func
            function = inspect.unwrap(function)
            function = getattr(function, "__func__", function)
            is_ours = getattr(function, "__module__", None) or ""
            if (
                inspect.isfunction(function)
                and not method.startswith("_")
                and is_ours.startswith("skal_deep.")
                and function not in seen
            ):
                seen.add(function)
                yield f"{name}.{method}"


def module_names():
    """Yield the modules of the package, but for one that runs, and one for cards."""
    for found in pkgutil.walk_packages(skal_deep.__path__, "skal_deep."):
        if not found.name.endswith(("__main__", "_card_loops")):
            yield found.name


def examples():
    """Yield the docstrings that have an example."""
    for name in module_names():
        module = importlib.import_module(name)
        for test in doctest.DocTestFinder().find(module, name):
            if test.examples:
                yield pytest.param(test, id=test.name)


def problems_of(name: str, optional: set[str]) -> dict[str, Any]:
    """Return what numpydoc finds wrong with a docstring, by code."""
    return {
        code: text for code, text in validate(name)["errors"] if code not in optional
    }


@pytest.mark.parametrize("name", list(public_names()))
def test_docstring(name):
    module, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    problems = problems_of(name, OPTIONAL)
    # Attributes describe a result, and nobody makes a protocol.
    if is_dataclass(value) or getattr(value, "_is_protocol", False):
        problems.pop("PR01", None)
    assert not problems


@pytest.mark.parametrize("name", list(public_methods()))
def test_docstring_of_a_method(name):
    assert not problems_of(name, OPTIONAL_IN_METHODS)


@pytest.mark.parametrize("name", skal_deep.pool.__all__)
def test_class_says_when_to_use_it(name):
    text = inspect.getdoc(getattr(skal_deep.pool, name))
    assert re.search(r"\b[Uu]se (it|its|one)\b", text), "say in one sentence when"


@pytest.mark.slow
@pytest.mark.parametrize("test", list(examples()))
def test_example_runs(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write where it stands
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not results.failed, "".join(report)


def test_definitions_are_checked_or_ours():
    unchecked = [
        name
        for name in module_names()
        if name.startswith("skal_deep.pool")
        and UNCHECKED.search(inspect.getsource(importlib.import_module(name)))
    ]
    assert not unchecked
