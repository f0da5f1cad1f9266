"""How a net's own data set is read: for scoring always alike, for training as it is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import Dataset
from torch.utils.data import Subset

from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.modules import isolated_rng

# What augments changes one of so many reads, unless it hardly ever does.
N_READ_ROWS = 16


def first_input(net: NeuralNet, X: NDArray[Any]) -> Any:
    """Return the input that the net's data set makes of the first row."""
    with isolated_rng():
        return net.get_dataset(X[:1])[0][0]


def check_reading(net: NeuralNet, X: NDArray[Any]) -> None:
    """Refuse a data set, the user's own, that augments rows which are to be scored.

    Random changes in ``__getitem__`` would reach predictions, embeddings and draws:
    a row would be another one each time it is looked at, and wherever it stands.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net; it need not be initialised.
    X : ndarray of shape (n_samples, ...)
        Rows, of which a few are read.
    """
    X = X[:N_READ_ROWS]
    collate = net.get_params_for("iterator_valid").get("collate_fn")
    is_own = net.dataset is not Dataset or collate is not None
    if not (is_own and callable(net.dataset) and len(X)):
        return
    # Two seeds and two orders: whatever an augmentation depends on, the generator, the
    # number of reads or the place of a row, shows in one of the comparisons.
    with isolated_rng(0):
        first, again = _twice(net.get_dataset(X), collate)
    with isolated_rng(1):
        elsewhere, _ = _twice(net.get_dataset(X[::-1]), collate)
    if _are_equal(first, again) and _are_equal(first, elsewhere[::-1]):
        return
    name = getattr(net.dataset, "__name__", repr(net.dataset))
    raise ValueError(
        f"Reading a row twice from the net's data set {name} gives two inputs, so that "
        "predictions would change from call to call. It must not augment rows that are "
        "scored: there it gets no y. Give it a method `training` that returns a data "
        "set which augments, as skal_deep.datasets.ImageFiles has, or augment in "
        "iterator_train__collate_fn, or in the module's forward while self.training."
    )


@contextmanager
def training_reads(net: NeuralNet) -> Iterator[None]:
    """Let a net's training read its data set as for training, if that has two ways.

    Such a data set has a method ``training``, which returns another that augments, as
    :class:`~skal_deep.datasets.ImageFiles` has. Validation parts are read for scoring.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    """

    def get_iterator(dataset: Any, training: bool = False) -> Any:
        return own(_for_training(dataset) if training else dataset, training=training)

    own = net.get_iterator
    with replace_methods(net, get_iterator=get_iterator):
        yield


def _for_training(dataset: Any) -> Any:
    """Return a data set, or a part of one, as it is read for training."""
    if isinstance(dataset, Subset):
        return Subset(_for_training(dataset.dataset), dataset.indices)
    training = getattr(dataset, "training", None)
    return training() if callable(training) else dataset


def _twice(dataset: Any, collate: Any) -> tuple[list[Any], list[Any]]:
    """Return the inputs that are made of rows to be scored, read twice in a row."""

    def read(row: int) -> Any:
        item = dataset[row]
        return item[0] if collate is None else collate([item])[0]

    pairs = [(read(row), read(row)) for row in range(len(dataset))]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _are_equal(one: Any, other: Any) -> bool:
    """Compare inputs of any structure, array by array; NaN equals NaN."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(
            _are_equal(one[key], other[key]) for key in one
        )
    if isinstance(one, Sequence) and not isinstance(one, str | bytes):
        return len(one) == len(other) and all(map(_are_equal, one, other))
    if isinstance(one, torch.Tensor | np.ndarray | np.generic | float):
        one, other = np.asarray(one), np.asarray(other)
        is_float = one.dtype.kind in "fc"
        return one.shape == other.shape and np.array_equal(
            one, other, equal_nan=is_float
        )
    return bool(one == other)
