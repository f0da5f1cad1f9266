"""Fitting a skorch net: seeds, sizes from the data, cold start, sample weights."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from skorch import NeuralNet, NeuralNetBinaryClassifier
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skal_deep.classifier._batches import as_input
from skal_deep.classifier._compiled import compiled_training, eager_module
from skal_deep.classifier._inference import first_output, module_output, net_proba
from skal_deep.classifier._output import SOFTMAX, let_skorch_read
from skal_deep.modules import isolated_rng

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
    prepare : callable, optional
        Changes the initialised net before it is trained.
    train : callable, optional
        What trains the initialised net; default and model is :func:`train_net`.
    """
    net = clone(net)
    shown = (X if shown is None else shown)[:_N_PROBE_ROWS]
    net.set_params(**_sizes(net, shown, n_classes))
    is_compiled, options = net.compile, net.get_params_for("compile")
    net.set_params(compile=False)  # it is compiled for as long as it is trained
    if net.predict_nonlinearity == "softmax":  # skorch itself knows no word for it
        net.set_params(predict_nonlinearity=SOFTMAX)
    with isolated_rng(seed):
        net.initialize()
        net.module_ = eager_module(net.module_)
        _check_output(net, shown, n_classes)
        if prepare is not None:
            prepare(net)
        if start_from is not None:
            net.module_.load_state_dict(start_from.module_.state_dict())
        let_skorch_read(net)
        if len(shown):
            net_proba(net, shown)  # which refuses what are no probabilities
        if len(y):
            net.compile = is_compiled
            with compiled_training(net, options if is_compiled else None):
                (train or train_net)(net, X, y, sample_weight)
    return net


def _sizes(net: NeuralNet, X: NDArray[Any], n_classes: int) -> dict[str, int]:
    """Return the constructor parameters of the module that the data decide.

    A module that names a parameter ``n_classes``, ``n_features`` (rows are vectors)
    or ``n_channels`` (rows are images) gets it from the data, unless it is set.
    """
    if not inspect.isclass(net.module):
        return {}
    sizes = {"n_classes": n_classes}
    if net.dataset is not Dataset:
        pass  # the user's data set makes inputs of its own from rows
    elif X.ndim == 2:
        sizes["n_features"] = X.shape[1]
    elif X.ndim == 4:
        sizes["n_channels"] = X.shape[1]
    known = inspect.signature(net.module.__init__).parameters
    chosen = net.get_params_for("module")
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
    output = module_output(net, shown)
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
    if any(isinstance(m, _BatchNorm) for m in net.module_.modules()):
        if len(y) == 1:  # batch statistics of one row do not exist
            X, y = np.repeat(X, 2, axis=0), np.repeat(y, 2)
            weight = None if weight is None else np.repeat(weight, 2, axis=0)
        _avoid_batch_of_one(net, len(y))
    _drop_impossible_split(net, X, y)
    target = y.astype(np.float32 if isinstance(net, NeuralNetBinaryClassifier) else int)
    if weight is None:
        net.partial_fit(as_input(net, X), target)
        return
    dataset = _Weighted(net.get_dataset(as_input(net, X), target), weight)
    with weighted_loss(net):
        net.partial_fit(dataset, target)


def rows_that_count(
    X: NDArray[Any], y: NDArray[np.int64], weight: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[Any] | None]:
    """Return the rows whose weight is not zero, of some head at least."""
    if weight is None:
        return X, y, None
    counts = weight.reshape(len(weight), -1).any(axis=1)
    return X[counts], y[counts], weight[counts]


def _avoid_batch_of_one(net: NeuralNet, n_rows: int) -> None:
    """Enlarge the batch size until no batch is left with a single row."""
    size = net.get_params_for("iterator_train").get("batch_size", net.batch_size)
    size = n_rows if size == -1 else max(size, 2)
    while n_rows % size == 1:
        size += 1
    # the parameter as skorch stores it; set_params refuses it once initialised
    net.iterator_train__batch_size = size


def _drop_impossible_split(net: NeuralNet, X: NDArray[Any], y: NDArray[Any]) -> None:
    """Train on all rows when there are too few of them for the net's own split."""
    if net.train_split is None:
        return
    try:
        with warnings.catch_warnings(), isolated_rng():
            warnings.simplefilter("ignore")
            net.get_split_datasets(as_input(net, X), y)
    except ValueError:
        warnings.warn(
            f"{len(y)} labels are too few for the net's train_split: training on all "
            "of them. Pass train_split=None to the net to always do so.",
            stacklevel=2,
        )
        net.set_params(train_split=None)


class _Weighted(torch.utils.data.Dataset[Any]):
    """A data set whose inputs carry the weight of their row, or one a head."""

    def __init__(self, dataset: Dataset, weight: NDArray[Any]):
        self._dataset = dataset
        self._weight = weight / weight.mean()

    def __len__(self) -> int:
        return len(self._weight)

    def __getitem__(self, index: int) -> Any:
        x, y = self._dataset[index]
        return {"x": x, "weight": self._weight[index]}, y


@contextmanager
def weighted_loss(net: NeuralNet) -> Iterator[None]:
    """Let the net train on a :class:`_Weighted` data set, for a while.

    The two methods are set on the instance, not the class: the net stays the user's
    own type, with its own loss, and is pickled without a trace of this.
    """
    infer, get_loss = net.infer, net.get_loss

    def infer_rows(x: Any, **params: Any) -> Any:
        return infer(x["x"], **params)

    def mean_weighted_loss(y_pred: Any, y_true: Any, X: Any, **params: Any) -> Tensor:
        n_outputs = len(first_output(y_pred))
        y_true = y_true.repeat_interleave(n_outputs // len(y_true), 0)
        weight = X["weight"].reshape(n_outputs, -1).mean(1)
        reduction = net.criterion_.reduction
        net.criterion_.reduction = "none"
        try:
            loss = get_loss(y_pred, y_true, X=X["x"], **params)
        finally:
            net.criterion_.reduction = reduction
        return (loss * weight.to(loss)).mean()

    if not hasattr(net.criterion_, "reduction"):
        raise ValueError(
            f"sample_weight needs a criterion with a `reduction` attribute, as torch's "
            f"losses have; {type(net.criterion_).__name__} has none."
        )
    net.infer, net.get_loss = infer_rows, mean_weighted_loss
    try:
        yield
    finally:
        del net.infer, net.get_loss
