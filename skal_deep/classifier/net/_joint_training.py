"""Training a net on its own loss and on another term."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import Dataset, unpack_data
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import default_collate

from skal_deep.classifier.net._answers import first_output
from skal_deep.classifier.net._batches import as_input
from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.classifier.net._output import as_float, makes_softmax, to_proba
from skal_deep.modules import Minibatches

# Takes inputs, output and labels of a mini-batch; returns what is added to its loss.
Term = Callable[[Any, Any, Tensor], Tensor]


@contextmanager
def joint_loss(net: NeuralNet, term: Term) -> Iterator[None]:
    """Let the loss of a net have another term in training, for a while.

    The net trains as its user has set it up: optimiser, callbacks, mini-batches and
    criterion are its own.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    term : callable
        ``term(x, y_pred, y_true)`` returns what is added to the loss of a mini-batch.
    """
    with replace_methods(net, get_loss=partial(_loss, net.get_loss, term)):
        yield


def _loss(
    own: Callable[..., Tensor],
    term: Term,
    y_pred: Any,
    y_true: Tensor,
    X: Any = None,
    training: bool = False,
) -> Tensor:
    loss = own(y_pred, y_true, X=X, training=training)
    return loss + term(X, y_pred, y_true) if training else loss


@contextmanager
def augmented(net: NeuralNet, augment: Callable[[Any], Any] | None) -> Iterator[None]:
    """Let a net train on changed inputs, for a while; predictions see them as they are.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    augment : callable or None
        Takes and returns the inputs of a mini-batch.
    """
    if augment is None:
        yield
        return
    own = net.train_step_single

    def step(batch: Any, **params: Any) -> Any:
        x, y = unpack_data(batch)
        return own((augment(x), y), **params)

    with replace_methods(net, train_step_single=step):
        yield


def log_proba(net: NeuralNet, output: Any) -> Tensor:
    """Return logarithms of class probabilities (N, C) of what the module returns."""
    first = as_float(first_output(output))
    if makes_softmax(net):
        return torch.log_softmax(first, -1)
    proba: Tensor = to_proba(net)(first)
    # as skorch does for its own likelihood: a probability of 0 has no gradient
    return proba.clamp_min(torch.finfo(proba.dtype).tiny).log()


def row_losses(net: NeuralNet, output: Any, y_true: Tensor) -> Tensor:
    """Return the cross-entropy of each row, of shape (N,), without gradients."""
    log_proba_NC = log_proba(net, output).detach()
    labels_N = y_true.to(log_proba_NC.device).long().reshape(-1)
    return cross_entropy(log_proba_NC, labels_N, reduction="none")


class UnlabeledBatches:
    """Endless mini-batches of rows without a label, as a net's module is given them.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    X : ndarray of shape (N, ...)
        The rows, at least one.
    batch_size : int
        Rows of a mini-batch.
    seed : int
        Decides which rows.
    """

    def __init__(self, net: NeuralNet, X: NDArray[Any], batch_size: int, seed: int):
        self._given = X
        self._dataset = None if net.dataset is Dataset else net.get_dataset(X)
        self._X = as_input(net, X)
        self._rows = Minibatches(
            torch.arange(len(X)),
            batch_size=batch_size,
            generator=torch.Generator().manual_seed(seed),
        )

    def first_row(self) -> NDArray[Any]:
        """Return a row as it was given, of shape (1, ...)."""
        return self._given[:1]

    def __next__(self) -> Any:
        (rows,) = next(self._rows)
        if self._dataset is None:
            return torch.as_tensor(self._X[rows.numpy()])
        batch = default_collate([self._dataset[row] for row in rows.tolist()])
        return unpack_data(batch)[0]


def batch_size_of(net: NeuralNet, n_rows: int) -> int:
    """Return how many rows a mini-batch of the net's training has."""
    size: int = net.get_params_for("iterator_train").get("batch_size", net.batch_size)
    return n_rows if size < 1 else size
