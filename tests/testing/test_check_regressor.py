"""Every regressor keeps its promises, and the checks find those who do not."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge
from skorch import NeuralNetRegressor
from support import answers_of_a_fresh_process
from torch import nn

from skal_deep.classifier import (
    BayesianLinearRegressor,
    DeepEnsembleRegressor,
    LaplaceRegressor,
    MCDropoutRegressor,
    PBPRegressor,
    SWAGRegressor,
)
from skal_deep.modules import MLP
from skal_deep.testing import check_regressor
from skal_deep.testing._regressor_conformance import small_targets


def net(module=MLP, **params):
    settings = {"max_epochs": 6, "lr": 0.02, "optimizer": torch.optim.Adam}
    if module is MLP:
        settings |= {"module__n_classes": 1, "module__n_hidden": 8}
        settings |= {"module__dropout": 0.2}
    return NeuralNetRegressor(
        module, train_split=None, verbose=0, **(settings | params)
    )


MAKERS = {
    "linear": lambda _: BayesianLinearRegressor(),
    "pbp": lambda _: PBPRegressor(n_hidden=5, n_epochs=2),
    "laplace": lambda net: LaplaceRegressor(net, noise="evidence"),
    "dropout": lambda net: MCDropoutRegressor(net, n_samples=60, noise=0.1),
    "ensemble": lambda net: DeepEnsembleRegressor(net, n_estimators=3, noise=0.1),
    "learned noise": lambda net: DeepEnsembleRegressor(
        net.set_params(module__n_classes=2), n_estimators=3, noise="learned"
    ),
    "swag": lambda net: SWAGRegressor(net, n_samples=10, n_collected=3, noise=0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_our_regressors_keep_their_promises(kind):
    # one process for all of them is that of the next test
    check_regressor(
        MAKERS[kind](net()), skip=() if kind == "linear" else ("fresh_process",)
    )


@pytest.mark.slow
def test_a_fresh_process_predicts_the_same(tmp_path):
    X, y = small_targets()
    fitted = [
        make(net()).set_params(random_state=0).fit(X, y) for make in MAKERS.values()
    ]
    found = answers_of_a_fresh_process(fitted, X, "predict", tmp_path)
    for kind, reg, predicted in zip(MAKERS, fitted, found, strict=True):
        np.testing.assert_array_equal(predicted, reg.predict(X), err_msg=kind)


@pytest.mark.slow
def test_one_of_them_in_every_run():
    check_regressor(BayesianLinearRegressor(), skip=("fresh_process",))


class Columns(nn.Module):
    """Returns (n,) and not (n, 1)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        return self.layers(x)[:, 0]


class BatchNorm(Columns):
    def __init__(self):
        super().__init__()
        self.layers.insert(1, nn.BatchNorm1d(8))

    def forward(self, x):
        return self.layers(x)


class InDouble(Columns):
    def __init__(self):
        super().__init__()
        self.double()

    def forward(self, x):
        return self.layers(x.double())


class WritesIntoItsInput(Columns):
    def forward(self, x):
        return self.layers(x.mul_(1.0).add_(0.0))


class DropoutByFunction(Columns):
    def forward(self, x):
        return self.layers(nn.functional.dropout(x, 0.1, self.training))


ANIMALS = (Columns, BatchNorm, InDouble, WritesIntoItsInput, DropoutByFunction)


# Each module with the regressor that does most with it, for every run of the tests: the
# head in closed form, members side by side, statistics and weights that are collected.
SELECTED = [
    (Columns, "laplace"),
    (Columns, "ensemble"),
    (BatchNorm, "laplace"),
    (BatchNorm, "swag"),
    (InDouble, "laplace"),
    (WritesIntoItsInput, "ensemble"),
    (DropoutByFunction, "laplace"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "kind"),
    [
        pytest.param(*one, marks=() if one in SELECTED else pytest.mark.nightly)
        for one in itertools.product(ANIMALS, ("laplace", "ensemble", "swag"))
    ],
)
def test_awkward_modules(module, kind):
    check_regressor(MAKERS[kind](net(module)), skip=("fresh_process",))


def broken(report):
    return {name.removeprefix("check_") for name in report.failures}


@pytest.mark.slow
def test_those_of_scikit_learn_keep_most():
    reg = RandomForestRegressor(10, min_samples_leaf=2)
    kept = check_regressor(reg, skip=("fresh_process",), raise_on_failure=False)
    assert broken(kept) <= {"units_of_the_target", "types_of_the_target", "sparse_rows"}
    ridge = check_regressor(
        BayesianRidge(), skip=("fresh_process",), raise_on_failure=False
    )
    assert broken(ridge) <= {"units_of_the_target"}
    process = GaussianProcessRegressor(
        RBF(3.0) + WhiteKernel(0.1), optimizer=None, normalize_y=True
    )
    found = check_regressor(process, skip=("fresh_process",), raise_on_failure=False)
    assert "draws_and_variances" not in broken(found)


class Mutant(BayesianLinearRegressor):
    """A linear regressor that can be broken."""


def mutant(**methods):
    return type("Mutant", (Mutant,), methods)()


def uncoupled(self, X, n_samples=None, random_state=None):
    rng = np.random.default_rng(random_state)
    mean = self.predict(X)
    return mean + rng.normal(size=(n_samples or 100, len(mean)))


def unseeded(self, X, n_samples=None, random_state=None):
    return Mutant.sample_predictions(
        self, X, n_samples, int(np.random.default_rng().integers(1000))
    )


def too_sure(self, X):
    epistemic, noise = Mutant.predict_variance(self, X)
    return epistemic / 100, noise


def with_noise(self, X, n_samples=None, random_state=None):
    return np.moveaxis(self.sample_y(X, n_samples, random_state), -1, 0)


def counts_gaps(self, X, y, sample_weight=None):
    return Mutant.fit(self, X, np.nan_to_num(np.asarray(y, dtype=float)))


def rounds(self, X, *args, **params):
    return np.round(Mutant.predict(self, X))


MUTANTS = {
    "draws of each row": ({"sample_predictions": uncoupled}, "rows_stand_alone"),
    "draws without a seed": ({"sample_predictions": unseeded}, "draws_and_variances"),
    "too small a variance": ({"predict_variance": too_sure}, "draws_and_variances"),
    "gaps are zeros": ({"fit": counts_gaps}, "missing_targets"),
    "rounded predictions": ({"predict": rounds}, "units_of_the_target"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MUTANTS)
def test_who_breaks_a_promise_is_found(kind):
    methods, check = MUTANTS[kind]
    report = check_regressor(
        mutant(**methods), skip=("fresh_process",), raise_on_failure=False
    )
    assert check in broken(report)


@pytest.mark.slow
def test_arguments():
    X, _ = small_targets()
    with pytest.raises(ValueError, match="Give the targets"):
        check_regressor(BayesianLinearRegressor(), X)
    with pytest.raises(ValueError, match="no check called"):
        check_regressor(BayesianLinearRegressor(), skip=("nonsense",))
    with pytest.raises(AssertionError, match="missing_targets"):
        check_regressor(mutant(fit=counts_gaps), skip=("fresh_process",))
