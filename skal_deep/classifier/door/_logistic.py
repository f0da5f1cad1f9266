"""The Laplace posterior of scikit-learn's logistic regression."""

import warnings
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
from torch.nn.functional import pad

from skal_deep.classifier._linear_posterior import (
    LinearPosterior,
    flat_rows,
    linear_answers,
    posterior_structure,
)
from skal_deep.classifier.door._foreign import DEFAULT_N_SAMPLES, with_names
from skal_deep.classifier.door._inside import (
    changes_proba,
    through_steps,
    wrapped_attribute,
    wrapped_estimator,
)
from skal_deep.classifier.net._compiled import with_attributes
from skal_deep.classifier.net._head import linear_classifier_head
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.laplace import Curvature, ggn, laplace_weights
from skal_deep.rows._lent import lent

# scikit-learn does not penalise the intercept. A flat prior has no posterior where all
# intercepts move together, which changes no probability; this one is almost flat.
_INTERCEPT_PRECISION = 1e-3
# A fit that has converged ends within a tenth or so of a posterior standard deviation
# of the maximum; one to other rows is several away.
_FARTHEST = 1.0
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
    is_certain: bool  # whether we have fitted it; else somebody says so
    coef: NDArray[Any]  # what was learned of them


def with_training_rows(
    model: Any,
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
    is_certain: bool = False,
    steps: tuple[Any, ...] = (),
) -> Any:
    """Return a model whose logistic regression, if it ends in one, knows its rows.

    The model itself stays as it is. A logistic regression that knows the rows of its
    present weights keeps them.

    Parameters
    ----------
    model : object
        A fitted model of any kind.
    X, y, sample_weight
        The labelled rows.
    is_certain : bool, default=False
        Whether the model was fitted to these rows. If not, that is looked into when
        draws are asked for.
    steps : tuple of object
        Transformers that the rows pass first.
    """
    if isinstance(model, Pipeline):
        earlier = steps if len(model) == 1 else (*steps, model[:-1])
        last = with_training_rows(model[-1], X, y, sample_weight, is_certain, earlier)
        if last is model[-1]:
            return model
        named = [*model.steps[:-1], (model.steps[-1][0], last)]
        return with_attributes(model, steps=named)
    if isinstance(model, LogisticRegression):
        if hasattr(model, "coef_") and not _knows_rows(model):
            coef = model.coef_.copy()
            rows = TrainingRows(steps, X, y, sample_weight, is_certain, coef)
            return with_attributes(model, _training_rows=rows, _linear_posterior=None)
        return model
    inner = wrapped_estimator(model)
    if inner is None or isinstance(model, FrozenEstimator) or changes_proba(model):
        return model
    told = with_training_rows(inner, X, y, sample_weight, is_certain, steps)
    if told is inner:
        return model
    return with_attributes(model, **{wrapped_attribute(model): told})


def _knows_rows(clf: LogisticRegression) -> bool:
    """Return whether it knows the rows of its weights, not those of an earlier fit."""
    rows = getattr(clf, "_training_rows", None)
    return rows is not None and np.array_equal(rows.coef, clf.coef_)


def answers_of_linear(clf: Any) -> dict[str, Any]:
    """Return what a linear classifier of scikit-learn answers beside probabilities.

    A logistic regression has draws if it knows the rows that it was fitted to, or will
    be told of them when it is fitted.
    """
    answers = linear_answers(flat_rows, partial(linear_classifier_head, clf))
    if (
        isinstance(clf, LogisticRegression)
        and _has_gaussian_prior(clf)
        and (not hasattr(clf, "coef_") or _knows_rows(clf))
    ):
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
    if not _knows_rows(clf):
        raise CapabilityError(
            f"{type(clf).__name__} was fitted again, so that the rows of its weights "
            "are not known. Fit it by fit_on_labeled, or call as_model anew."
        )
    rows_ND = flat_rows(X)
    linear_classifier_head(clf, X)  # refuses what is no softmax of linear functions
    posterior = vars(clf).get("_linear_posterior")
    if posterior is None:
        posterior = clf._linear_posterior = _posterior(clf)
    return posterior.sample_proba(rows_ND, n_samples or DEFAULT_N_SAMPLES, random_state)


