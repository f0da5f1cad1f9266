"""Fitting models of any kind for a query, and refusing those that cannot help."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier, SkactivemlRegressor
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from skactiveml.utils import check_equal_missing_label, is_labeled
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import (
    _check_feature_names,
    _get_feature_names,
    check_is_fitted,
)
from skorch import NeuralNet

from skal_deep.classifier._access import Inputs, as_model, warn_of_inputs
from skal_deep.classifier._capabilities import (
    CAPABILITIES,
    REMEDIES,
    CapabilityError,
    method_name,
)
from skal_deep.classifier._inside import (
    hides_features,
    innermost,
    is_regressor,
    last_step,
    opened,
    transforms,
)
from skal_deep.classifier._wrapped import label_positions


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
    if is_regressor(clf):
        raise TypeError(f"{type(last_step(clf)).__name__} is a regressor: pass `reg`.")
    if reg is None:
        return clf, fit_clf
    if clf is not None:
        raise ValueError("Pass a classifier `clf` or a regressor `reg`, not both.")
    if not is_regressor(reg):
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
    if isinstance(innermost(clf), NeuralNet) and is_regressor(clf):
        y_fit = y_fit.astype(np.float32)[:, None]
    elif isinstance(last, NeuralNet):
        y_fit = y_fit.astype(np.int64)
    if sample_weight is None:
        return clf.fit(X[labeled], y_fit)
    name = "sample_weight"
    if isinstance(clf, Pipeline):
        name = f"{clf.steps[-1][0]}__sample_weight"
    return clf.fit(X[labeled], y_fit, **{name: np.asarray(sample_weight)[labeled]})


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
    if isinstance(clf, Inputs):
        last = last_step(clf.model)
        if fit and opened(last) is None:
            return _fit_steps(clf.model, X, y, missing_label)
        takes_gaps = isinstance(last, SkactivemlClassifier | SkactivemlRegressor)
        if fit and not takes_gaps and not is_labeled(y, missing_label).any():
            warnings.warn(
                f"{type(last).__name__} cannot be fitted without labels, so that X is "
                "measured as it is.",
                stacklevel=3,
            )
            return None
        return Inputs(fitted(clf.model, fit, X, y, missing_label, sample_weight))
    if fit:
        return fit_on_labeled(clf, X, y, missing_label, sample_weight)
    last = last_step(clf)
    if isinstance(last, SkactivemlClassifier | SkactivemlRegressor):
        check_equal_missing_label(last.missing_label, missing_label)
    check_fitted(clf)
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
