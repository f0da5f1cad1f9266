"""Fitting models of any kind for a query, and refusing those that cannot help."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier, SkactivemlRegressor
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from skactiveml.utils import check_equal_missing_label, is_labeled
from sklearn.base import RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from skal_deep.classifier._access import as_model
from skal_deep.classifier._capabilities import REMEDIES, CapabilityError, method_name
from skal_deep.classifier._label_array import narrowed, warn_of_one_class


def last_step(clf: Any) -> Any:
    """Return the last step of a Pipeline, anything else as it is."""
    return clf[-1] if isinstance(clf, Pipeline) else clf


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
    for name, value in (("fit_clf", fit_clf), ("fit_reg", fit_reg)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {value!r}.")
    if isinstance(last_step(clf), RegressorMixin):
        raise TypeError(f"{type(last_step(clf)).__name__} is a regressor: pass `reg`.")
    if reg is None:
        return clf, fit_clf
    if clf is not None:
        raise ValueError("Pass a classifier `clf` or a regressor `reg`, not both.")
    if not isinstance(last_step(reg), RegressorMixin):
        raise TypeError(
            f"reg must be a regressor, such as skorch's NeuralNetRegressor; "
            f"{type(last_step(reg)).__name__} is none. Classifiers are passed as `clf`."
        )
    return reg, fit_reg


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
    given targets as a column of float32, as they ask for.

    Parameters
    ----------
    clf : object
        Anything that :func:`as_model` knows.
    X : ndarray of shape (n_samples, ...)
        Inputs.
    y : ndarray of shape (n_samples,)
        Labels or targets.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    """
    last = last_step(clf)
    clf, labeled = clone(clf), is_labeled(y, missing_label)
    if not (isinstance(last, RegressorMixin) or hasattr(last, "fit_from")):
        warn_of_one_class(y, missing_label, getattr(last, "classes", None))
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
        labeled = np.ones_like(labeled)
    elif isinstance(last, NeuralNet) and not labeled.any():
        if isinstance(clf, Pipeline):
            raise ValueError("A Pipeline with a plain skorch net needs a first label.")
        return clf.initialize()
    elif not labeled.any():
        raise ValueError(
            f"{type(last).__name__} cannot be fitted without a label. Label some rows "
            "first, or use a classifier of skal_deep with `classes` given."
        )
    y_fit = y[labeled]
    if not isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        y_fit = narrowed(y_fit)
    if isinstance(last, NeuralNet) and isinstance(last, RegressorMixin):
        y_fit = y_fit.astype(np.float32)[:, None]
    elif isinstance(last, NeuralNet):
        y_fit = y_fit.astype(np.int64)
    if sample_weight is None:
        return clf.fit(X[labeled], y_fit)
    name = "sample_weight"
    if isinstance(clf, Pipeline):
        name = f"{clf.steps[-1][0]}__sample_weight"
    return clf.fit(X[labeled], y_fit, **{name: np.asarray(sample_weight)[labeled]})


def check_fitted(clf: Any) -> None:
    """Raise ``NotFittedError`` if a model of any kind is not fitted."""
    last = last_step(clf)
    if isinstance(last, NeuralNet):
        fitted = getattr(last, "initialized_", False)
    elif isinstance(last, SkorchClassifier):
        fitted = hasattr(last, "neural_net_") and hasattr(last, "classes_")
    elif isinstance(last, SkorchRegressor):
        fitted = hasattr(last, "neural_net_")
    else:
        check_is_fitted(last)
        return
    if not fitted:
        raise NotFittedError(
            f"This {type(last).__name__} is not fitted yet. Call `fit`, or pass "
            f"fit_{_argument(last)}=True."
        )


def fitted(
    clf: Any,
    fit: bool,
    X: NDArray[Any],
    y: NDArray[Any],
    missing_label: Any,
    sample_weight: NDArray[Any] | None,
) -> Any:
    """Return the model to ask: a fitted clone, or the fitted one that is given."""
    if fit:
        return fit_on_labeled(clf, X, y, missing_label, sample_weight)
    last = last_step(clf)
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
    check_fitted(clf)
    return clf


def class_positions(clf: Any, y: NDArray[Any]) -> NDArray[np.int64]:
    """Return the columns that labels have in what a fitted classifier predicts."""
    last = last_step(clf)
    if isinstance(last, NeuralNet):
        return y.astype(np.int64)
    return np.searchsorted(last.classes_, y)


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
    if works_on_inputs:
        return None
    if clf is None:
        raise CapabilityError(
            f"{name} needs a classifier: pass `clf`. " + _remedy(missing)
        )
    offered = (
        ", ".join(vars(model).keys() - {"inputs"}) or "none of what strategies ask for"
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
    return "reg" if isinstance(last_step(model), RegressorMixin) else "clf"
