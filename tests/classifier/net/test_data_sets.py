"""Data sets of the user's own: read twice, a row must be the same."""

import random

import numpy as np
import pytest
import torch
from support import make_net
from torch.utils.data import default_collate

from skal_deep.classifier import DeepClassifier, MCDropoutClassifier, fit_on_labeled
from skal_deep.modules import MLP, ConvNet
from skal_deep.pool import MarginSampling

ROWS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
IMAGES = ROWS.repeat(48, 1).reshape(60, 3, 8, 8)
LABELS = (ROWS.mean(1) > 0).astype(int)
POSITIONS = np.arange(60)[:, None]


class Rows(torch.utils.data.Dataset):
    """Loads the row at a position."""

    data = ROWS

    def __init__(self, X, y=None):
        self.positions = np.asarray(X).ravel()
        self.is_training = y is not None
        self.y = np.zeros(len(self.positions), int) if y is None else y

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, i):
        return self.augmented(self.data[self.positions[i]], i), self.y[i]

    def augmented(self, row, i):
        return row


class ByTorch(Rows):
    def augmented(self, row, i):
        return row + torch.randn(4).numpy()


class ByNumpy(Rows):
    def augmented(self, row, i):
        return row[::-1].copy() if np.random.rand() < 0.5 else row


class ByPython(Rows):
    def augmented(self, row, i):
        return row * random.choice([1, -1])


class ByItsOwn(Rows):
    """Has a generator of its own, which starts afresh with each data set."""

    def __init__(self, X, y=None):
        super().__init__(X, y)
        self.rng = np.random.default_rng(0)

    def augmented(self, row, i):
        return row + self.rng.normal(size=4).astype(np.float32)


class ByPlace(Rows):
    """Augments by where the row stands among those that are read."""

    def augmented(self, row, i):
        return row + np.random.default_rng(i).normal(size=4).astype(np.float32)


class Nested(Rows):
    """One of several inputs is augmented."""

    def augmented(self, row, i):
        return {"x": row, "more": [torch.zeros(1), torch.rand(1)]}


class OnlyInTraining(ByTorch):
    """The right way: rows that are scored come without y."""

    def augmented(self, row, i):
        return super().augmented(row, i) if self.is_training else row


class HasNaN(Rows):
    def augmented(self, row, i):
        return {"x": row, "more": np.full(2, np.nan)}


def net(dataset, module=MLP, **params):
    return make_net(module, dataset=dataset, **params)


@pytest.mark.parametrize(
    "dataset", [ByTorch, ByNumpy, ByPython, ByItsOwn, ByPlace, Nested]
)
def test_data_sets_that_augment_rows_which_are_scored_are_refused(make, dataset):
    clf = make(net(dataset, module__n_features=4), classes=[0, 1])
    with pytest.raises(ValueError, match=f"Reading a row twice .* {dataset.__name__}"):
        clf.fit(POSITIONS, LABELS)
    if make.kind == "deep":
        y = np.where(POSITIONS[:, 0] < 20, LABELS, -1)
        bare = net(dataset, module__n_features=4, module__n_classes=2)
        for query in (
            lambda: MarginSampling().query(POSITIONS, y, clf),
            lambda: MarginSampling().query(POSITIONS, y, bare),
            lambda: fit_on_labeled(bare, POSITIONS, y),
        ):
            with pytest.raises(ValueError, match="Reading a row twice"):
                query()


def test_mini_batches_that_augment_rows_which_are_scored_are_refused(make):
    params = {"iterator_valid__collate_fn": augmenting, "module__n_features": 4}
    clf = make(net(Rows, **params), classes=[0, 1])
    with pytest.raises(ValueError, match="Reading a row twice"):
        clf.fit(POSITIONS, LABELS)
    clf = make(make_net(iterator_valid__collate_fn=augmenting), classes=[0, 1])
    with pytest.raises(ValueError, match="Reading a row twice"):
        clf.fit(ROWS, LABELS)


def test_fitted_bare_nets_are_looked_at():
    y = np.where(POSITIONS[:, 0] < 20, LABELS, -1)
    bare = net(ByTorch, module__n_features=4, module__n_classes=2)
    bare.fit(POSITIONS, LABELS)
    with pytest.raises(ValueError, match="Reading a row twice"):
        MarginSampling().query(POSITIONS, y, bare, fit_clf=False)


class Pair(MLP):
    def forward(self, x, more):
        return super().forward(x)


@pytest.mark.slow
def test_what_is_no_augmentation_passes():
    clf = DeepClassifier(net(HasNaN, Pair, module__n_features=4), classes=[0, 1])
    assert clf.fit(POSITIONS, LABELS).predict_proba(POSITIONS).shape == (60, 2)


def augmenting(batch):
    x, y = default_collate(batch)
    return x + 0.1 * torch.randn_like(x), y


@pytest.mark.slow
@pytest.mark.parametrize(
    "params", [{"dataset": OnlyInTraining}, {"iterator_train__collate_fn": augmenting}]
)
def test_the_right_ways(params):
    clf = MCDropoutClassifier(
        net(**({"dataset": Rows, "module__n_features": 4} | params)),
        n_samples=5,
        classes=[0, 1],
        random_state=0,
    ).fit(POSITIONS, LABELS)
    whole = clf.predict_proba(POSITIONS)
    np.testing.assert_allclose(clf.predict_proba(POSITIONS[::-1])[::-1], whole, 1e-5)
    np.testing.assert_array_equal(clf.predict_proba(POSITIONS), whole)


class Images(Rows):
    data = IMAGES


@pytest.mark.slow
def test_sizes_are_those_of_the_inputs(make):
    """Not of the positions, (n, 1), that stand for them."""
    clf = make(net(Rows), classes=[0, 1]).fit(POSITIONS, LABELS)
    assert clf.nets_[0].module_.layers[1].in_features == 4
    clf = make(net(Images, ConvNet, module__n_hidden=8, lr=0.003), classes=[0, 1])
    clf.fit(POSITIONS, np.where(POSITIONS[:, 0] < 9, LABELS, -1))
    assert clf.predict_proba(POSITIONS).shape == (60, 2)


def test_looking_moves_no_generator():
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    with pytest.raises(ValueError, match="Reading a row twice"):
        fit_on_labeled(net(ByNumpy), POSITIONS, LABELS)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
