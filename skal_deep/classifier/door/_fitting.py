"""Fitting models of any kind for a query."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier, SkactivemlRegressor
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from skactiveml.utils import check_equal_missing_label, is_labeled
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNet

from skal_deep._threads import threads_given_back
from skal_deep.classifier.door._as_model import Inputs, as_model
from skal_deep.classifier.door._inside import (
    innermost,
    is_regressor,
    last_step,
    through_steps,
    wrapped_estimator,
)
from skal_deep.classifier.door._kinds_of_rows import (
    measured_rows,
    rows_for,
)
from skal_deep.classifier.door._logistic import with_training_rows
from skal_deep.classifier.door._model_checks import check_fitted
from skal_deep.classifier.net._bare_nets import fit_bare_net, fit_wrapped_net
from skal_deep.classifier.net._batches import N_SHOWN_ROWS
from skal_deep.classifier.net._interrupts import leaves_on_interrupt
from skal_deep.classifier.net._origin import is_written_in
from skal_deep.classifier.net._reading import N_READ_ROWS, check_reading
from skal_deep.classifier.net._rows_beside import warn_of_rows_beside
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import take
from skal_deep.rows._label_array import narrowed, warn_of_classes
from skal_deep.rows._labels import known_classes
from skal_deep.rows._order import canonical_order, training_order
from skal_deep.rows._row_weights import row_weights


def labeled_rows(y: NDArray[Any], missing_label: Any) -> NDArray[np.bool_]:
    """Return which rows have a label, or all their targets where there are several.

    Raises
    ------
    ValueError
        If a row has some targets and lacks others.
    """
    known = is_labeled(y, missing_label)
    if known.ndim == 1:
        return known
    some, every = known.any(axis=1), known.all(axis=1)
    if (some & ~every).any():
        raise ValueError(
            f"Row {np.flatnonzero(some & ~every)[0]} of y has some targets and lacks "
            f"others (missing_label={missing_label!r}). A row has all or none."
        )
    return every


@leaves_on_interrupt
@threads_given_back()
def fit_on_labeled(
    clf: Any,
    X: Any,
    y: NDArray[Any],
    missing_label: Any = -1,
    sample_weight: NDArray[Any] | None = None,
) -> Any:
    """Return a fitted clone of a classifier or regressor of any kind.

    scikit-activeml's models are given all rows and leave out the unlabelled ones
    themselves; our own, which would only copy them, get a few that show what rows are
    like, and all others are given the labelled rows. The earlier steps of a Pipeline
    see what its last step sees. skorch's regressors are given targets in the shape that
    their module returns. Ctrl-C leaves the call,
    whatever the model does with it.

    Rows come in an order that their contents decide, so that the fit does not depend
    on how the caller has stored them.

    Parameters
    ----------
    clf : object
        Anything that :func:`as_model` knows.
    X : array-like of shape (n_samples, ...), table, sparse matrix or dict of arrays
        Inputs.
    y : ndarray of shape (n_samples,) or, for regressors, (n_samples, n_targets)
        Labels or targets.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    object
        A clone of ``clf``, fitted.

    See Also
    --------
    as_model : What a strategy may ask of the fitted model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.classifier import fit_on_labeled
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, -1])
    >>> fit_on_labeled(LogisticRegression(), X, y).predict(X)
    array([0, 1, 1])
    """
    last = last_step(clf)
    X = rows_for(clf, as_data(X))
    has_label = labeled_rows(y, missing_label)
    weight = row_weights(sample_weight, len(y))
    labeled = _rows_to_fit(clf, X, y, has_label, weight)
    clf = clone(clf)
    if not (is_regressor(last) or hasattr(last, "fit_from")):
        warn_of_classes(y, missing_label, getattr(last, "classes", None))
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
    elif isinstance(last, NeuralNet) and not len(labeled):
        if isinstance(clf, Pipeline):
            raise ValueError("A Pipeline with a plain skorch net needs a first label.")
        return clf.initialize()
    elif not len(labeled):
        ours = "classifier of skal_deep with `classes` given"
        if is_regressor(last):
            ours = "regressor of skal_deep, such as BayesianLinearRegressor"
        raise ValueError(
            f"{type(last).__name__} cannot be fitted without a label. Label some rows "
            f"first, or use a {ours}."
        )
    if weight is not None:
        weight = weight[labeled]
    y_fit = y[labeled]
    if not isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        y_fit = narrowed(y_fit)
    if isinstance(last, NeuralNet):
        return _with_last_step(fit_bare_net, clf, take(X, labeled), y_fit, weight)
    if isinstance(last, SkorchClassifier | SkorchRegressor):
        return _with_last_step(fit_wrapped_net, clf, take(X, labeled), y_fit, weight)
    if isinstance(innermost(clf), NeuralNet) and is_regressor(clf):
        y_fit = y_fit.astype(np.float32).reshape(len(y_fit), -1)
    with known_classes(getattr(last, "classes", None) is not None):
        fitted = _fit_weighted(clf, take(X, labeled), y_fit, weight)
    rows = take(X, labeled), y[labeled]
    return knowing_its_rows(fitted, *rows, missing_label, weight, is_certain=True)


def _rows_to_fit(
    clf: Any,
    X: Any,
    y: NDArray[Any],
    has_label: NDArray[np.bool_],
    weight: NDArray[Any] | None,
) -> NDArray[np.intp]:
    """Return the rows that a model is fitted to, in an order that contents decide."""
    labeled = training_order(X, np.flatnonzero(has_label), y, weight)
    if not isinstance(last_step(clf), SkactivemlClassifier | SkactivemlRegressor):
        return labeled
    others = np.flatnonzero(~has_label)
    n_learned = len(labeled) if weight is None else np.count_nonzero(weight[labeled])
    if n_learned > 1 and _learns_labeled_alone(clf):
        others = others[:N_SHOWN_ROWS]
    else:
        others = canonical_order(X, others, None, weight)
    return np.concatenate([labeled, others])


def _learns_labeled_alone(clf: Any) -> bool:
    """Return whether rows without a label change nothing of what a model learns.

    It is so of our own with more than one label that has a weight: one alone may take
    the scale of its prior from all rows. A ``fit`` that a user has written may read
    anything.
    """
    is_own = is_written_in("skal_deep.classifier.", type(clf), "fit")
    return is_own and getattr(clf, "_learns_from_unlabeled", True) is False


def knowing_its_rows(
    clf: Any,
    X: Any,
    y: NDArray[Any],
    missing_label: Any,
    weight: NDArray[Any] | None,
    is_certain: bool = False,
) -> Any:
    """Return a model, or a view of it whose posterior knows the labelled rows.

    A logistic regression has its posterior from them, and keeps none when it is fitted.
    """
    if clf is None or is_regressor(clf) or y.ndim != 1:
        return clf
    known = is_labeled(y, missing_label)
    if not known.any():
        return clf
    weight = None if weight is None else weight[known]
    return with_training_rows(clf, take(X, known), y[known], weight, is_certain)


def _fit_weighted(
    clf: Any, X: Any, y: NDArray[Any], weight: NDArray[Any] | None
) -> Any:
    """Fit a model, or a Pipeline whose last step gets the weights of the rows."""
    if weight is None:
        return clf.fit(X, y)
    name = "sample_weight"
    if isinstance(clf, Pipeline) and get_config()["enable_metadata_routing"]:
        _route_weight_to_last(clf)
    elif isinstance(clf, Pipeline):
        name = f"{clf.steps[-1][0]}__sample_weight"
    try:
        return clf.fit(X, y, **{name: weight})
    except TypeError as error:
        if "unexpected keyword argument 'sample_weight'" not in str(error):
            raise
        raise TypeError(
            f"{type(last_step(clf)).__name__} takes no weights of rows: leave "
            "sample_weight out, or pass a model that takes them."
        ) from error


def _with_last_step(
    fit: Callable[..., Any],
    clf: Any,
    X: Any,
    y: NDArray[Any],
    weight: NDArray[Any] | None,
) -> Any:
    """Fit a model, or a Pipeline that ends in it, whose last step is fitted our way."""
    if isinstance(clf, Pipeline) and len(clf) > 1:
        earlier = clf[:-1]
        X = earlier.fit_transform(X, y)
        clf.steps[:-1] = earlier.steps
    fit(last_step(clf), X, y, weight)
    return clf


def _route_weight_to_last(pipeline: Pipeline) -> None:
    """Say which steps want weights, where the user has not: the last one alone."""
    for _, step in pipeline.steps:
        if hasattr(step, "set_fit_request"):
            asked = step.get_metadata_routing().fit.requests
            if asked.get("sample_weight", False) is None:
                step.set_fit_request(sample_weight=step is pipeline[-1])


def model_to_ask(
    clf: Any,
    fit: bool,
    X: Any,
    y: NDArray[Any],
    missing_label: Any,
    sample_weight: NDArray[Any] | None,
) -> Any:
    """Return the model to ask: a fitted clone, or the fitted one that is given."""
    if isinstance(clf, Inputs):
        last = last_step(clf.model)
        if fit and wrapped_estimator(last) is None:
            return _fit_steps(clf.model, X, y, missing_label, sample_weight)
        takes_gaps = isinstance(last, SkactivemlClassifier | SkactivemlRegressor)
        if fit and not takes_gaps and not is_labeled(y, missing_label).any():
            warnings.warn(
                f"{type(last).__name__} cannot be fitted without labels, so that X is "
                "measured as it is.",
                stacklevel=3,
            )
            return None
        return Inputs(model_to_ask(clf.model, fit, X, y, missing_label, sample_weight))
    if fit:
        return fit_on_labeled(clf, X, y, missing_label, sample_weight)
    last = last_step(clf)
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
    check_fitted(clf)
    if isinstance(last, NeuralNet):  # our own classifiers have looked in fit
        shown = take(X, slice(N_READ_ROWS))
        if isinstance(clf, Pipeline) and len(clf) > 1:
            shown = through_steps(clf[:-1], shown)
        check_reading(last, shown)
        warn_of_rows_beside(last, shown)
    return clf


def _fit_steps(
    pipeline: Pipeline,
    X: Any,
    y: NDArray[Any],
    missing_label: Any,
    sample_weight: NDArray[Any] | None,
) -> Inputs | None:
    """Return the fitted steps of a Pipeline before its last, which is not needed.

    They are fitted to what :func:`fit_on_labeled` fits them to, in the same order;
    before the first label to all rows.
    """
    last = last_step(pipeline)
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
    has_label = labeled_rows(y, missing_label)
    weight, weights = row_weights(sample_weight, len(y)), {}
    labeled = _rows_to_fit(pipeline, X, y, has_label, weight)
    rows = labeled if len(labeled) else training_order(X, np.arange(len(y)), y, weight)
    pipeline = clone(pipeline)
    earlier = pipeline[:-1]
    if weight is not None and get_config()["enable_metadata_routing"]:
        _route_weight_to_last(pipeline)
        if earlier.get_metadata_routing().consumes("fit", ["sample_weight"]):
            weights = {"sample_weight": weight[rows]}
    if len(labeled):
        earlier.fit(take(X, rows), y[rows], **weights)
    else:
        try:
            earlier.fit(take(X, rows), **weights)
        except (TypeError, ValueError) as error:
            warnings.warn(
                "The earlier steps of the Pipeline cannot be fitted without labels, so "
                f"that X is measured as it is: {error}",
                stacklevel=4,
            )
            return None
    return Inputs(type(pipeline)([*earlier.steps, ("last", "passthrough")]))


def seen_inputs(
    name: str, clf: Any, X: Any, candidates: Any, is_foreign: bool
) -> tuple[Any, Any, Any]:
    """Return the model to ask, rows of X and candidates, as these are measured.

    Where nothing but the inputs of a Pipeline's last step is asked for, they take the
    place of the rows; then no model is left to ask.
    """
    if clf is None:
        return None, *measured_rows(name, X, candidates, is_foreign)
    if not isinstance(clf, Inputs):
        return clf, X, candidates
    see = as_model(clf).embed  # type: ignore[attr-defined]
    if is_foreign:
        candidates = see(candidates).numpy(force=True)
    X = see(X).numpy(force=True)
    return None, *measured_rows(name, X, candidates, is_foreign)
