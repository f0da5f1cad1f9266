"""What a query checks of a model of any kind before it asks it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import (
    _check_feature_names,
    _get_feature_names,
    check_is_fitted,
)
from skorch import NeuralNet

from skal_deep.classifier.door._as_model import Inputs, as_model, warn_of_inputs
from skal_deep.classifier.door._capabilities import (
    CAPABILITIES,
    REMEDIES,
    method_name,
)
from skal_deep.classifier.door._inside import (
    hides_features,
    is_regressor,
    last_step,
    sees_inputs,
    transforms,
)
from skal_deep.classifier.door._wrapped import label_positions
from skal_deep.exceptions import CapabilityError


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
    # where embeddings are inputs there is nothing to fit first, and no label to lack
    if not missing and not (works_on_inputs and sees_inputs(clf)):
        return clf
    if works_on_inputs and hides_features(clf):
        warn_of_inputs(clf, stacklevel=4)
    if works_on_inputs:
        return Inputs(clf) if transforms(clf) else None
    if clf is None:
        raise CapabilityError(
            f"{name} needs a classifier: pass `clf`. " + _remedy(missing)
        )
    names = ", ".join(name for name in CAPABILITIES if name in vars(model))
    offered = f"only {names}" if names else "nothing that strategies ask for"
    raise CapabilityError(
        f"{name} needs {' and '.join(method_name(need) for need in missing)} of "
        f"{_argument(clf)}; {type(clf).__name__} offers {offered}. " + _remedy(missing)
    )


def _remedy(missing: list[type]) -> str:
    return " ".join(dict.fromkeys(REMEDIES[need] for need in missing))


def _argument(model: Any) -> str:
    """Return the name of the argument that a model is passed as."""
    return "reg" if is_regressor(model) else "clf"
