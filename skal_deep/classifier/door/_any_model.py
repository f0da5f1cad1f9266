"""Fitting models of any kind for a query, and checking what they offer."""

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
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import (
    _check_feature_names,
    _get_feature_names,
    check_is_fitted,
)
from skorch import NeuralNet

from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier.door._as_model import Inputs, as_model, warn_of_inputs
from skal_deep.classifier.door._capabilities import (
    CAPABILITIES,
    REMEDIES,
    method_name,
)
from skal_deep.classifier.door._inside import (
    hides_features,
    innermost,
    is_regressor,
    last_step,
    transforms,
    wrapped_estimator,
)
from skal_deep.classifier.door._wrapped import label_positions
from skal_deep.classifier.net._bare_nets import fit_bare_net, fit_wrapped_net
from skal_deep.classifier.net._interrupts import leaves_on_interrupt
from skal_deep.classifier.net._reading import N_READ_ROWS, check_reading
from skal_deep.exceptions import CapabilityError
from skal_deep.rows._label_array import narrowed, warn_of_one_class
from skal_deep.rows._labels import known_classes
from skal_deep.rows._order import canonical_order, training_order
from skal_deep.rows._row_weights import row_weights


def given_model(clf: Any, fit_clf: Any, reg: Any, fit_reg: Any) -> tuple[Any, bool]:
    """Return the one model that a query is given and whether to fit it.

    Raises
    ------
    TypeError
        If a regressor is passed as ``clf``, another thing as ``reg``, or if it is
        neither true nor false whether to fit.
    ValueError
        If there is a classifier and a regressor.
    """
    if clf is not None:
        _check_classifier(clf)
    for name, value in (("fit_clf", fit_clf), ("fit_reg", fit_reg)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {value!r}.")
    if is_regressor(clf):
        raise TypeError(f"{type(last_step(clf)).__name__} is a regressor: pass `reg`.")
    if reg is None:
        return clf, fit_clf
    if isinstance(reg, type) or not is_regressor(reg):
        raise TypeError(
            "reg must be a regressor, such as skorch's NeuralNetRegressor, not "
            f"{type(last_step(reg)).__name__}. Pass classifiers as `clf`."
        )
    if clf is not None:
        raise ValueError("Pass a classifier `clf` or a regressor `reg`, not both.")
    return reg, fit_reg


def _check_classifier(clf: Any) -> None:
    """Raise ``TypeError`` unless it is a model; regressors are refused later."""
    last = last_step(clf)
    if isinstance(last, type):
        raise TypeError(
            f"clf={last.__name__} is a class. Pass an instance: {last.__name__}(...)."
        )
    answers = (method_name(capability) for capability in REMEDIES)
    is_model = isinstance(last, NeuralNet | RegressorMixin) or (
        isinstance(last, BaseEstimator) and is_classifier(last)
    )
    if not is_model and not any(callable(getattr(last, a, None)) for a in answers):
        raise TypeError(
            "clf must be a classifier: one of skal_deep, scikit-activeml or "
            "scikit-learn, a skorch net, or a Pipeline that ends in one. "
            f"It is {last!r} of type {type(last).__name__}."
        )


def was_trained(clf: Any) -> bool:
    """Return whether a fitted model has seen a label, as far as its nets can tell."""
    last = last_step(clf)
    inner = [last] if isinstance(last, NeuralNet) else [getattr(last, "neural_net_", 0)]
    nets = [net for net in getattr(last, "nets_", inner) if isinstance(net, NeuralNet)]
    return not nets or any(len(net.history) for net in nets)


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
def fit_on_labeled(
    clf: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    missing_label: Any = -1,
    sample_weight: NDArray[Any] | None = None,
) -> Any:
    """Return a fitted clone of a classifier or regressor of any kind.

    scikit-activeml's models, our classifiers among them, are given all rows and leave
    out the unlabelled ones themselves; all others are given the labelled rows. The
    earlier steps of a Pipeline see what its last step sees. skorch's regressors are
    given targets in the shape that their module returns. Ctrl-C leaves the call,
    whatever the model does with it.

    Rows come in an order that their contents decide, so that the fit does not depend
    on how the caller has stored them.

    Parameters
    ----------
    clf : object
        Anything that :func:`as_model` knows.
    X : ndarray of shape (n_samples, ...)
        Inputs.
    y : ndarray of shape (n_samples,) or, for regressors, (n_samples, n_targets)
        Labels or targets.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    """
    last = last_step(clf)
    is_net, has_label = isinstance(clf, NetClassifier), labeled_rows(y, missing_label)
    clf, weight = clone(clf), row_weights(sample_weight, len(y))
    labeled = training_order(X, np.flatnonzero(has_label), y, weight)
    if not (is_regressor(last) or hasattr(last, "fit_from")):
        warn_of_one_class(y, missing_label, getattr(last, "classes", None))
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
        others = np.flatnonzero(~has_label)
        if not is_net:  # others may learn from rows without a label, too
            others = canonical_order(X, others, None, weight)
        labeled = np.concatenate([labeled, others])
    elif isinstance(last, NeuralNet) and not len(labeled):
        if isinstance(clf, Pipeline):
            raise ValueError("A Pipeline with a plain skorch net needs a first label.")
        return clf.initialize()
    elif not len(labeled):
        raise ValueError(
            f"{type(last).__name__} cannot be fitted without a label. Label some rows "
            "first, or use a classifier of skal_deep with `classes` given."
        )
    if weight is not None:
        weight = weight[labeled]
    y_fit = y[labeled]
    if not isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        y_fit = narrowed(y_fit)
    if isinstance(last, NeuralNet):
        return _with_last_step(fit_bare_net, clf, X[labeled], y_fit, weight)
    if isinstance(last, SkorchClassifier | SkorchRegressor):
        return _with_last_step(fit_wrapped_net, clf, X[labeled], y_fit, weight)
    if isinstance(innermost(clf), NeuralNet) and is_regressor(clf):
        y_fit = y_fit.astype(np.float32).reshape(len(y_fit), -1)
    with known_classes(getattr(last, "classes", None) is not None):
        return _fit_weighted(clf, X[labeled], y_fit, weight)


def _fit_weighted(
    clf: Any, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None
) -> Any:
    """Fit a model, or a Pipeline whose last step gets the weights of the rows."""
    if weight is None:
        return clf.fit(X, y)
    name = "sample_weight"
    if isinstance(clf, Pipeline) and get_config()["enable_metadata_routing"]:
        _route_weight_to_last(clf)
    elif isinstance(clf, Pipeline):
        name = f"{clf.steps[-1][0]}__sample_weight"
    return clf.fit(X, y, **{name: weight})


def _with_last_step(
    fit: Callable[..., Any],
    clf: Any,
    X: NDArray[Any],
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


def seen_inputs(clf: Any, X: NDArray[Any], candidates: Any) -> tuple[Any, Any, Any]:
    """Return the model to ask, rows of X and candidates, as these are measured.

    Where nothing but the inputs of a Pipeline's last step is asked for, they take the
    place of the rows; then no model is left to ask.
    """
    if not isinstance(clf, Inputs):
        return clf, X, candidates
    see = as_model(clf).embed  # type: ignore[attr-defined]
    if candidates is not None and candidates.ndim > 1:
        candidates = see(candidates).numpy(force=True)
    return None, see(X).numpy(force=True), candidates


def check_feature_names(model: Any, fit: bool, X: Any, candidates: Any) -> None:
    """Refuse columns named otherwise than those a fitted model knows, or than X's.

    As scikit-learn's own methods do; names are lost where rows are held as arrays.
    """
    if not fit and getattr(model, "feature_names_in_", None) is not None:
        _check_feature_names(model, X, reset=False)
    known, named = _get_feature_names(X), _get_feature_names(candidates)
    if known is not None and named is not None and list(known) != list(named):
        raise ValueError(
            f"The columns of candidates are named {list(named)}, those of X "
            f"{list(known)}. Give them the same names in the same order."
        )


def check_fitted(clf: Any) -> None:
    """Raise ``NotFittedError`` if a model of any kind is not fitted."""
    last = last_step(clf)
    if isinstance(last, NeuralNet):
        is_fitted = getattr(last, "initialized_", False)
    elif isinstance(last, SkorchClassifier):
        is_fitted = hasattr(last, "neural_net_") and hasattr(last, "classes_")
    elif isinstance(last, SkorchRegressor):
        is_fitted = hasattr(last, "neural_net_")
    else:
        check_is_fitted(last)
        return
    if not is_fitted:
        raise NotFittedError(
            f"This {type(last).__name__} is not fitted yet. Call `fit`, or pass "
            f"fit_{_argument(last)}=True."
        )


def model_to_ask(
    clf: Any,
    fit: bool,
    X: NDArray[Any],
    y: NDArray[Any],
    missing_label: Any,
    sample_weight: NDArray[Any] | None,
) -> Any:
    """Return the model to ask: a fitted clone, or the fitted one that is given."""
    if isinstance(clf, Inputs):
        last = last_step(clf.model)
        if fit and wrapped_estimator(last) is None:
            return _fit_steps(clf.model, X, y, missing_label)
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
        shown = X[:N_READ_ROWS]
        if isinstance(clf, Pipeline) and len(clf) > 1:
            shown = clf[:-1].transform(shown)
        check_reading(last, shown)
    return clf


def _fit_steps(
    pipeline: Pipeline, X: NDArray[Any], y: NDArray[Any], missing_label: Any
) -> Inputs | None:
    """Return the fitted steps of a Pipeline before its last, which is not needed.

    They are fitted to what :func:`fit_on_labeled` fits them to; before the first label
    to all rows.
    """
    earlier, last = clone(pipeline[:-1]), pipeline[-1]
    labeled = is_labeled(y, missing_label)
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
        labeled = np.ones_like(labeled)
    if labeled.any():
        earlier.fit(X[labeled], y[labeled])
    else:
        try:
            earlier.fit(X)
        except (TypeError, ValueError) as error:
            warnings.warn(
                "The earlier steps of the Pipeline cannot be fitted without labels, so "
                f"that X is measured as it is: {error}",
                stacklevel=4,
            )
            return None
    return Inputs(Pipeline([*earlier.steps, ("last", "passthrough")]))


def class_positions(clf: Any, y: NDArray[Any]) -> NDArray[np.int64]:
    """Return the columns that labels have in what a fitted classifier predicts."""
    last = last_step(clf)
    if not isinstance(last, NeuralNet):
        return label_positions(last.classes_, y, type(last).__name__)
    y = np.asarray(y)
    is_column = y.dtype.kind in "iufb" and bool((np.isfinite(y) & (y >= 0)).all())
    columns = y.astype(np.int64) if is_column else None
    if columns is None or (columns != y).any():
        raise ValueError(
            f"A plain skorch net has columns 0 ... C-1 for its classes; the labels "
            f"{np.unique(y).tolist()} are others. Use DeepClassifier."
        )
    return columns


def check_needs(
    name: str, clf: Any, needs: tuple[type, ...], works_on_inputs: bool
) -> Any:
    """Return the model that a strategy is to ask, ``None`` for raw inputs.

    Raises
    ------
    CapabilityError
        If something is missing: it says what, what there is, and what to do.
    """
    if not needs:
        return None
    model = as_model(clf)
    missing = [need for need in needs if not isinstance(model, need)]
    if not missing:
        return clf
    if works_on_inputs and hides_features(clf):
        warn_of_inputs(clf, stacklevel=4)
    if works_on_inputs:
        return Inputs(clf) if transforms(clf) else None
    if clf is None:
        raise CapabilityError(
            f"{name} needs a classifier: pass `clf`. " + _remedy(missing)
        )
    offered = (
        ", ".join(name for name in CAPABILITIES if name in vars(model))
        or "none of what strategies ask for"
    )
    raise CapabilityError(
        f"{name} needs {' and '.join(method_name(need) for need in missing)} of "
        f"{_argument(clf)}; {type(clf).__name__} offers only {offered}. "
        + _remedy(missing)
    )


def _remedy(missing: list[type]) -> str:
    return " ".join(REMEDIES[need] for need in missing)


def _argument(model: Any) -> str:
    """Return the name of the argument that a model is passed as."""
    return "reg" if is_regressor(model) else "clf"
