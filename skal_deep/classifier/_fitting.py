"""Fitting classifiers of any kind for a query, and refusing those that cannot help."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier
from skactiveml.classifier import SkorchClassifier
from skactiveml.utils import check_equal_missing_label, is_labeled
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from skal_deep.classifier._access import as_model
from skal_deep.classifier._capabilities import REMEDIES, CapabilityError, method_name


def fit_on_labeled(
    clf: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    missing_label: Any = -1,
    sample_weight: NDArray[Any] | None = None,
) -> Any:
    """Return a fitted clone of a classifier of any kind.

    scikit-activeml's classifiers, ours among them, are given all rows and leave out
    the unlabelled ones themselves; all others are given the labelled rows. The
    earlier steps of a Pipeline see what its last step sees.

    Parameters
    ----------
    clf : object
        Any classifier that :func:`as_model` knows.
    X : ndarray of shape (n_samples, ...)
        Inputs.
    y : ndarray of shape (n_samples,)
        Labels.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    """
    last = clf[-1] if isinstance(clf, Pipeline) else clf
    clf, labeled = clone(clf), is_labeled(y, missing_label)
    if isinstance(last, SkactivemlClassifier):
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
    if isinstance(last, NeuralNet):
        y_fit = y_fit.astype(np.int64)
    if sample_weight is None:
        return clf.fit(X[labeled], y_fit)
    name = "sample_weight"
    if isinstance(clf, Pipeline):
        name = f"{clf.steps[-1][0]}__sample_weight"
    return clf.fit(X[labeled], y_fit, **{name: np.asarray(sample_weight)[labeled]})


def check_fitted(clf: Any) -> None:
    """Raise ``NotFittedError`` if a classifier of any kind is not fitted."""
    last = clf[-1] if isinstance(clf, Pipeline) else clf
    if isinstance(last, NeuralNet):
        fitted = getattr(last, "initialized_", False)
    elif isinstance(last, SkorchClassifier):
        fitted = hasattr(last, "neural_net_") and hasattr(last, "classes_")
    else:
        check_is_fitted(last)
        return
    if not fitted:
        raise NotFittedError(
            f"This {type(last).__name__} is not fitted yet. Call `fit`, or pass "
            "fit_clf=True."
        )


def fitted(
    clf: Any,
    fit_clf: bool,
    X: NDArray[Any],
    y: NDArray[Any],
    missing_label: Any,
    sample_weight: NDArray[Any] | None,
) -> Any:
    """Return the classifier to ask: a fitted clone, or the fitted one that is given."""
    if not isinstance(fit_clf, bool):
        raise TypeError(f"fit_clf must be True or False, not {fit_clf!r}.")
    if fit_clf:
        return fit_on_labeled(clf, X, y, missing_label, sample_weight)
    last = clf[-1] if isinstance(clf, Pipeline) else clf
    if isinstance(last, SkactivemlClassifier):
        check_equal_missing_label(last.missing_label, missing_label)
    check_fitted(clf)
    return clf


def check_needs(
    name: str, clf: Any, needs: tuple[type, ...], works_on_inputs: bool
) -> Any:
    """Return the classifier that a strategy is to ask, ``None`` for raw inputs.

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
        f"{name} needs {' and '.join(method_name(need) for need in missing)} of clf; "
        f"{type(clf).__name__} offers only {offered}. " + _remedy(missing)
    )


def _remedy(missing: list[type]) -> str:
    return " ".join(REMEDIES[need] for need in missing)
