"""Regressors as models: plain skorch nets and those of scikit-activeml."""

import copy

import numpy as np
import pytest
import torch
from skactiveml.regressor import NICKernelRegressor, SkorchRegressor
from skactiveml.utils import call_func
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetRegressor
from strategies import STRATEGIES

from skal_deep.classifier import CapabilityError, Embeds, HasSlopes
from skal_deep.functional import k_center_greedy
from skal_deep.modules import MLP
from skal_deep.pool import BALD, CoreSet
from skal_deep.rows._order import training_order
from skal_deep.testing._strategy_case import small_classifier

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (40, 2)).astype(np.float32)
TARGET = np.sin(3 * X[:, 0]) - X[:, 1] ** 2  # minus one is a target like any other
Y = np.where(np.arange(40) < 10, TARGET, np.nan)

FOR_REGRESSION = [
    name
    for name, strategy in STRATEGIES.items()
    if strategy._needs in ((Embeds,), (HasSlopes,)) and not strategy._reads_classes
]
NET = {"module__n_features": 2, "module__n_classes": 1, "module__n_hidden": 16}


def net(**params):
    settings = {"lr": 0.05, "max_epochs": 10, "train_split": None, "verbose": 0}
    return NeuralNetRegressor(MLP, **(NET | settings | params))


def wrapped():
    return SkorchRegressor(
        MLP,
        neural_net_param_dict={**NET, "train_split": None, "verbose": 0},
        random_state=0,
    )


def piped():
    return make_pipeline(StandardScaler(), net())


def strategy(name):
    return copy.deepcopy(STRATEGIES[name]).set_params(
        missing_label=np.nan, random_state=0
    )


@pytest.mark.parametrize("make", [net, wrapped, piped, NICKernelRegressor])
@pytest.mark.parametrize("name", FOR_REGRESSION)
def test_a_loop_of_queries(name, make):
    if make is NICKernelRegressor and not STRATEGIES[name]._works_on_inputs:
        pytest.skip("a kernel regressor is no net")
    y = Y.copy()
    before = torch.get_rng_state()
    for n_labels in (13, 16):
        picks, utilities = call_func(
            strategy(name).query,
            X=X,
            y=y,
            reg=make(),
            fit_reg=True,
            batch_size=3,
            return_utilities=True,
        )
        assert (np.isnan(utilities[0]) == ~np.isnan(y)).all()
        y[picks] = TARGET[picks]
        assert (~np.isnan(y)).sum() == n_labels
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("make", [net, wrapped, piped])
@pytest.mark.parametrize("name", FOR_REGRESSION)
def test_equal_seeds_equal_picks(name, make):
    first, second = (
        strategy(name).query(X, Y, reg=make(), batch_size=5, return_utilities=True)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("make", [net, wrapped])
@pytest.mark.parametrize("name", FOR_REGRESSION)
def test_without_a_first_target(name, make):
    with pytest.warns(UserWarning, match="has seen no label|draws at random"):
        picks = strategy(name).query(X, np.full(40, np.nan), reg=make(), batch_size=4)
    assert len(set(picks)) == 4


@pytest.mark.parametrize("name", ["DiffusionAL", "ProbCover"])
def test_what_reads_classes_takes_no_regressor(name):
    with pytest.raises(TypeError, match="reads labels as classes"):
        strategy(name).query(X, Y, reg=net())


@pytest.mark.slow
def test_distances_are_those_of_the_nets_embeddings():
    reg = net().fit(X[:10], TARGET[:10, None].astype(np.float32))
    _, utilities = strategy("CoreSet").query(
        X, Y, reg=reg, fit_reg=False, return_utilities=True
    )
    with torch.no_grad():
        embedding = reg.module_.layers[:-1].eval()(torch.as_tensor(X))
    _, expected = k_center_greedy(embedding[10:], embedding[:10], 1)
    np.testing.assert_allclose(utilities[0, 10:], expected[0], rtol=1e-3, atol=1e-5)


def test_the_net_is_fitted_to_the_labelled_targets():
    seen = []

    class Recording(NeuralNetRegressor):
        def fit(self, X, y, **params):
            seen.append((X, y))
            return super().fit(X, y, **params)

    given = Recording(MLP, **NET, max_epochs=1, train_split=None, verbose=0)
    strategy("CoreSet").query(X, Y, reg=given)
    [(rows, targets)] = seen
    order = training_order(X, np.arange(10), Y)
    assert set(order) == set(range(10))
    np.testing.assert_array_equal(rows, X[order])
    np.testing.assert_array_equal(targets, TARGET[order, None].astype(np.float32))
    assert not hasattr(given, "module_")


def test_a_regressor_without_embeddings_leaves_the_inputs():
    core_set = strategy("CoreSet")
    np.testing.assert_array_equal(
        core_set.query(X, Y, reg=RandomForestRegressor(), batch_size=4),
        core_set.query(X, Y, batch_size=4),
    )


def test_an_unfitted_regressor_is_refused():
    for make in (net, wrapped):
        with pytest.raises(NotFittedError, match="fit_reg=True"):
            strategy("CoreSet").query(X, Y, reg=make(), fit_reg=False)


def test_missing_labels_must_agree():
    """Minus one lies among the targets, which is said first."""
    with (
        pytest.warns(UserWarning, match="among the targets"),
        pytest.raises(ValueError, match="missing_label"),
    ):
        CoreSet().query(X, np.where(np.isnan(Y), -1, Y), reg=wrapped())


def test_what_is_passed_in_the_wrong_place_is_named():
    with pytest.raises(
        CapabilityError, match="BALD needs predict_variance of reg; Neural"
    ):
        BALD(missing_label=np.nan).query(X, Y, reg=net())
    with pytest.raises(TypeError, match="NeuralNetRegressor is a regressor: pass"):
        strategy("CoreSet").query(X, Y, net())
    with pytest.raises(TypeError, match="reg must be a regressor"):
        strategy("CoreSet").query(X, Y, reg=LogisticRegression())
    with pytest.raises(ValueError, match="not both"):
        strategy("CoreSet").query(X, Y, small_classifier(False, np.nan), reg=net())
    with pytest.raises(TypeError, match="fit_reg must be True or False"):
        strategy("CoreSet").query(X, Y, reg=net(), fit_reg=1)


@pytest.mark.parametrize("wrong", [np.nan, "state", object(), LogisticRegression()])
def test_what_is_no_regressor_is_said_first(wrong):
    """Beside a classifier, too."""
    for clf in (None, LogisticRegression()):
        with pytest.raises(TypeError, match="reg must be a regressor"):
            CoreSet().query(X[:9], np.arange(9) % 2, clf, reg=wrong, candidates=[1, 2])