def _posterior(clf: LogisticRegression) -> LinearPosterior:
    """Return the Gaussian around the fitted weights, with the curvature there."""
    rows = clf._training_rows
    X, y = rows.X, rows.y
    for step in rows.steps:
        X = through_steps(step, with_names(step, lent(X)))
    if X.shape[1] > _MOST_FEATURES:
        kind = "sparse" if issparse(X) else "dense"
        raise CapabilityError(
            f"The posterior of {type(clf).__name__} on {X.shape[1]} {kind} features "
            f"has a covariance of that size squared; {_MOST_FEATURES} is the limit. "
            "Put TruncatedSVD(100) before it in a Pipeline."
        )
    weight = np.ones(len(y)) if rows.sample_weight is None else rows.sample_weight
    if clf.class_weight is not None:
        weight = weight * compute_sample_weight(clf.class_weight, y)
    weight_N = torch.as_tensor(weight)
    features_ND = pad(flat_rows(X).double(), (0, 1), value=1.0)
    scale_D = _prior_precisions(clf, features_ND.shape[1]).sqrt()
    bias_R = np.broadcast_to(clf.intercept_, len(clf.coef_))
    weights_RD = torch.tensor(np.column_stack([clf.coef_, bias_R])).double()
    logit_NR = features_ND @ weights_RD.T
    proba_NR = logit_NR.sigmoid() if len(weights_RD) == 1 else logit_NR.softmax(-1)
    scaled_ND = features_ND / scale_D
    structure = posterior_structure(*weights_RD.shape)
    curvature = ggn(scaled_ND, proba_NR, weight_N, structure)
    if not rows.is_certain:
        shown_NR = torch.as_tensor(y[:, None] == clf.classes_[-len(weights_RD) :])
        error_NR = weight_N[:, None] * (proba_NR - shown_NR.double())
        pull_RD = _pull_of_prior(clf, weights_RD) / scale_D
        _check_near_maximum(clf, error_NR.T @ scaled_ND + pull_RD, curvature)
    return LinearPosterior(weights_RD, curvature, scale_D, len(clf.classes_))


def _check_near_maximum(
    clf: LogisticRegression, gradient_RD: Tensor, curvature: Curvature
) -> None:
    """Warn if the weights are not those of the rows: a step of Newton's is long."""
    zeros_RD = torch.zeros_like(gradient_RD)
    step_RD = laplace_weights(zeros_RD, curvature, 1.0, gradient_RD[None])[0]
    if (distance := float(step_RD.norm())) > _FARTHEST:
        warnings.warn(
            f"The weights of {type(clf).__name__} are {distance:.2g} posterior standard"
            " deviations from those of the labelled rows: it was fitted to others, or "
            "has not converged, and its draws vary by too much or too little. Pass "
            "fit_clf=True, the rows of its fit, or a larger max_iter.",
            stacklevel=2,
        )


def _penalty(clf: LogisticRegression) -> float:
    """Return the precision of the prior that the penalty is, 0 without one."""
    if clf.get_params(deep=False).get("penalty", "l2") is None:
        return 0.0
    return 1 / float(np.ravel(getattr(clf, "C_", getattr(clf, "C", 1.0)))[0])


def _penalty_of_bias(clf: LogisticRegression) -> float:
    """Return the same of the intercept, which liblinear alone penalises."""
    if clf.solver != "liblinear":
        return 0.0
    return _penalty(clf) / float(clf.intercept_scaling) ** 2


def _pull_of_prior(clf: LogisticRegression, weights_RD: Tensor) -> Tensor:
    """Return the gradient of the penalty."""
    pull_RD = _penalty(clf) * weights_RD
    pull_RD[:, -1] = _penalty_of_bias(clf) * weights_RD[:, -1]
    return pull_RD


def _prior_precisions(clf: LogisticRegression, n_columns: int) -> Tensor:
    """Return the precision of the prior for each feature, and for the intercept.

    Where there is no intercept, it is 0 for certain.
    """
    precision = max(_penalty(clf), _INTERCEPT_PRECISION)
    precision_D = torch.full((n_columns,), precision).double()
    precision_D[-1] = max(_penalty_of_bias(clf), _INTERCEPT_PRECISION)
    if not clf.fit_intercept:
        precision_D[-1] = np.inf
    return precision_D
