"""Every public name is documented the numpydoc way."""

import importlib
import inspect
from dataclasses import is_dataclass

import pytest
from numpydoc.validate import validate

# Examples, see-also and extended summaries are welcome, not required; a summary that
# begins with "Return" says what is returned.
OPTIONAL = {"EX01", "SA01", "ES01", "GL01", "GL02", "RT01", "RT02", "RT03", "PR04"}


def public_names():
    """Yield what users call: strategies, classifiers, kernels, evaluation."""
    packages = "functional", "classifier", "pool", "evaluation", "datasets", "embedding"
    for package in packages:
        module = importlib.import_module(f"skal_deep.{package}")
        for name in module.__all__:
            value = getattr(module, name)
            if package == "classifier" and not name.endswith("Classifier"):
                continue
            if package == "pool" and not hasattr(value, "get_params"):
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"skal_deep.{package}.{name}"


@pytest.mark.parametrize("name", list(public_names()))
def test_docstring(name):
    problems = {
        code: text for code, text in validate(name)["errors"] if code not in OPTIONAL
    }
    module, _, attribute = name.rpartition(".")
    if is_dataclass(getattr(importlib.import_module(module), attribute)):
        problems.pop("PR01", None)  # attributes describe a result
    assert not problems


def test_query_is_documented():
    assert not [
        code
        for code, _ in validate("skal_deep.pool.BALD.query")["errors"]
        if code not in OPTIONAL
    ]
