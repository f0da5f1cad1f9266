"""Models of a control arm, and what a strategy chooses by one of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.classifier.door._prepare import prepare
from skal_deep.evaluation.simulation._cycle import query_rows
from skal_deep.evaluation.simulation._one_class import stand_in
from skal_deep.pool import MarginSampling


def fit_model(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    classes: NDArray[Any],
    key: tuple[int, int, int],
    missing_label: Any,
) -> Any:
    """Return a fitted clone of an estimator.

    Parameters
    ----------
    estimator : object
        The classifier.
    X : array-like of shape (n, ...)
        Inputs.
    y : ndarray of shape (n,)
        Their labels.
    classes : ndarray of shape (n_classes,)
        All classes that are known: of one alone a stand-in is returned.
    key : tuple of int
        Seed, purpose and round.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    single = stand_in(estimator, classes, y, missing_label)
    model = single or prepare(estimator, missing_label, *key)
    return fit_on_labeled(model, X, y, missing_label)


def choose(
    strategy: Any,
    model: Any,
    X: Any,
    y: NDArray[Any],
    n: int,
    key: tuple[int, int, int],
    missing_label: Any,
) -> NDArray[np.intp]:
    """Return positions of the rows that a strategy chooses.

    Parameters
    ----------
    strategy : QueryStrategy or None
        The strategy; ``None`` is margin sampling.
    model : object
        The fitted model that it asks.
    X : array-like of shape (n_rows, ...)
        The rows that it may see.
    y : ndarray of shape (n_rows,)
        Their labels, with ``missing_label`` elsewhere.
    n : int
        How many rows it chooses.
    key : tuple of int
        Seed, purpose and round.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    strategy = MarginSampling() if strategy is None else strategy
    prepared = prepare(strategy, missing_label, *key)
    return query_rows(prepared, model, X, y, None, n, missing_label)
