"""Weights of rows in the loss, with a net's data left as they are."""

import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, Subset

from skal_deep.classifier.net._answers import first_output
from skal_deep.classifier.net._interrupts import ran_in_module, replace_methods
from skal_deep.rows._row_weights import of_mean_one

# A loss of all rows is the mean of the losses of single rows up to round-off, which
# grows with the square root of their number; what couples rows is off by far more.
_ROUND_OFF = 1e-3


@contextmanager
def weighted_rows(net: NeuralNet, X: Any, weight: NDArray[Any]) -> Iterator[None]:
    """Let an initialised net train on rows with weights, for a while.

    Inputs, targets, data sets and mini-batches stay what they are: which rows a
    mini-batch holds is noted where the loader draws them, and the criterion returns
    means by their weights.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net.
    X : array
        The very rows that ``partial_fit`` or its like is given.
    weight : ndarray of shape (n_samples,) or (n_samples, n_heads)
        Weights of the rows, not all zero; multiples of one another count.
    """
    if not isinstance(net.criterion_, nn.Module):
        raise ValueError(
            "sample_weight needs a criterion that is a torch.nn.Module, not "
            f"{type(net.criterion_).__name__}."
        )
    rows = _RowWeights(X, weight)
    methods = {
        name: partial(getattr(rows, name), getattr(net, name))
        for name in ("get_dataset", "get_iterator", "train_step", "validation_step")
    }
    with replace_methods(net, **methods), weighted_criterion(net.criterion_, rows.use):
        yield


class _RowWeights:
    """Follows a training and knows the weights of the rows at hand."""

    def __init__(self, X: Any, weight: NDArray[Any]):
        self._X, self._dataset = X, None
        # Mean 1, so that weights change what is learned but not the effective learning
        # rate.
        self._weight = of_mean_one(weight)
        self._n_heads = weight.shape[1] if weight.ndim > 1 else 1
        self._are_equal = bool((weight == weight.flat[0]).all())
        self.drawn: Tensor | None = None  # of the mini-batch that was loaded last
        self._now: Tensor | None = None  # of the one that a step works on
        self._is_used = False

    def use(self) -> Tensor | None:
        """Return the weights of the rows that a step works on, ``None`` if equal."""
        self._is_used = True
        return self._now

    def get_dataset(self, made: Callable[..., Any], X: Any, y: Any = None) -> Any:
        dataset = made(X, y)
        if X is self._X:
            self._dataset = dataset
        return dataset

    def _of(self, dataset: Any) -> NDArray[Any] | None:
        """Return the weights of a data set's rows; ``None`` if it is unknown."""
        if dataset is self._dataset:
            return self._weight
        if isinstance(dataset, Subset):
            weight = self._of(dataset.dataset)
            return None if weight is None else weight[np.asarray(dataset.indices)]
        return None

    def get_iterator(
        self, made: Callable[..., Any], dataset: Any, training: bool = False
    ) -> Any:
        loader, weight = made(dataset, training=training), self._of(dataset)
        return loader if weight is None else _Followed(loader, weight, self)

    def train_step(
        self, step: Callable[..., Any], batch: Any, **params: Any
    ) -> dict[str, Any]:
        if self.drawn is None and not self._are_equal:
            raise ValueError(
                "sample_weight needs to know the rows of each mini-batch, but the "
                "net's train_split returns another data set than (a Subset of) the one "
                "it is given. Use skorch.dataset.ValidSplit, or train_split=None."
            )
        try:
            result = self._run(step, batch, params)
        except (RuntimeError, ValueError) as error:
            if self._n_heads == 1 or self._is_used or ran_in_module(error):
                raise
            raise ValueError(
                f"In training the module returns {self._n_heads} rows a row, one for "
                "each head, and the net's own loss or step does not ask its criterion, "
                "which matches them with labels. Compute the loss with net.criterion_."
            ) from error
        if not (self._is_used or self._are_equal):
            raise ValueError(
                "sample_weight would be ignored: the net's own loss or step never asks "
                "its criterion. Compute the loss with net.criterion_."
            )
        if self._n_heads > 1:  # callbacks match predictions with labels
            result = {**result, "y_pred": self._mean_of_heads(result["y_pred"])}
        return result

    def validation_step(
        self, step: Callable[..., Any], batch: Any, **params: Any
    ) -> Any:
        return self._run(step, batch, params)

    def _run(self, step: Callable[..., Any], batch: Any, params: dict[str, Any]) -> Any:
        self._now, self._is_used = None if self._are_equal else self.drawn, False
        try:
            return step(batch, **params)
        finally:
            self._now = None

    def _mean_of_heads(self, y_pred: Any) -> Any:
        if isinstance(y_pred, tuple):
            return tuple(self._mean_of_heads(part) for part in y_pred)
        return y_pred.unflatten(0, (-1, self._n_heads)).mean(1)


