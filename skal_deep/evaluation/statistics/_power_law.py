"""A power law fitted to learning curves."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# From nearly a logarithm to so steep that the curve is flat after a doubling or two.
_EXPONENTS = np.geomspace(0.05, 5, 60)


def power_law(
    n_labels: ArrayLike,
    curves: ArrayLike,
    at: ArrayLike,
    highest: float | NDArray[np.float64] = np.inf,
) -> NDArray[np.float64]:
    """Fit ``a - b * n ** -c`` with b >= 0 by least squares, and return its values.

    For each c of a grid a and b have a closed form, so that there is neither a starting
    value nor a failure. Where a would lie above the highest score there is, it is that
    score, and b alone is fitted.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage.
    curves : array-like of shape (n_curves, n_stages)
        Scores; each curve has a fit of its own.
    at : array-like of shape (n_points,)
        Numbers of labels for which the fitted score is wanted.
    highest : float or ndarray of shape (n_curves, 1), default=inf
        The highest score there is, which no fit exceeds.

    Returns
    -------
    fit : ndarray of shape (n_curves, n_points)
        Fitted scores.

    References
    ----------
    C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker. Learning Curves:
    Asymptotic Values and Rate of Convergence. NeurIPS, 1993.
    """
    # Labels in units of the first stage: the same law, with numbers of a good size.
    labels, curves = np.asarray(n_labels, float), np.asarray(curves, float)
    x_PT = (labels / labels[0]) ** -_EXPONENTS[:, None]
    x_mean_P, n_stages = x_PT.mean(axis=1), len(labels)
    # Scores less their mean, so that little is lost where they hardly differ.
    mean_R1 = curves.mean(axis=1, keepdims=True)
    curves = curves - mean_R1
    cross_RP = curves @ x_PT.T
    spread_P = ((x_PT - x_mean_P[:, None]) ** 2).sum(axis=1)
    slope_RP = np.minimum(cross_RP / spread_P, 0)
    top_RP = -slope_RP * x_mean_P
    highest_R1 = highest - mean_R1
    is_above_RP = top_RP > highest_R1
    if is_above_RP.any():  # the best slope of a law that ends at the highest score
        bound_RP = np.minimum(
            (cross_RP - highest_R1 * x_PT.sum(axis=1)) / (x_PT**2).sum(axis=1), 0
        )
        slope_RP = np.where(is_above_RP, bound_RP, slope_RP)
        top_RP = np.where(is_above_RP, highest_R1, top_RP)
    # What is left of the sum of squares, but for that of the scores, which all share.
    rest_RP = (
        n_stages * (top_RP + slope_RP * x_mean_P) ** 2
        + slope_RP**2 * spread_P
        - 2 * slope_RP * cross_RP
    )
    best_R1 = rest_RP.argmin(axis=1)[:, None]
    slope_R1 = np.take_along_axis(slope_RP, best_R1, axis=1)
    top_R1 = np.take_along_axis(top_RP, best_R1, axis=1)
    x_RA = (np.asarray(at, float) / labels[0]) ** -_EXPONENTS[best_R1]
    return np.minimum(mean_R1 + top_R1 + slope_R1 * x_RA, highest)
