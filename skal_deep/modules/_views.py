"""Changed views of rows, each by its own seed."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skal_deep.modules._rng import isolated_rng, seed_all


def changed_rows(
    X: NDArray[Any], augment: Callable[[Any], Any], seed: int
) -> NDArray[Any]:
    """Return a changed view of each row.

    Each row is changed by itself, from a seed that its contents decide, so that what
    becomes of it does not depend on the rows beside.

    Parameters
    ----------
    X : ndarray of shape (N, ...)
        Rows.
    augment : callable
        Takes and returns the inputs of a mini-batch as a tensor; it may draw from
        the global generators of torch, NumPy and Python, which are put back.
    seed : int
        Another one gives another view.
    """
    views = []
    with isolated_rng():
        for row in X:
            seed_all(zlib.crc32(np.ascontiguousarray(row).tobytes(), seed))
            # a copy: the callable may write into what it is given
            views.append(np.asarray(augment(torch.as_tensor(row[None].copy()))))
    changed: NDArray[Any] = np.concatenate(views)
    if changed.shape != X.shape:
        raise ValueError(
            f"augment makes rows of shape {changed.shape[1:]} of rows of shape "
            f"{X.shape[1:]}. It must keep the shape, mini-batch axis included."
        )
    return changed