class _Followed:
    """A loader that says which rows it has drawn."""

    def __init__(self, loader: Any, weight: NDArray[Any], rows: _RowWeights):
        name = type(loader).__name__
        if not isinstance(loader, DataLoader):
            raise ValueError(
                "sample_weight needs an iterator_train and iterator_valid of "
                f"torch.utils.data.DataLoader; {name} is none."
            )
        if isinstance(loader.dataset, IterableDataset) or (
            loader.num_workers and not getattr(loader, "in_order", True)
        ):
            raise ValueError(
                f"sample_weight needs a {name} that loads rows by their positions and "
                "in order: no IterableDataset, no in_order=False."
            )
        self._loader, self._weight, self._rows = copy.copy(loader), weight, rows
        sampler = "sampler" if loader.batch_sampler is None else "batch_sampler"
        self._noted = _Noted(getattr(loader, sampler))
        # a DataLoader refuses to have it set once it is made
        vars(self._loader)[sampler] = self._noted

    def __iter__(self) -> Iterator[Any]:
        before, self._noted.drawn = self._rows.drawn, deque()
        try:
            for batch in self._loader:
                weight = self._weight[self._noted.drawn.popleft()]
                self._rows.drawn = torch.as_tensor(weight)
                yield batch
        finally:
            self._rows.drawn = before

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _Noted:
    """A sampler that notes what it yields."""

    def __init__(self, sampler: Any):
        self._sampler = sampler
        self.drawn: deque[Any] = deque()

    def __iter__(self) -> Iterator[Any]:
        for rows in self._sampler:
            self.drawn.append(rows)
            yield rows

    def __len__(self) -> int:
        return len(self._sampler)


@contextmanager
def weighted_criterion(
    criterion: nn.Module, weights: Callable[[], Tensor | None]
) -> Iterator[None]:
    """Let a criterion return weighted means, for a while.

    Parameters
    ----------
    criterion : nn.Module
        A mean, or sum, over rows.
    weights : callable
        Returns the weights of the rows, of shape (N,) or (N, M); ``None`` if they are
        equal. Where the module returns M rows for each target, targets are repeated.
    """
    loss = criterion.forward

    def forward(y_pred: Any, y_true: Any, *args: Any, **kwargs: Any) -> Tensor:
        n_rows, weight = len(first_output(y_pred)), weights()
        if n_rows > len(y_true) and n_rows % len(y_true) == 0:
            y_true = y_true.repeat_interleave(n_rows // len(y_true), 0)
        if weight is None:
            plain: Tensor = loss(y_pred, y_true, *args, **kwargs)
            return plain
        if n_rows not in (len(weight), weight.numel()):
            raise ValueError(
                f"sample_weight: the criterion is given {n_rows} rows of a mini-batch "
                f"with {len(weight)} rows."
            )
        weight_N = weight.reshape(n_rows, -1).mean(1)
        call = partial(_loss_of, loss, args, kwargs)
        losses_N, is_sum = _row_losses(criterion, call, y_pred, y_true, n_rows)
        weighted_N = losses_N * weight_N.to(losses_N)
        return weighted_N.sum() if is_sum else weighted_N.mean()

    with replace_methods(criterion, forward=forward):
        yield


def _loss_of(
    loss: Callable[..., Tensor], args: Any, kwargs: Any, y_pred: Any, y_true: Any
) -> Tensor:
    return loss(y_pred, y_true, *args, **kwargs)


def _row_losses(
    criterion: Any,
    loss: Callable[[Any, Any], Tensor],
    y_pred: Any,
    y_true: Tensor,
    n_rows: int,
) -> tuple[Tensor, bool]:
    """Return the losses of rows, of shape (N,), and whether their sum is the loss."""
    reduction = getattr(criterion, "reduction", None)
    if reduction is not None:
        criterion.reduction = "none"
        try:
            losses = loss(y_pred, y_true)
        finally:
            criterion.reduction = reduction
        if losses.dim() and len(losses) == n_rows:
            losses_NK, is_sum = losses.reshape(n_rows, -1), reduction == "sum"
            losses_N = losses_NK.sum(1) if is_sum else losses_NK.mean(1)
            return (
                losses_N if is_sum else losses_N / _mean_weight(criterion, y_true)
            ), is_sum
    whole = loss(y_pred, y_true)
    # A criterion without `reduction` tells only a total. Its losses of single rows may
    # be weighted only if they make up that total.
    losses_N = torch.stack(
        [loss(_row(y_pred, n), y_true[n : n + 1]).reshape(()) for n in range(n_rows)]
    )
    for total, is_sum in ((losses_N.mean(), False), (losses_N.sum(), True)):
        if torch.allclose(whole, total, rtol=_ROUND_OFF):
            return losses_N, is_sum
    raise ValueError(
        f"sample_weight needs a criterion that is a mean or sum over rows. That of "
        f"{type(criterion).__name__} is {whole.item():.4g} for a mini-batch, the mean "
        f"over its rows {losses_N.mean().item():.4g}. Give it a `reduction` attribute "
        "and the losses of the rows for reduction='none', as torch's losses have."
    )


def _mean_weight(criterion: Any, y_true: Tensor) -> Tensor | float:
    """Return what torch divides the mean loss by where classes have weights."""
    by_class = isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss)
    if not by_class or criterion.weight is None or y_true.is_floating_point():
        return 1.0
    return criterion.weight[y_true].mean()


def _row(y_pred: Any, n: int) -> Any:
    if isinstance(y_pred, tuple):
        return tuple(_row(part, n) for part in y_pred)
    return y_pred[n : n + 1]
