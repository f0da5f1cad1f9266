"""What models from elsewhere answer, checked and as tensors."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from skactiveml.classifier import SkorchClassifier
from skorch import NeuralNet
from torch import Tensor

from skal_deep._devices import computable
from skal_deep.classifier.net._output import as_float, as_proba, check_proba
from skal_deep.modules import isolated_rng
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import n_rows
from skal_deep.rows._lent import lent

# Draws where nobody has said how many.
DEFAULT_N_SAMPLES = 20


def with_names(model: Any, X: Any) -> Any:
    """Return rows under the names that a model was fitted with, if it was.

    A query holds rows as arrays; it has checked their names against the model's.
    """
    names = getattr(model, "feature_names_in_", None)
    if names is None or not isinstance(X, np.ndarray) or X.ndim != 2:
        return X
    try:
        import pandas as pd
    except ImportError:
        return X
    return pd.DataFrame(X, columns=names)


def foreign_proba(clf: Any, X: Any) -> Tensor:
    """Return the class probabilities of a classifier, of shape (N, C)."""
    with isolated_rng():
        proba = clf.predict_proba(with_names(clf, lent(X)))
    return _check_answer(clf, "predict_proba", proba, X)


def foreign_draws(
    clf: Any, X: Any, n_samples: int | None = None, random_state: int = 0
) -> Tensor:
    """Return the draws of a classifier that has ``sample_proba``, (S, N, C)."""
    with isolated_rng():
        samples = clf.sample_proba(
            with_names(clf, lent(X)),
            n_samples=n_samples or DEFAULT_N_SAMPLES,
            random_state=random_state,
        )
    return _check_answer(clf, "sample_proba", samples, X, n_axes=3)


def foreign_answer(clf: Any, name: str, X: Any, *args: Any, **params: Any) -> Any:
    """Return what a method of a protocol returns, arrays as tensors."""
    with isolated_rng():
        answer = getattr(clf, name)(with_names(clf, lent(X)), *args, **params)
    if name == "differentiable_logits":
        return answer
    if name == "linear_head":
        return tuple(_as_tensor(part) for part in answer)
    answer = _as_tensor(answer)
    _check_rows(f"{type(clf).__name__}.{name}", answer, X)
    if not torch.isfinite(answer).all():
        raise ValueError(f"{type(clf).__name__}.{name} returned NaN or infinity.")
    if name == "predict_evidence" and (answer < 0).any():
        raise ValueError(f"{type(clf).__name__}.{name} must return evidence >= 0.")
    return answer.flatten(1) if name == "embed" else answer


def _check_rows(source: str, answer: Tensor, X: Any, axis: int = 0) -> None:
    """Raise ``ValueError`` unless an answer has as many rows as it was asked for."""
    n_asked = n_rows(as_data(X))
    if answer.ndim <= axis or answer.shape[axis] != n_asked:
        raise ValueError(
            f"{source} must return one answer a row; of {n_asked} rows it returned an "
            f"array of shape {tuple(answer.shape)}."
        )


def _as_tensor(answer: Any) -> Tensor:
    if isinstance(answer, Tensor):
        return computable(as_float(answer.detach()))
    return as_float(_copied(answer))


def _copied(answer: Any) -> Tensor:
    return torch.tensor(np.asarray(answer))


def _check_answer(
    clf: Any, method: str, answer: Any, X: Any, n_axes: int = 2
) -> Tensor:
    """Return probabilities, one column a class, or say that they are none."""
    is_tensor = isinstance(answer, Tensor)  # else a copy: arrays may be read-only
    proba = answer.detach().clone() if is_tensor else _copied(answer)
    proba = as_proba(computable(proba))
    source = f"{type(clf).__name__}.{method}"
    advice = "Its rows must be the probabilities of the classes."
    if isinstance(clf, SkorchClassifier):
        advice = (
            "If the module returns logits, make them probabilities by "
            "forward_outputs={'proba': (0, torch.nn.Softmax(dim=-1))}, which is here "
            'what predict_nonlinearity="softmax" is for a net of skorch.'
        )
    check_proba(proba, source, advice, n_axes)
    _check_rows(source, proba, X, n_axes - 2)
    classes = None if isinstance(clf, NeuralNet) else getattr(clf, "classes_", None)
    if classes is not None and proba.shape[-1] != len(classes):
        raise ValueError(
            f"{source} returns {proba.shape[-1]} columns, but {len(classes)} classes "
            "are in its `classes_`."
        )
    return proba


def member_draws(
    clf: Any,
    X: Any,
    n_samples: int | None = None,  # noqa: ARG001
    random_state: int = 0,  # noqa: ARG001
) -> Tensor:
    """Return the members' probabilities: all the draws that a committee has.

    Parameters
    ----------
    clf : ForestClassifier or BaggingClassifier
        A fitted committee.
    X : array-like of shape (N, D)
        Rows.
    n_samples, random_state : object
        They do not matter.
    """
    X = X.tocsr() if issparse(X) else np.asarray(X)
    draws_SNC = np.zeros((len(clf.estimators_), X.shape[0], len(clf.classes_)))
    columns = getattr(clf, "estimators_features_", None)
    for s, member in enumerate(clf.estimators_):
        X_s = X if columns is None else X[:, columns[s]]
        # members know classes as positions in those of the committee
        seen = np.asarray(member.classes_, dtype=int)
        draws_SNC[s][:, seen] = _member_proba(member, X_s)
    return _check_answer(clf, "estimators_", draws_SNC, X, n_axes=3)


def _member_proba(member: Any, X: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities by a member, or its votes."""
    if hasattr(member, "predict_proba"):
        return np.asarray(member.predict_proba(X))
    return (member.predict(X)[:, None] == member.classes_).astype(float)


def by_method(clf: Any, name: str) -> Callable[..., Any]:
    """Return a function that calls a protocol's method of a foreign class."""
    if name == "predict_proba":
        return partial(foreign_proba, clf)
    if name == "sample_proba":
        return partial(foreign_draws, clf)
    return partial(foreign_answer, clf, name)
