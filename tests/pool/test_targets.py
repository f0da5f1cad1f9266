"""Targets of a regression meet predictions of the same shape."""

import numpy as np
import pytest
import torch
from skactiveml.regressor import SkorchRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skal_deep.classifier import fit_on_labeled
from skal_deep.pool import LCMD, CoreSet, MarginSampling

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3)).astype(np.float32)
WEIGHTS = np.array([[2.0, -1.0], [0.5, 3.0], [-1.0, 0.0]])
TARGETS = X @ WEIGHTS + 1
KNOWN = np.arange(80) < 60


class Linear(nn.Module):
    """Returns targets in a shape of one's choice."""

    def __init__(self, shape=(1,)):
        super().__init__()
        self.shape = shape
        self.layer = nn.Linear(3, int(np.prod(shape)))

    def forward(self, x):
        return self.layer(x).reshape(len(x), *self.shape)


class Double(Linear):
    def __init__(self, shape=(1,)):
        super().__init__(shape)
        self.double()


def net(module=Linear, shape=(1,), kind=NeuralNetRegressor, **params):
    settings = {"lr": 0.1, "max_epochs": 60, "verbose": 0, "batch_size": 20}
    return kind(module, module__shape=shape, **(settings | params))


def fitted(reg, X, targets):
    y = targets.copy().astype(float)
    y[~KNOWN] = np.nan
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fit_on_labeled(reg, X, y, np.nan)


def quality(reg, X, targets):
    predicted = reg.predict(X).reshape(len(X), -1)
    return r2_score(targets.reshape(len(X), -1)[~KNOWN], predicted[~KNOWN])


@pytest.mark.parametrize("train_split", [None, NeuralNetRegressor(Linear).train_split])
@pytest.mark.parametrize("module", [Linear, Double])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "targets"),
    [
        ((), TARGETS[:, 0]),
        ((1,), TARGETS[:, 0]),
        ((), TARGETS[:, :1]),
        ((1,), TARGETS[:, :1]),
        ((2,), TARGETS),
        ((2, 1), TARGETS),
    ],
)
def test_nets_learn_targets_of_any_shape(shape, targets, dtype, module, train_split):
    reg = net(module, shape, train_split=train_split)
    reg = fitted(reg, X.astype(dtype), targets)
    dtype = np.float64 if module is Double else np.float32
    assert quality(reg, X.astype(dtype), targets) > 0.99


@pytest.mark.parametrize("shape", [(), (1,)])
def test_wrapped_nets_learn(shape):
    reg = SkorchRegressor(
        Linear,
        neural_net_param_dict={
            "module__shape": shape,
            "lr": 0.1,
            "max_epochs": 60,
            "verbose": 0,
            "batch_size": 20,
            "train_split": None,
        },
    )
    assert quality(fitted(reg, X, TARGETS[:, 0]), X, TARGETS[:, 0]) > 0.99


@pytest.mark.slow
def test_the_net_at_the_end_of_a_pipeline_learns():
    pipeline = make_pipeline(StandardScaler(), net(shape=()))
    rows = X.astype(np.float64) * 1000
    reg = fitted(pipeline, rows, TARGETS[:, 0])
    scaled = reg[:-1].transform(rows).astype(np.float32)
    assert quality(reg[-1], scaled, TARGETS[:, 0]) > 0.99


@pytest.mark.parametrize(
    ("shape", "targets", "words"),
    [((1,), TARGETS, "returns 1 values"), ((2,), TARGETS[:, 0], "returns 2 values")],
)
def test_another_number_of_targets_is_named(shape, targets, words):
    with pytest.raises(ValueError, match=f"Linear {words} a row, but a row of y has"):
        fitted(net(shape=shape), X, targets)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [CoreSet, LCMD])
@pytest.mark.parametrize("reg", [net(shape=(2,)), LinearRegression()])
def test_queries_with_several_targets(strategy, reg):
    y = TARGETS.copy()
    y[~KNOWN] = np.nan
    picks, utilities = strategy(missing_label=np.nan, random_state=0).query(
        X, y, reg=reg, batch_size=3, return_utilities=True
    )
    assert not KNOWN[picks].any()
    assert utilities.shape == (3, 80)
    np.testing.assert_array_equal(np.isnan(utilities[0]), KNOWN)
    y[70, 1] = 0
    with pytest.raises(ValueError, match="Row 70 of y has some targets"):
        strategy(missing_label=np.nan).query(X, y, reg=reg)
    with pytest.raises(ValueError, match="nothing left to query"):
        strategy(missing_label=np.nan).query(X, TARGETS, reg=reg)


@pytest.mark.slow
def test_bare_classifiers_take_rows_in_double_precision():
    y = np.where(KNOWN, TARGETS[:, 0] > 1, -1)
    clf = net(shape=(2,), kind=NeuralNetClassifier, criterion=nn.CrossEntropyLoss)
    picks = MarginSampling(random_state=0).query(X.astype(np.float64), y, clf)
    assert not KNOWN[picks].any()


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_marker_that_may_be_a_target_is_said(n_targets):
    y = np.linspace(-3, 3, 13)  # one of them is -1
    y = y if n_targets == 1 else np.column_stack([y, y])
    X = np.arange(13.0)[:, None]
    with pytest.warns(UserWarning, match=r"missing_label=-1 .*lies among the targets"):
        LCMD(random_state=0).query(X, y, reg=Ridge())
    above = np.where(y == -1, -1, 4 + y)  # no target is below the marker
    LCMD(random_state=0).query(X, above, reg=Ridge())
