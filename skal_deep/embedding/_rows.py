"""Rows of any kind that can be taken one by one."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skal_deep.embedding._identity import row_key


class Rows(ABC):
    """Rows that can be taken one by one, and are known by their content."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, rows: Sequence[int]) -> "Rows":
        """Return some of the rows."""

    @abstractmethod
    def values(self) -> list[Any]:
        """Return the rows as a batch is made of them."""

    @abstractmethod
    def keys(self) -> list[bytes]:
        """Return a digest of each row's content."""


class DataRows(Rows):
    """Arrays, texts, or dicts of arrays."""

    def __init__(self, X: Any):
        if isinstance(X, str | bytes):
            raise TypeError(
                f"X must be several rows, not the one text {X[:40]!r}: write [X]."
            )
        if isinstance(X, torch.Tensor):
            X = X.detach().cpu().numpy()
        if hasattr(X, "toarray"):
            raise TypeError(
                "X is sparse, and a backbone takes dense rows: use X.toarray()."
            )
        if hasattr(X, "columns") and hasattr(X, "iloc"):
            X = self._column(X)
        self._names = list(X) if isinstance(X, Mapping) else None
        if self._names is not None:
            parts = {name: np.asarray(part) for name, part in X.items()}
            lengths = {name: len(part) for name, part in parts.items()}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"The parts of X have different lengths: {lengths}.")
            self._data: Any = parts
            self._n_rows = next(iter(lengths.values()), 0)
            return
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUS":
            if X.shape[1] != 1:
                raise ValueError(
                    f"X must hold one text a row, but has {X.shape[1]} columns."
                )
            X = X[:, 0]
        if not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
            raise TypeError(
                f"X must be a list or an array of rows, not {type(X).__name__}."
            )
        if isinstance(X, np.ndarray) and X.ndim == 0:
            raise TypeError("X must be a list or an array of rows, not one number.")
        self._data = list(X) if not isinstance(X, np.ndarray) else X
        self._n_rows = len(self._data)

    @staticmethod
    def _column(frame: Any) -> Any:
        if len(frame.columns) == 1:
            return frame.iloc[:, 0].to_numpy()
        kinds = {
            np.dtype(each).kind if isinstance(each, np.dtype) else "O"
            for each in frame.dtypes
        }
        if kinds <= set("fiub"):
            return frame.to_numpy()
        raise ValueError(
            f"X has columns {list(frame.columns)}, and a backbone takes one: select "
            "it, for example by a ColumnTransformer."
        )

    def __len__(self) -> int:
        return self._n_rows

    def take(self, rows: Sequence[int]) -> "DataRows":
        taken = object.__new__(type(self))
        taken.__dict__.update(self.__dict__)
        if self._names is not None:
            taken._data = {name: part[rows] for name, part in self._data.items()}
        elif isinstance(self._data, np.ndarray):
            taken._data = self._data[np.asarray(rows, dtype=int)]
        else:
            taken._data = [self._data[at] for at in rows]
        taken._n_rows = len(rows)
        return taken

    def values(self) -> list[Any]:
        if self._names is not None:
            parts = self._data.items()
            return [{n: part[at] for n, part in parts} for at in range(len(self))]
        return [_plain(row) for row in self._data]

    def keys(self) -> list[bytes]:
        return [row_key(row) for row in self.values()]


def _plain(row: Any) -> Any:
    """Return a row as a text or an array; what is missing is an error."""
    if isinstance(row, str | np.str_):
        return str(row)
    if isinstance(row, bytes | Path):
        return os.fsdecode(row)
    if row is None or (isinstance(row, float) and np.isnan(row)):
        raise ValueError("X has a missing row (None or NaN): drop or fill it first.")
    array = np.asarray(row)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"A row of X must be a text or an array of numbers, not {row!r:.60}."
        )
    return array
