"""Fitting a skorch net: seeds, sizes from the data, cold start, sample weights."""

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from skorch import NeuralNet, NeuralNetBinaryClassifier
from skorch.dataset import Dataset
from torch import Tensor, nn

from skal_deep.classifier.net._answers import (
    embedding_layers,
    module_output,
    net_proba,
    readable_output,
)
from skal_deep.classifier.net._batches import as_input
from skal_deep.classifier.net._compiled import compiled_training, eager_module
from skal_deep.classifier.net._in_memory import in_memory
from skal_deep.classifier.net._interrupts import replace_methods, run_training
from skal_deep.classifier.net._output import SOFTMAX, let_skorch_read
from skal_deep.classifier.net._reading import first_input, training_reads
from skal_deep.classifier.net._row_weights import weighted_rows
from skal_deep.classifier.net._rows_beside import warn_of_rows_beside
from skal_deep.classifier.net._splits import make_trainable, normalises_batches
from skal_deep.modules import isolated_rng
from skal_deep.modules._images import axes_hint, has_channels_last

_N_PROBE_ROWS = 2


def fit_net(
    net: NeuralNet,
    X: NDArray[Any],
    y: NDArray[np.int64],
    *,
    n_classes: int,
    seed: int,
    sample_weight: NDArray[Any] | None = None,
    shown: NDArray[Any] | None = None,
    start_from: NeuralNet | None = None,
    embedding_layer: str | None = None,
    prepare: Callable[[NeuralNet], None] | None = None,
    train: Callable[..., None] | None = None,
) -> NeuralNet:
    """Return a fitted clone of a net; with no rows, an initialised one.

    Parameters
    ----------
    net : skorch.NeuralNet
        The user's net. It is not changed.
    X : ndarray of shape (n_samples, ...)
        Labelled rows.
    y : ndarray of shape (n_samples,)
        Classes as positions 0 ... n_classes - 1.
    n_classes : int
        Number of classes, seen or not.
    seed : int
        Decides initial weights, batch order and training noise.
    sample_weight : ndarray of shape (n_samples,) or (n_samples, n_heads), optional
        Weights in the loss; multiples of one another count, not their scale. Of each
        head, where the module returns one row of output a row and head.
    shown : ndarray of shape (n, ...), optional
        Any rows, labelled or not, that show the module's input shape.
    start_from : skorch.NeuralNet, optional
        A fitted net whose weights training continues from.
    embedding_layer : str, optional
        Name of the layer whose input is the embedding, to be found in the module.
    prepare : callable, optional
        Changes the initialised net before it is trained.
    train : callable, optional
        Trains the initialised net; the default is :func:`train_net`.
    """
    net = clone(net)
    rows = X if len(X) or shown is None else shown
    shown = (X if shown is None else shown)[:_N_PROBE_ROWS]
    net.set_params(**_sizes(net, shown, n_classes))
    is_compiled, options = net.compile, net.get_params_for("compile")
    net.set_params(compile=False)  # it is compiled for as long as it is trained
    if net.predict_nonlinearity == "softmax":  # skorch itself knows no word for it
        net.set_params(predict_nonlinearity=SOFTMAX)
    with isolated_rng(seed):
        net.initialize()
        net.module_ = eager_module(net.module_)
        # The order matters: the first pass gives lazy layers their sizes, `prepare` may
        # replace layers, and only then do the old weights fit in.
        _check_output(net, shown, n_classes)
        embedding_layers(net.module_, embedding_layer)  # which refuses unknown names
        if prepare is not None:
            prepare(net)
        if start_from is not None:
            _take_weights(net, start_from)
        let_skorch_read(net)
        if len(shown):
            net_proba(net, shown)  # which refuses what are no probabilities
        if len(y):
            net.compile = is_compiled
            with compiled_training(net, options if is_compiled else None):
                (train or train_net)(net, X, y, sample_weight)
        warn_of_rows_beside(net, rows)
    return net


def _take_weights(net: NeuralNet, previous: NeuralNet) -> None:
    """Give a net the weights of a fitted one of the same module."""
    try:
        net.module_.load_state_dict(previous.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"fit_from needs a fitted classifier whose module has the same weights. "
            f"What is given does not fit {type(net.module_).__name__} here: {error}"
        ) from error


