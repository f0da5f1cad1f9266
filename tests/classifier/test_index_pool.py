"""Pools larger than memory: X holds positions in a data set that loads inputs."""

import numpy as np
import pytest
import torch
from support import MAKERS, make_net

from skal_deep.classifier import MCDropoutClassifier
from skal_deep.modules import ConvNet
from skal_deep.pool import BALD, Badge, CoreSet, MarginSampling

IMAGES = np.random.default_rng(0).normal(size=(40, 3, 8, 8)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(int)
BATCHES = []


class Lazy(torch.utils.data.Dataset):
    """Loads an image when asked for its position."""

    def __init__(self, X, y=None):
        self.positions = np.asarray(X).ravel()
        self.y = np.zeros(len(self.positions), int) if y is None else y

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, i):
        return IMAGES[self.positions[i]], self.y[i]


class Counting(ConvNet):
    def forward(self, x):
        BATCHES.append(len(x))
        return super().forward(x)


def net(module=ConvNet):
    return make_net(
        module, module__n_channels=3, module__n_hidden=8, dataset=Lazy, lr=0.003
    )


X = np.arange(40)[:, None]
Y = np.where(np.arange(40) < 10, LABELS, -1)


@pytest.mark.slow
def test_positions_stand_for_images():
    for make in MAKERS.values():
        lazy = make(net(), classes=[0, 1], random_state=0).fit(X, Y, np.ones(40))
        eager = make(
            make_net(ConvNet, module__n_hidden=8, lr=0.003),
            classes=[0, 1],
            random_state=0,
        ).fit(IMAGES, Y, np.ones(40))
        np.testing.assert_allclose(
            lazy.predict_proba(X), eager.predict_proba(IMAGES), atol=1e-5
        )


@pytest.mark.slow
def test_strategies_take_positions():
    clf = MCDropoutClassifier(net(), n_samples=5, classes=[0, 1], random_state=0)
    for strategy in (BALD(random_state=0), Badge(random_state=0), CoreSet()):
        picks = strategy.query(X, Y, clf, batch_size=4)
        assert (Y[picks] == -1).all()


@pytest.mark.slow
def test_mini_batches_stay_as_large_as_the_user_said():
    clf = MCDropoutClassifier(net(Counting), n_samples=2, classes=[0, 1]).fit(X, Y)
    BATCHES.clear()
    clf.predict_proba(X)
    assert max(BATCHES) <= 16


def test_positions_of_one_axis_are_told_what_to_do(make, partly):
    X, y = partly
    fitted = make().fit(X, y)
    positions, advice = np.arange(len(y)), r"np\.reshape\(X, \(-1, 1\)\)"
    for rows in (positions, positions.tolist(), positions.astype(float)):
        for call in (
            lambda rows=rows: make().fit(rows, y),
            lambda rows=rows: fitted.predict(rows),
            lambda rows=rows: MarginSampling().query(rows, y, make()),
            lambda rows=rows: MarginSampling().query(rows, y, fitted, fit_clf=False),
        ):
            with pytest.raises(ValueError, match=advice):
                call()
