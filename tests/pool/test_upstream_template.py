"""scikit-activeml's own template of tests, applied to every strategy.

Its wheel holds no tests: ``SKACTIVEML_TESTS_DIR`` names the folder ``skactiveml/tests``
of a checkout. Without one, the other tests of this folder must do.

Where a method of the template does not fit, it is one of the extensions that
``docs/conformance.md`` lists, and what holds instead is tested here.
"""

import importlib
import inspect
import os
import sys
import unittest
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import skactiveml
from skactiveml.regressor import NICKernelRegressor
from sklearn.base import clone
from sklearn.datasets import make_blobs
from strategies import STRATEGIES, maker

FOLDER = Path(
    os.environ.get("SKACTIVEML_TESTS_DIR", Path(skactiveml.__file__).parent / "tests")
)
if not (FOLDER / "template_query_strategy.py").exists():
    pytest.skip("scikit-activeml's tests are not there", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")
X, Y = make_blobs(24, centers=2, random_state=0)
X, Y = X.astype(np.float32), Y.astype(float)
LABELS = np.where(np.arange(24) < 6, Y, np.nan)


def template():
    """Return the template, as part of the installed package."""
    if "skactiveml.tests" not in sys.modules:
        spec = spec_from_file_location(
            "skactiveml.tests",
            FOLDER / "__init__.py",
            submodule_search_locations=[str(FOLDER)],
        )
        sys.modules["skactiveml.tests"] = module_from_spec(spec)
    module = importlib.import_module("skactiveml.tests.template_query_strategy")
    return module.TemplateSingleAnnotatorPoolQueryStrategy


class Extended(template()):
    """The template, and what is different by intention."""

    strategy = None

    def setUp(self):
        strategy = STRATEGIES[self.strategy]
        clf = maker(strategy)(False, np.nan, [0, 1])
        regression = None
        if takes_regressors(strategy):
            regression = {"X": X, "y": LABELS, "reg": NICKernelRegressor()}
        super().setUp(
            qs_class=type(strategy),
            init_default_params=clone(strategy).get_params(deep=False)
            | {"missing_label": np.nan, "random_state": 42},
            query_default_params_clf={"X": X, "y": LABELS, "clf": clf},
            query_default_params_reg=regression,
        )

    def test_query_param_clf(self):
        # Any classifier with `predict_proba` does, scikit-learn's too.
        self._test_param(
            "query",
            "clf",
            [(wrong, TypeError) for wrong in (np.nan, "state", object())],
            exclude_reg=True,
        )

    def test_query_param_reg(self):
        if self.query_default_params_reg is not None:
            super().test_query_param_reg(test_cases=[])
            return
        # Every strategy has the argument; those that read classes refuse it.
        qs = self.qs_class(**self.init_default_params)
        with pytest.raises(TypeError):
            qs.query(X, LABELS, reg=NICKernelRegressor())

    def test_query_param_fit_reg(self):
        if self.query_default_params_reg is not None:
            super().test_query_param_fit_reg()
            return
        for wrong in (np.nan, "state"):
            self._test_param("query", "fit_reg", [(wrong, TypeError)])

    def test_query(self):
        qs = self.qs_class(**self.init_default_params)
        picks = qs.query(**self.query_default_params_clf, batch_size=3)
        assert np.isnan(LABELS[picks]).all()


def takes_regressors(strategy):
    does_without = strategy._works_on_inputs or not strategy._needs
    return does_without and not strategy._reads_classes


def refuses(parameter):
    """Return a test that a parameter has a domain."""

    def test(self):
        self._test_param("init", parameter, [(object(), (TypeError, ValueError))])

    return test


for name, strategy in STRATEGIES.items():
    own = {
        f"test_init_param_{parameter}": refuses(parameter)
        for parameter in inspect.signature(type(strategy)).parameters
        if not hasattr(Extended, f"test_init_param_{parameter}")
    }
    bases = (Extended, unittest.TestCase)
    globals()[f"Test{name}"] = type(f"Test{name}", bases, own | {"strategy": name})
