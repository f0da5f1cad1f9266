"""A loader of rows in memory that takes the mini-batches of torch's at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Subset

# Settings of a loader that decide which rows a mini-batch has, and nothing else.
_ORDERS = {"batch_size", "shuffle", "drop_last"}


def quick_iterator(
    made: Callable[..., Any], dataset: Any, training: bool = False
) -> "DataLoader[Any] | ArrayLoader":
    """Return skorch's loader, or one that takes the same mini-batches at once."""
    loader = made(dataset, training=training)
    data = dataset.dataset if type(dataset) is Subset else dataset
    net = made.__self__  # type: ignore[attr-defined]
    params = net.get_params_for("iterator_train" if training else "iterator_valid")
    is_plain = (
        type(loader) is DataLoader
        and params.keys() <= _ORDERS
        and _reads_plainly(data)
        and len(dataset) > 0
        and type(loader.batch_sampler) is BatchSampler
    )
    if not is_plain:
        return loader
    try:
        quick = ArrayLoader(loader, dataset, data)
        ends = [0, len(dataset) - 1]
        is_same = _are_equal(
            quick.take(torch.tensor(ends)),
            loader.collate_fn([dataset[row] for row in ends]),
        )
    except (TypeError, ValueError, RuntimeError, IndexError):  # of another kind
        return loader
    return quick if is_same else loader


def _reads_plainly(data: Any) -> bool:
    """Return whether a data set yields the rows that it was given."""
    return type(data) is Dataset and "transform" not in vars(data)


def _as_tensor(rows: Any) -> Any:
    if isinstance(rows, Mapping):
        return {name: _as_tensor(part) for name, part in rows.items()}
    if getattr(getattr(rows, "flags", None), "writeable", True):
        return torch.as_tensor(rows)
    return torch.tensor(rows)  # torch wants to own what it could write to


def _are_equal(batch: Any, other: Any) -> bool:
    """Return whether mini-batches are of the same types and numbers."""
    if isinstance(batch, list | Mapping):
        if type(batch) is not type(other) or len(batch) != len(other):
            return False
        keys = batch.keys() if isinstance(batch, Mapping) else range(len(batch))
        return all(_are_equal(batch[key], other[key]) for key in keys)
    return (
        isinstance(other, Tensor)
        and batch.dtype == other.dtype
        and batch.shape == other.shape
        and torch.equal(batch.nan_to_num(), other.nan_to_num())
    )


class ArrayLoader:
    """A DataLoader that takes the rows of a mini-batch out of tensors at once.

    Parameters
    ----------
    loader : DataLoader
        It decides which rows make a mini-batch.
    dataset : Dataset or Subset
        What it loads.
    data : Dataset
        The whole of it, which has inputs and targets: arrays, or dicts of arrays.
    """

    def __init__(
        self,
        loader: "DataLoader[Any]",
        dataset: "Dataset | Subset[Any]",
        data: Dataset,
    ):
        self._loader, self._dataset, self._data = loader, dataset, data
        self._given = data.X, data.y
        self._columns = [_as_tensor(rows) for rows in self._given]
        self._positions = self._read_positions()

    def _read_positions(self) -> Tensor | None:
        """Return which rows the loader counts; ``None`` are all."""
        if not isinstance(self._dataset, Subset):
            return None
        positions = torch.as_tensor(self._dataset.indices)
        # as rows of arrays are counted
        return torch.where(positions < 0, positions + len(self._data), positions)

    def __iter__(self) -> Iterator[list[Any]]:
        # callbacks may put other rows there, or change how they are read
        given, data = self._given, self._data
        if not (_reads_plainly(data) and given[0] is data.X and given[1] is data.y):
            return iter(self._loader)
        self._positions = self._read_positions()
        # The loader draws a seed for workers before its sampler draws an order.
        torch.empty((), dtype=torch.int64).random_()
        size = self._loader.batch_size or 1
        rows = np.fromiter(self._loader.sampler, dtype=np.int64)
        order = torch.from_numpy(rows[: len(self) * size])
        return map(self.take, order.split(size) if len(order) else ())

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def take(self, at: Tensor) -> list[Any]:
        """Return the mini-batch of some rows, as the loader collates it."""
        if self._positions is not None:
            at = self._positions[at]
        return [_rows_of(column, at) for column in self._columns]


def _rows_of(column: Any, at: Tensor) -> Any:
    if isinstance(column, Mapping):
        return {name: part.index_select(0, at) for name, part in column.items()}
    return column.index_select(0, at)
