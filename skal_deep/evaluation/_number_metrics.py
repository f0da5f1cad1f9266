"""Metrics of what regressors predict, and of how sure they are."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from skal_deep.classifier import PredictsVariance, as_model
from skal_deep.classifier.door._inside import is_regressor, transforms_targets
from skal_deep.functional.gaussian_regression import gaussian_crps

Array = NDArray[np.float64]

# The share of labels that intervals are to hold.
_LEVEL = 0.9


def knows_its_errors(estimator: Any) -> bool:
    """Return whether a regressor says how far off its predictions may be."""
    return (
        is_regressor(estimator)
        and not transforms_targets(estimator)
        and isinstance(as_model(estimator), PredictsVariance)
    )


def _predicted(estimator: Any, X: Any, y: Any) -> tuple[Array, Array, Array]:
    """Return means, standard deviations of labels, and labels, of shape (N, T)."""
    if not knows_its_errors(estimator):
        raise ValueError(
            "It needs a regressor that says how far off its predictions may be, such "
            "as BayesianLinearRegressor, DeepEnsembleRegressor or scikit-learn's "
            "BayesianRidge, whose targets are not transformed."
        )
    epistemic_NT, noise_NT = as_model(estimator).predict_variance(X)  # type: ignore[attr-defined]
    std_NT = (epistemic_NT + noise_NT).sqrt().numpy(force=True)
    mean_NT = np.asarray(estimator.predict(X), dtype=float).reshape(std_NT.shape)
    return mean_NT, std_NT, np.asarray(y, dtype=float).reshape(std_NT.shape)


def neg_log_predictive(estimator: Any, X: Any, y: Any) -> float:
    """Return the mean log density of labels, in nats, in the unit of y.

    Parameters
    ----------
    estimator : object
        A fitted regressor.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels; log densities of several targets are summed.
    """
    if hasattr(estimator, "log_predictive_density"):  # of a mixture, it may be
        return float(estimator.log_predictive_density(X, y).mean())
    mean_NT, std_NT, y_NT = _predicted(estimator, X, y)
    return float(norm.logpdf(y_NT, mean_NT, std_NT).sum(axis=1).mean())


def neg_crps(estimator: Any, X: Any, y: Any) -> float:
    """Return minus the mean continuous ranked probability score of Gaussians.

    Unlike the density it is not ruled by a few rows. Several targets are averaged,
    each in units of the standard deviation of its labels.

    Parameters
    ----------
    estimator : object
        A fitted regressor.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels.
    """
    mean_NT, std_NT, y_NT = _predicted(estimator, X, y)
    arrays = map(torch.from_numpy, (mean_NT, std_NT, y_NT))
    score_T = gaussian_crps(*arrays).mean(0).numpy()
    return -float(np.mean(score_T / _units(y_NT)))


def neg_coverage_error(estimator: Any, X: Any, y: Any) -> float:
    """Return minus the distance of the share of labels in 90 % intervals from 90 %.

    Read it beside the width: wide intervals alone cover.

    Parameters
    ----------
    estimator : object
        A fitted regressor.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels.
    """
    mean_NT, std_NT, y_NT = _predicted(estimator, X, y)
    is_inside = abs(y_NT - mean_NT) <= norm.ppf((1 + _LEVEL) / 2) * std_NT
    return -float(np.mean(abs(is_inside.mean(axis=0) - _LEVEL)))


def neg_interval_width(estimator: Any, X: Any, y: Any) -> float:
    """Return minus the mean width of 90 % intervals, in units as the CRPS.

    Parameters
    ----------
    estimator : object
        A fitted regressor.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels.
    """
    _, std_NT, y_NT = _predicted(estimator, X, y)
    width_T = 2 * norm.ppf((1 + _LEVEL) / 2) * std_NT.mean(axis=0)
    return -float(np.mean(width_T / _units(y_NT)))


def neg_standardized_rmse(estimator: Any, X: Any, y: Any) -> float:
    """Return minus the root of the mean squared error, in standard deviations of y.

    Of several targets, each in units of its own, it is the mean; 1 is the error of
    their mean.

    Parameters
    ----------
    estimator : object
        A fitted regressor.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels.
    """
    y_NT = np.asarray(y, dtype=float).reshape(len(y), -1)
    mean_NT = np.asarray(estimator.predict(X), dtype=float).reshape(y_NT.shape)
    error_T = np.sqrt(np.square(mean_NT - y_NT).mean(axis=0))
    std_T = y_NT.std(axis=0)
    return -float(np.mean(error_T / np.where(std_T > 0, std_T, 1.0)))


def _units(y_NT: Array) -> Array:
    """Return the units of targets: their own where there is one, else their spread."""
    std_T: Array = y_NT.std(axis=0)
    return np.where((std_T > 0) & (len(std_T) > 1), std_T, 1.0)


METRICS_OF_NUMBERS = {
    metric.__name__: metric
    for metric in (
        neg_log_predictive,
        neg_crps,
        neg_coverage_error,
        neg_interval_width,
        neg_standardized_rmse,
    )
}
