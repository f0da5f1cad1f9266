"""Inputs at the scale that auxiliary nets train well at."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep._threads import threads_given_back
from skal_deep.functional._chunks import slices

# At most so many numbers at a time: 32 MiB in double precision, and some 100 MiB of
# activations where a net looks at them.
_CHUNK_NUMBERS = 2**22
_CHUNK_ROWS = 1024
# So many in double precision a processor's cache holds between two operations.
_CACHED_NUMBERS = 2**16
# Pools of so many numbers, 256 MiB in single precision, are scaled once for a training.
_KEPT_NUMBERS = 2**26


class Standardizer:
    """Shifts and scales rows to mean 0 and variance 1.

    Vectors are standardised feature by feature, rows of other shapes, such as images,
    as a whole. A feature that never varies is shifted only. The pools are read in
    chunks, so they may be mapped from files.

    Use it before the training of a net on inputs of unknown scale.

    Parameters
    ----------
    *pools : ndarray of shape (N, ...)
        The rows that set the scale, all pools together.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : The same for vectors, as a transformer.
    train_vaal : Trains on rows that it has scaled.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.modules import Standardizer
    >>> scale = Standardizer(np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> scale(np.array([[2.0, 5.0]])).tolist()
    [[1.0, 0.0]]
    """

    def __init__(self, *pools: NDArray[Any]):
        axes = 0 if pools[0].ndim == 2 else None
        n = sum(len(X) if axes == 0 else X.size for X in pools)
        chunks = [chunk for X in pools for chunk in row_chunks(X)]
        low = np.min([chunk.min(axis=axes) for chunk in chunks], axis=0)
        high = np.max([chunk.max(axis=axes) for chunk in chunks], axis=0)
        self.mean = sum(chunk.sum(axis=axes, dtype=np.float64) for chunk in chunks) / n
        square = sum(np.square(chunk - self.mean).sum(axis=axes) for chunk in chunks)
        # The mean of equal numbers is off by round-off, so that their standard
        # deviation may be 1e-17 instead of 0: ask whether they are equal.
        self.std = np.where(high > low, np.sqrt(square / n), 1.0)

    def __call__(self, X: NDArray[Any]) -> Tensor:
        """Return standardised rows in single precision."""
        scaled = np.empty(X.shape, dtype=np.float32)
        for part in slices(len(X), _rows_of(X, _CACHED_NUMBERS)):
            offset = X[part] - self.mean
            np.divide(offset, self.std, out=scaled[part], casting="same_kind")
        return torch.from_numpy(scaled)

    def once(self, X: NDArray[Any]) -> Tensor | None:
        """Return all rows standardised, ``None`` if they are too many to keep.

        Parameters
        ----------
        X : ndarray of shape (N, ...)
            Rows.

        Returns
        -------
        Tensor or None
            The rows.
        """
        if X.size > _KEPT_NUMBERS:
            return None
        return torch.cat([self(chunk) for chunk in row_chunks(X)])


@threads_given_back()
@torch.no_grad()
def by_chunks(
    net: Callable[[Tensor], Tensor],
    X: NDArray[Any],
    scale: Callable[[NDArray[Any]], Tensor],
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return what a net makes of rows, on the CPU and in double precision.

    A row's answer does not depend on the others: the net is in eval mode.
    """
    parts = [net(scale(chunk).to(device)) for chunk in row_chunks(X)]
    return torch.cat(parts).cpu().double()


def row_chunks(X: Any) -> Iterator[Any]:
    """Yield views of some rows at a time; what is mapped from a file stays there."""
    for part in slices(len(X), min(_CHUNK_ROWS, _rows_of(X, _CHUNK_NUMBERS))):
        yield X[part]


def _rows_of(X: NDArray[Any] | Tensor, n_numbers: int) -> int:
    """Return how many rows have so many numbers, one at least."""
    return max(1, n_numbers // max(1, math.prod(X.shape[1:])))
