"""The Laplace posterior of scikit-learn's logistic regression."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skal_deep.classifier._linear_posterior import (
    LinearPosterior,
    flat_rows,
    linear_answers,
    posterior_structure,
)
from skal_deep.classifier.door._foreign import DEFAULT_N_SAMPLES, with_names
from skal_deep.classifier.door._inside import (
    changes_proba,
    wrapped_attribute,
    wrapped_estimator,
)
from skal_deep.classifier.net._compiled import with_attributes
from skal_deep.classifier.net._head import linear_classifier_head
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.laplace import ggn
from skal_deep.rows._lent import lent

# scikit-learn does not penalise the intercept. A flat prior has no posterior where all
# intercepts move together, which changes no probability; this one is almost flat.
_INTERCEPT_PRECISION = 1e-3
# The curvature has as many rows and columns as there are features, at least.
_MOST_FEATURES = 5_000


class TrainingRows(NamedTuple):
    """What a logistic regression was fitted to, before the steps of Pipelines.

    The curvature is computed of it when draws are asked for.
    """

    steps: tuple[Any, ...]
    X: Any
    y: NDArray[Any]
    sample_weight: NDArray[Any] | None


def with_training_rows(
    model: Any,
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
    steps: tuple[Any, ...] = (),
) -> Any:
    """Return a model whose logistic regression, if it ends in one, knows its rows.

    The model itself stays as it is. A logistic regression that knows rows keeps them.

    Parameters
    ----------
    model : object
        A fitted model of any kind.
    X, y, sample_weight
        The labelled rows.
    steps : tuple of object
        Transformers that the rows pass first.
    """
    if isinstance(model, Pipeline):
        earlier = steps if len(model) == 1 else (*steps, model[:-1])
        last = with_training_rows(model[-1], X, y, sample_weight, earlier)
        if last is model[-1]:
            return model
        named = [*model.steps[:-1], (model.steps[-1][0], last)]
        return with_attributes(model, steps=named)
    if isinstance(model, LogisticRegression):
        if hasattr(model, "coef_") and not hasattr(model, "_training_rows"):
            rows = TrainingRows(steps, X, y, sample_weight)
            return with_attributes(model, _training_rows=rows)
        return model
    inner = wrapped_estimator(model)
    if inner is None or isinstance(model, FrozenEstimator) or changes_proba(model):
        return model
    told = with_training_rows(inner, X, y, sample_weight, steps)
    if told is inner:
        return model
    return with_attributes(model, **{wrapped_attribute(model): told})


def answers_of_linear(clf: Any) -> dict[str, Any]:
    """Return what a linear classifier of scikit-learn answers beside probabilities.

    A logistic regression has draws if it knows the rows that it was fitted to, or will
    be told of them when it is fitted.
    """
    answers = linear_answers(flat_rows, partial(linear_classifier_head, clf))
    knows_rows = hasattr(clf, "_training_rows") or not hasattr(clf, "coef_")
    if isinstance(clf, LogisticRegression) and knows_rows and _has_gaussian_prior(clf):
        answers["sample_proba"] = partial(_draws, clf)
    return answers


def _has_gaussian_prior(clf: LogisticRegression) -> bool:
    """Return whether the penalty is that of a Gaussian, or there is none."""
    params = clf.get_params(deep=False)
    ratio = params.get("l1_ratio", params.get("l1_ratios"))
    is_squared = params.get("penalty", "l2") in ("deprecated", "l2", None)
    return is_squared and (isinstance(ratio, str) or not np.any(ratio))


def _draws(
    clf: LogisticRegression, X: Any, n_samples: int | None = None, random_state: int = 0
) -> Tensor:
    """Return coupled draws of the class probabilities, of shape (S, N, C)."""
    check_is_fitted(clf)
    rows_ND = flat_rows(X)
    linear_classifier_head(clf, X)  # refuses what is no softmax of linear functions
    posterior = vars(clf).get("_linear_posterior")
    if posterior is None:
        posterior = clf._linear_posterior = _posterior(clf)
    return posterior.sample_proba(rows_ND, n_samples or DEFAULT_N_SAMPLES, random_state)


def _posterior(clf: LogisticRegression) -> LinearPosterior:
    """Return the Gaussian around the fitted weights, with the curvature there."""
    steps, X, y, sample_weight = clf._training_rows
    for step in steps:
        X = step.transform(with_names(step, lent(X)))
    if X.shape[1] > _MOST_FEATURES:
        kind = "sparse" if issparse(X) else "dense"
        raise CapabilityError(
            f"The posterior of {type(clf).__name__} on {X.shape[1]} {kind} features "
            f"has a covariance of that size squared; {_MOST_FEATURES} is the limit. "
            "Put TruncatedSVD(100) before it in a Pipeline."
        )
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    if clf.class_weight is not None:
        weight = weight * compute_sample_weight(clf.class_weight, y)
    rows_ND = flat_rows(X).double()
    features_ND = torch.cat([rows_ND, torch.ones_like(rows_ND[:, :1])], dim=1)
    scale_D = _prior_precisions(clf, features_ND.shape[1]).sqrt()
    weights_RD = torch.tensor(np.column_stack([clf.coef_, clf.intercept_])).double()
    logit_NR = features_ND @ weights_RD.T
    proba_NR = logit_NR.sigmoid() if len(weights_RD) == 1 else logit_NR.softmax(-1)
    curvature = ggn(
        features_ND / scale_D,
        proba_NR,
        torch.as_tensor(weight),
        posterior_structure(*weights_RD.shape),
    )
    return LinearPosterior(weights_RD, curvature, scale_D, len(clf.classes_))


def _prior_precisions(clf: LogisticRegression, n_columns: int) -> Tensor:
    """Return the precision of the prior for each feature, and for the intercept."""
    inverse = float(np.ravel(getattr(clf, "C_", getattr(clf, "C", 1.0)))[0])
    is_flat = clf.get_params(deep=False).get("penalty", "l2") is None
    precision = _INTERCEPT_PRECISION if is_flat else 1 / inverse
    precision_D = torch.full(
        (n_columns,), max(precision, _INTERCEPT_PRECISION)
    ).double()
    precision_D[-1] = _INTERCEPT_PRECISION
    return precision_D
