"""Training of skorch nets that none of our classifiers holds."""

from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from skactiveml.utils import is_labeled
from sklearn.base import RegressorMixin, clone
from skorch import NeuralNet, NeuralNetBinaryClassifier

from skal_deep._modes import cpu_by_default, weights_cast_anew
from skal_deep.classifier.net._answers import module_output
from skal_deep.classifier.net._batches import as_input
from skal_deep.classifier.net._fit import rows_that_count, train_on
from skal_deep.classifier.net._interrupts import replace_methods, run_training
from skal_deep.classifier.net._origin import is_written_in
from skal_deep.classifier.net._reading import check_reading
from skal_deep.classifier.net._row_weights import weighted_rows
from skal_deep.classifier.net._rows import net_rows
from skal_deep.classifier.net._rows_beside import warn_of_rows_beside
from skal_deep.modules import isolated_rng
from skal_deep.rows._as_data import as_data
from skal_deep.rows._numbers import numbers


@cpu_by_default()
@weights_cast_anew()
def fit_bare_net(
    net: NeuralNet, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None
) -> NeuralNet:
    """Fit a net of skorch to labelled rows, and return it.

    Rows get the number type that the module computes in, targets of a regression the
    shape that it returns. As in our classifiers, few labels may change the net's
    split and mini-batches, with a warning where that matters.
    """
    X = net_rows(net, X)
    check_reading(net, X)
    is_own_fit = not is_written_in("skorch.", type(net), "fit")
    if is_own_fit:  # it initialises the net itself
        with isolated_rng():
            initialised = clone(net).initialize()
    else:
        initialised = net.initialize()
    if isinstance(net, RegressorMixin):
        y = as_targets(initialised, X, y)
    elif isinstance(net, NeuralNetBinaryClassifier):
        y = y.astype(np.float32)
    else:
        y = y.astype(np.int64)
    if is_own_fit:
        with_weight = {} if weight is None else {"sample_weight": weight}
        net.fit(as_input(initialised, X), y, **with_weight)
    else:
        train_on(net, *_rows_that_count(X, y, weight))
    warn_of_rows_beside(net, X)
    return net


@cpu_by_default()
def fit_wrapped_net(
    clf: Any, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None
) -> Any:
    """Fit a net in scikit-activeml's wrapper, and return the wrapper."""
    wrapper = SkorchRegressor if isinstance(clf, RegressorMixin) else SkorchClassifier
    if type(clf).fit is not wrapper.fit:
        with_weight = {} if weight is None else {"sample_weight": weight}
        return clf.fit(X, y, **with_weight)
    if weight is not None:  # the net is given the rows with labels alone
        known = is_labeled(y, clf.missing_label).reshape(len(y), -1)
        weight = weight[known.all(axis=1)]
    X = numbers(as_data(X), who=f"{type(clf).__name__} of scikit-activeml")
    clf.initialize(X, y, enforce_check_X_y=True)
    net = clf.neural_net_
    check_reading(net, X)
    # The wrapper calls net.partial_fit, and skorch's own would take Ctrl-C for the wish
    # to stop early and keep a half-trained net.
    with replace_methods(net, partial_fit=partial(_train_wrapped, net, weight)):
        return clf.partial_fit(X, y)


def _train_wrapped(
    net: NeuralNet, weight: NDArray[Any] | None, X: NDArray[Any], y: NDArray[Any]
) -> None:
    if y.dtype.kind == "f":  # classes are integers
        y = as_targets(net, X, y)
    X, y, weight = _rows_that_count(X, y, weight)
    with nullcontext() if weight is None else weighted_rows(net, X, weight):
        run_training(net, X, y)
    warn_of_rows_beside(net, X)


def _rows_that_count(
    X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    if weight is not None and len(weight) and not weight.any():
        raise ValueError("sample_weight is zero for every labelled row.")
    return rows_that_count(X, y, weight)


def as_targets(net: NeuralNet, X: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Return targets of a regression in the shape and number type of predictions.

    A loss of (n, 1) against (n,) would compare each prediction with each target.

    Raises
    ------
    ValueError
        If rows of the two have different numbers of values.
    """
    output = module_output(net, X[:2])
    shape, n_values = output.shape[1:], output[:1].numel()
    if y[:1].size != n_values:
        raise ValueError(
            f"The module {type(net.module_).__name__} returns {n_values} values a row, "
            f"but a row of y has {y[:1].size}. Give its last layer as many outputs as "
            "there are targets, and twice as many where it learns the noise, too."
        )
    dtype = np.float64 if output.dtype == torch.float64 else np.float32
    return y.astype(dtype).reshape(len(y), *shape)
