"""Training a net on its own loss and on another term."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from skorch import NeuralNet
from torch import Tensor
from torch.nn.functional import cross_entropy

from skal_deep.classifier.net._answers import first_output
from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.classifier.net._output import as_float, makes_softmax, to_proba


@contextmanager
def joint_loss(
    net: NeuralNet, term: Callable[[Any, Any, Tensor], Tensor]
) -> Iterator[None]:
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
    term: Callable[[Any, Any, Tensor], Tensor],
    y_pred: Any,
    y_true: Tensor,
    X: Any = None,
    training: bool = False,
) -> Tensor:
    loss = own(y_pred, y_true, X=X, training=training)
    return loss + term(X, y_pred, y_true) if training else loss


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
