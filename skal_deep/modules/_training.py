"""The training loop of auxiliary nets."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import trange


class Minibatches:
    """Endless random mini-batches of some rows, standardised.

    Rows are drawn without replacement within a mini-batch, with replacement where
    there are fewer rows than it takes.

    Parameters
    ----------
    X : ndarray of shape (N, ...)
        Rows; they may be mapped from a file.
    batch_size : int
        Rows of a mini-batch.
    scale : callable
        Turns an array of rows into a tensor.
    generator : torch.Generator
        Source of randomness.
    """

    def __init__(
        self,
        X: NDArray[Any],
        batch_size: int,
        scale: Callable[[NDArray[Any]], Tensor],
        generator: torch.Generator,
    ):
        self._X, self._batch_size, self._scale = X, batch_size, scale
        self._generator = generator

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        n, size = len(self._X), self._batch_size
        if n < size:
            rows = torch.randint(n, (size,), generator=self._generator)
        else:
            rows = torch.randperm(n, generator=self._generator)[:size]
        return self._scale(self._X[np.sort(rows.numpy())])


def train(
    step: Callable[[], None], n_iterations: int, *, name: str, verbose: bool
) -> None:
    """Repeat a training step, with gradients on and a progress bar if verbose.

    Parameters
    ----------
    step : callable
        Draws mini-batches and updates parameters.
    n_iterations : int
        How often.
    name : str
        What the progress bar says.
    verbose : bool
        Whether to show it.
    """
    with torch.enable_grad():
        for _ in trange(n_iterations, desc=name, leave=False, disable=not verbose):
            step()
