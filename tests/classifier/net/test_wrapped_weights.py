"""Weights of rows for a net in scikit-activeml's wrapper."""

import numpy as np
import pytest
import torch
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from support import make_net
from torch import nn

from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.modules import isolated_rng
from skal_deep.pool import MarginSampling


class Line(nn.Module):
    """A linear model that starts at zero, so that no seed matters."""

    def __init__(self, n_outputs=3):
        super().__init__()
        self.layer = nn.Linear(2, n_outputs)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x):
        return self.layer(x)


NET = make_net(Line, optimizer=torch.optim.SGD, batch_size=-1, max_epochs=5, lr=0.1)


def wrapped():
    return SkorchClassifier(
        NET.module,
        nn.CrossEntropyLoss,
        neural_net_param_dict={
            name: getattr(NET, name)
            for name in ("optimizer", "batch_size", "max_epochs", "lr", "train_split")
        }
        | {"verbose": 0},
        classes=[0, 1, 2],
        missing_label=-1,
        random_state=0,
        forward_outputs={"proba": (0, nn.Softmax(dim=-1))},
    )


def test_whole_weights_are_copies_of_rows(partly):
    X, y = partly
    weight = np.where(y == -1, 7, 1 + np.arange(len(y)) % 3)  # gaps do not count
    copies = np.repeat(np.arange(len(y)), weight)
    with isolated_rng(0):
        found = fit_on_labeled(wrapped(), X, y, -1, weight).predict_proba(X)
        expected = fit_on_labeled(wrapped(), X[copies], y[copies]).predict_proba(X)
        plain = fit_on_labeled(wrapped(), X, y).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - plain).max() > 1e-3


def test_rows_of_weight_zero_are_none(partly):
    X, y = partly
    weight = np.ones(len(y))
    weight[:3] = 0
    with isolated_rng(0):
        found = fit_on_labeled(wrapped(), X, y, -1, weight).predict_proba(X)
        expected = fit_on_labeled(wrapped(), X[3:], y[3:]).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("model", [wrapped(), NET])
def test_weights_that_are_all_zero(model, partly):
    X, y = partly
    weight = (y == -1).astype(float)
    with pytest.raises(ValueError, match="zero for every labelled row"):
        fit_on_labeled(model, X, y, -1, weight)


def test_queries_pass_weights_on(partly):
    X, y = partly
    weight = np.where(y == 0, 100.0, 1.0)
    queries = [
        MarginSampling(random_state=0).query(
            X, y, wrapped(), sample_weight=w, return_utilities=True
        )[1]
        for w in (None, weight)
    ]
    assert np.nanmax(np.abs(queries[0] - queries[1])) > 1e-3


def test_a_wrapped_regressor(blobs):
    X, _ = blobs
    y = X @ [1.0, -2.0]
    y[40:] = np.nan
    reg = SkorchRegressor(
        Line,
        nn.MSELoss,
        neural_net_param_dict={
            "module__n_outputs": 1,
            "max_epochs": 3,
            "lr": 0.01,
            "batch_size": -1,
            "train_split": None,
            "verbose": 0,
        },
        random_state=0,
    )
    weight = 1 + np.arange(len(y)) % 3
    copies = np.repeat(np.arange(len(y)), weight)
    found = fit_on_labeled(reg, X, y, np.nan, weight).predict(X)
    expected = fit_on_labeled(reg, X[copies], y[copies], np.nan).predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
