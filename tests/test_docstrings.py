"""Every public name is documented the numpydoc way, and every example runs."""

import doctest
import importlib
import inspect
import pkgutil
import re
from dataclasses import is_dataclass
from typing import Any

import pytest
from numpydoc.validate import validate

import skal_deep
import skal_deep.pool

# An extended summary is welcome, not required, and text may begin beside the quotes.
OPTIONAL = {"ES01", "GL01", "GL02"}

# What is required of a package once it is listed in COMPLETE: an example, See Also, a
# Returns section with types and descriptions, and a type for each parameter.
COMPLETE_ONLY = {"EX01", "SA01", "RT01", "RT02", "RT03", "PR04"}

# Packages whose public names have all of that. Add yours: nothing else is needed.
COMPLETE = {
    "pool",
    "classifier",
    "embedding",
    "evaluation",
    "testing",
    "campaign",
    "visualization",
    "shards",
}

PACKAGES = (
    "functional",
    "classifier",
    "pool",
    "evaluation",
    "datasets",
    "embedding",
    "campaign",
    "visualization",
    "shards",
)

# Words of an author who has not looked it up. What we define ourselves says so.
UNCHECKED = re.compile(
    r"others\s+report|remembered\s+from|not\s+known\s+to\s+us|(at|to)\s+hand,\s+not"
    r"|not\s+at\s+hand"
)


def optional_in(package: str) -> set[str]:
    """Return the codes of numpydoc that a package may do without."""
    return OPTIONAL if package in COMPLETE else OPTIONAL | COMPLETE_ONLY


def public_names():
    """Yield what users call: strategies, classifiers, kernels, evaluation."""
    for package in PACKAGES:
        module = importlib.import_module(f"skal_deep.{package}")
        for name in module.__all__:
            value = getattr(module, name)
            if package == "classifier" and not name.endswith("Classifier"):
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"skal_deep.{package}.{name}"


def public_methods():
    """Yield the methods that strategies and rules have beside scikit-learn's."""
    for name in skal_deep.pool.__all__:
        value = getattr(skal_deep.pool, name)
        if hasattr(value, "get_params"):
            for method in vars(value):
                if not method.startswith("_") and callable(getattr(value, method)):
                    yield f"skal_deep.pool.{name}.{method}"


def module_names():
    """Yield the modules of the package, but the one that runs when it is imported."""
    for found in pkgutil.walk_packages(skal_deep.__path__, "skal_deep."):
        if not found.name.endswith("__main__"):
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
    problems = problems_of(name, optional_in(module.rpartition(".")[2]))
    if is_dataclass(getattr(importlib.import_module(module), attribute)):
        problems.pop("PR01", None)  # attributes describe a result
    assert not problems


@pytest.mark.parametrize("name", list(public_methods()))
def test_docstring_of_a_method(name):
    assert not problems_of(name, OPTIONAL | {"EX01", "SA01"})


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
