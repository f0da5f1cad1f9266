"""Regressors over nets take every kind of rows that their nets take."""

import numpy as np
import pytest
import torch
from scipy import sparse
from skorch import NeuralNetRegressor
from torch import nn

from skal_deep.classifier import (
    BayesianLinearRegressor,
    DeepEnsembleRegressor,
    LaplaceRegressor,
    MCDropoutRegressor,
    PBPRegressor,
    SWAGRegressor,
)
from skal_deep.datasets import ImageFiles
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.modules import MLP
from skal_deep.pool import BALD, LCMD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
T = X @ np.array([1.0, 2.0, 0.5, 0.0])
Y = np.where(np.arange(40) < 20, T, np.nan)
MAKERS = {
    "dropout": MCDropoutRegressor,
    "ensemble": lambda net, **kw: DeepEnsembleRegressor(net, n_estimators=2, **kw),
    "laplace": LaplaceRegressor,
    "swag": lambda net, **kw: SWAGRegressor(net, n_collected=3, **kw),
}


class Joined(nn.Module):
    """A net of two inputs by name, or of one."""

    def __init__(self, n_features=4):
        super().__init__()
        self.hidden, self.out = nn.Linear(n_features, 8), nn.Linear(8, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, left, right):
        hidden = self.hidden(torch.cat([left, right], dim=1))
        return self.out(self.dropout(torch.relu(hidden)))


class Shade(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 8), nn.Linear(8, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x):
        hidden = torch.sigmoid(self.hidden(x.mean((2, 3))))
        return self.out(self.dropout(hidden))


def net(module, **params):
    return NeuralNetRegressor(
        module, max_epochs=3, train_split=None, verbose=0, **params
    )


def asked(reg, X, y=Y):
    """Return what a fit predicts, and what a query and a simulation pick."""
    mean, std = reg.fit(X, y).predict(X, return_std=True)
    picks = LCMD(random_state=0).query(X, y, reg=reg, batch_size=3)
    BALD(random_state=0).query(X, y, reg=reg, batch_size=3)
    known = np.where(np.isnan(y), 0.0, y)
    options = {"n_initial": 5, "batch_size": 3, "n_cycles": 1, "random_state": 0}
    learner = SimulatedActiveLearner(reg, LCMD(), **options).fit(X, known)
    return mean, std, picks, learner.query_indices_[-1]


@pytest.mark.parametrize("kind", MAKERS)
def test_dicts(kind):
    parts = {"left": X[:, :3], "right": X[:, 3:]}
    reg = MAKERS[kind](net(Joined), random_state=0, noise=0.1)
    mean, std, picks, queried = asked(reg, parts)
    assert mean.shape == std.shape == (40,)
    assert (picks >= 20).all()
    assert len(queried) == 3
    order = RNG.permutation(40)
    turned = {name: part[order] for name, part in parts.items()}
    again = LCMD(random_state=0).query(turned, Y[order], reg=reg, batch_size=3)
    assert order[again].tolist() == picks.tolist()
    with pytest.raises(ValueError, match="The rows of X have shape"):
        reg.predict({"left": X, "right": X})


@pytest.mark.parametrize("kind", MAKERS)
def test_names_of_files(kind, tmp_path):
    image = pytest.importorskip("PIL.Image")
    shades = np.linspace(0, 255, 40).astype(int).tolist()
    for shade in shades:
        image.new("RGB", (4, 4), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
    names = np.array([str(tmp_path / f"{shade}.png") for shade in shades], object)
    given = net(Shade, dataset=ImageFiles)
    reg = MAKERS[kind](given, random_state=0, noise=0.1)
    y = np.where(np.arange(40) % 2, np.array(shades) / 255, np.nan)
    mean, std, picks, _ = asked(reg, names, y)
    assert mean.shape == std.shape == (40,)
    assert (picks % 2 == 0).all()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("rows", ["dicts", "files"])
def test_before_the_first_label(kind, rows, tmp_path):
    if rows == "dicts":
        given, data = net(Joined), {"left": X[:6, :3], "right": X[:6, 3:]}
    else:
        image = pytest.importorskip("PIL.Image")
        image.new("RGB", (4, 4), (90, 0, 0)).save(tmp_path / "a.png")
        data = np.array([str(tmp_path / "a.png")] * 6, object)
        given = net(Shade, dataset=ImageFiles)
    reg = MAKERS[kind](given, random_state=0, noise=0.1)
    with pytest.warns(UserWarning, match="has no label"):
        reg.fit(data, np.full(6, np.nan))
    _, std = reg.predict(data, return_std=True)
    assert (std > 0).all()


@pytest.mark.parametrize("kind", [*MAKERS, "linear", "pbp"])
def test_sparse_rows_and_tables_are_those_of_the_array(kind):
    pd = pytest.importorskip("pandas")
    small = np.where(np.abs(X) > 0.5, X, 0)
    if kind == "linear":
        reg = BayesianLinearRegressor()
    elif kind == "pbp":
        reg = PBPRegressor(n_hidden=5, n_epochs=2, random_state=0)
    else:
        given = net(MLP, module__n_classes=1)
        reg = MAKERS[kind](given, random_state=0, noise=0.1)
    plain = reg.fit(small, Y).predict(small)
    csr = sparse.csr_matrix(small)
    np.testing.assert_array_equal(reg.fit(csr, Y).predict(csr), plain)
    nullable = pd.DataFrame(small, columns=list("abcd")).convert_dtypes()
    np.testing.assert_allclose(
        reg.fit(nullable, Y).predict(nullable), plain, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["laplace", "linear"])
def test_rows_that_cannot_be_learned_are_named(kind):
    given = net(MLP, module__n_classes=1)
    reg = BayesianLinearRegressor() if kind == "linear" else LaplaceRegressor(given)
    masked = np.ma.masked_greater(X, 1)
    with pytest.raises(ValueError, match="X is masked"):
        reg.fit(masked, Y)
    with pytest.raises(ValueError, match="X is masked"):
        reg.fit(X, Y).predict(masked)
    texts = np.array([f"flat {i}" for i in range(40)], dtype=object)
    with pytest.raises(ValueError, match=r"needs rows of numbers.*Pipeline"):
        reg.fit(texts, Y)
    with pytest.raises(ValueError, match=r"needs rows of numbers.*Pipeline") as caught:
        LCMD().query(texts, Y, reg=reg)
    assert "scikit-activeml" not in str(caught.value)
    with pytest.raises(ValueError, match="Reshape your data"):
        reg.fit(X[:, 0], Y)
