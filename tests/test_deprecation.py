"""What goes away warns first, and goes when it is due."""

import importlib
import inspect
import pkgutil

import pytest
from sklearn.base import BaseEstimator, clone

import skal_deep
from skal_deep import _deprecation
from skal_deep._deprecation import deprecated, overdue


@pytest.fixture
def no_entries(monkeypatch):
    monkeypatch.setattr(_deprecation, "DEPRECATIONS", [])


def test_no_removal_is_overdue():
    for module in pkgutil.walk_packages(skal_deep.__path__, "skal_deep."):
        if not module.name.endswith(("__main__", "_card_loops")):  # needs Triton
            importlib.import_module(module.name)
    assert overdue(skal_deep.__version__) == []


def test_a_removal_that_is_due_is_found(no_entries):
    deprecated("new", removal="0.4")(lambda: None)
    assert overdue("0.3.9") == []
    assert len(overdue("0.4.0.dev0")) == 1
    assert len(overdue("1.0")) == 1


def test_a_function_warns_and_works(no_entries):
    @deprecated("`total`", removal="0.4")
    def add(a, b=1):
        """Add."""
        return a + b

    with pytest.warns(FutureWarning, match=r"add is deprecated.*0\.4.*`total`"):
        assert add(1, b=2) == 3
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert add.__doc__ == "Add."


def test_an_estimator_warns_and_stays_one(no_entries):
    @deprecated("`New`", removal="0.4")
    class Old(BaseEstimator):
        def __init__(self, alpha=1):
            self.alpha = alpha

    with pytest.warns(FutureWarning, match="Old is deprecated"):
        old = Old(alpha=3)
    assert old.get_params() == {"alpha": 3}
    with pytest.warns(FutureWarning):
        assert clone(old).alpha == 3
