"""Rows that a net's own data set reads differently each time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import Dataset

from skal_deep.modules import isolated_rng


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
        A few rows.
    """
    if net.dataset is Dataset or not callable(net.dataset) or not len(X):
        return
    with isolated_rng(0):
        first, again = _twice(net.get_dataset(X))
    with isolated_rng(1):
        elsewhere, _ = _twice(net.get_dataset(X[::-1]))
    if _are_equal(first, again) and _are_equal(first, elsewhere[::-1]):
        return
    raise ValueError(
        f"Reading a row twice from the net's data set {net.dataset.__name__} gives "
        "two inputs, so that predictions would change from call to call. It must not "
        "augment rows that are scored: there it gets no y. Augment in __getitem__ only "
        "if y was given, or in iterator_train__collate_fn, or in the module's forward "
        "while self.training."
    )


def _twice(dataset: Any) -> tuple[list[Any], list[Any]]:
    """Return the inputs that a data set makes, read twice in a row."""
    inputs = [(dataset[n][0], dataset[n][0]) for n in range(len(dataset))]
    return [one for one, _ in inputs], [other for _, other in inputs]


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