def _sizes(net: NeuralNet, X: NDArray[Any], n_classes: int) -> dict[str, int]:
    """Return the constructor parameters of the module that the data decide.

    A module that names a parameter ``n_classes``, ``n_features`` (rows are vectors)
    or ``n_channels`` (rows are images) gets it from the data, unless it is set.
    """
    if not inspect.isclass(net.module):
        return {}
    sizes, row_shape = {"n_classes": n_classes}, X.shape[1:]
    if net.dataset is not Dataset:  # it makes inputs of its own from rows
        row_shape = np.shape(first_input(net, X)) if len(X) else ()
    if len(row_shape) == 1:
        sizes["n_features"] = row_shape[0]
    elif len(row_shape) == 3:
        sizes["n_channels"] = row_shape[0]
    known = inspect.signature(net.module.__init__).parameters
    chosen = net.get_params_for("module")
    is_guessed = "n_channels" in sizes.keys() & known.keys() - chosen.keys()
    if is_guessed and has_channels_last(row_shape):
        raise ValueError(
            f"{axes_hint(row_shape)} If axis 1 is the channels, set "
            f"module__n_channels={row_shape[0]}."
        )
    return {
        f"module__{name}": size
        for name, size in sizes.items()
        if name in known and name not in chosen
    }


def _check_output(net: NeuralNet, shown: NDArray[Any], n_classes: int) -> None:
    """Run the untrained module once: lazy layers get their sizes, the output a look.

    skorch's default criterion, ``NLLLoss``, wants a module that ends in a softmax.
    For a module that returns logits the criterion becomes ``CrossEntropyLoss``.
    """
    if not len(shown):
        return
    try:
        output = module_output(net, shown)
    except (RuntimeError, TypeError, ValueError) as error:
        if (hint := axes_hint(shown.shape[1:])) is None or net.dataset is not Dataset:
            raise
        raise ValueError(f"{type(net.module_).__name__} fails. {hint}") from error
    columns = 2 if isinstance(net, NeuralNetBinaryClassifier) else output.shape[-1]
    if columns != n_classes:
        raise ValueError(
            f"The module {type(net.module_).__name__} returns {columns} columns, but "
            f"there are {n_classes} classes. Give its last layer {n_classes} outputs, "
            "or let its constructor take `n_classes`, which is then set from the data."
        )
    if isinstance(net.criterion_, nn.NLLLoss) and not is_proba(output):
        net.set_params(criterion=nn.CrossEntropyLoss)


def is_proba(output: Tensor) -> bool:
    """Return whether the outputs of a module look like probabilities."""
    sums = output.sum(-1)
    return bool((output >= 0).all()) and torch.allclose(
        sums, torch.ones_like(sums), atol=1e-4
    )


def train_net(
    net: NeuralNet, X: NDArray[Any], y: NDArray[np.int64], weight: NDArray[Any] | None
) -> None:
    """Train an initialised net on labelled rows; reads torch's global generator."""
    X, y, weight = rows_that_count(X, y, weight)
    target = y.astype(np.float32 if isinstance(net, NeuralNetBinaryClassifier) else int)
    train_on(net, X, target, weight)


def train_on(
    net: NeuralNet, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None = None
) -> None:
    """Train an initialised net on rows and targets of the number type it asks for."""
    if len(y) == 1 and normalises_batches(net):  # one row has no batch statistics
        X, y = X[[0, 0]], np.repeat(y, 2, axis=0)
        weight = None if weight is None else np.repeat(weight, 2, axis=0)
    X = as_input(net, X)
    has_lost_split = make_trainable(net, X, y)
    quick = in_memory(net) if weight is None else nullcontext()
    weighted = nullcontext() if weight is None else weighted_rows(net, X, weight)
    try:
        # What is quick sees the net as it came, and the weights see the data set that
        # the net itself has made.
        with (
            quick,
            training_reads(net),
            weighted,
            replace_methods(net, infer=partial(readable_output, net.infer)),
        ):
            run_training(net, X, y)
    except KeyError as error:
        if not (has_lost_split and "valid" in str(error)):
            raise
        raise ValueError(
            f"{len(y)} labels are too few for the net's train_split, and one of its "
            f"callbacks needs what only a validation set has ({error}). Label more "
            "rows first, or leave that callback out."
        ) from error


def rows_that_count(
    X: NDArray[Any], y: NDArray[np.int64], weight: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[Any] | None]:
    """Return the rows whose weight is not zero, of some head at least."""
    if weight is None:
        return X, y, None
    # A row of weight 0 would still count in batch normalisation and in the size of
    # mini-batches, so it is left out altogether.
    counts = weight.reshape(len(weight), -1).any(axis=1)
    return X[counts], y[counts], weight[counts]
