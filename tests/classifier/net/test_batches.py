"""Mini-batches of prediction: as skorch makes them, in fewer steps."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.dataset import Dataset
from torch.utils.data import default_collate

from skal_deep.classifier.net._batches import batches
from skal_deep.modules import MLP

X = np.arange(44, dtype=np.float32).reshape(11, 4)


def initialized(**params):
    return NeuralNetClassifier(MLP, module__n_classes=2, **params).initialize()


@pytest.mark.parametrize("size", [1, 4, 11, 50, -1])
def test_rows_fetched_together_are_those_fetched_one_by_one(size):
    together = [*batches(initialized(iterator_valid__batch_size=size), X)]
    loader = {"iterator_valid__batch_size": size}
    loader["iterator_valid__collate_fn"] = default_collate
    one_by_one = [*batches(initialized(**loader), X)]
    assert len(together) == len(one_by_one)
    for (rows, _), (expected, _) in zip(together, one_by_one, strict=True):
        assert rows.dtype == expected.dtype
        assert torch.equal(rows, expected)


def locked(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


STORED = {
    "in reverse": lambda: X[::-1].copy()[::-1],
    "columns in reverse": lambda: X[:, ::-1].copy()[:, ::-1],
    "every other": lambda: np.repeat(X, 2, axis=0)[::2],
    "by columns": lambda: np.asfortranarray(X),
    "locked": lambda: locked(X),
    "one for all": lambda: np.broadcast_to(X[:1], X.shape),
}


@pytest.mark.parametrize("how", STORED)
def test_rows_are_the_same_however_they_are_stored(how):
    stored = STORED[how]()
    expected = np.broadcast_to(X[:1], X.shape) if how == "one for all" else X
    net = initialized(iterator_valid__batch_size=4)
    rows = torch.cat([rows for rows, _ in batches(net, stored)])
    np.testing.assert_array_equal(rows, expected)


def test_an_array_is_asked_once_a_batch(monkeypatch):
    asked = []
    get = Dataset.__getitem__
    monkeypatch.setattr(
        Dataset, "__getitem__", lambda self, i: asked.append(i) or get(self, i)
    )
    assert len([*batches(initialized(iterator_valid__batch_size=4), X)]) == 3
    assert asked == [slice(0, 4), slice(4, 8), slice(8, 11)]


def test_the_memory_of_an_array_is_left_alone():
    """A forward may change its input in place."""
    before = X.copy()
    for rows, _ in batches(initialized(), X):
        rows.zero_()
    np.testing.assert_array_equal(X, before)


def test_a_loader_of_the_users_own_is_used_as_it_is():
    seen = []

    def collate(rows):
        seen.append(len(rows))
        return default_collate(rows)

    loader = {"iterator_valid__collate_fn": collate, "iterator_valid__batch_size": 4}
    assert len([*batches(initialized(**loader), X)]) == 3
    assert seen == [4, 4, 3]


# skorch warns of one of them, and predicts
@pytest.mark.filterwarnings("ignore:You set iterator_valid__shuffle")
@pytest.mark.parametrize("name", ["shuffle", "drop_last"])
def test_loaders_that_mix_up_or_lose_rows_are_refused(name):
    net = initialized(**{f"iterator_valid__{name}": True})
    with pytest.raises(ValueError, match=f"iterator_train__{name}"):
        next(batches(net, X))
