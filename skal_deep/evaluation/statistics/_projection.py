"""Extrapolation of a learning curve by a power law."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation.statistics._curves import check_labels, check_scores
from skal_deep.evaluation.statistics._paired import LEVEL

_N_RESAMPLES = 500
_MIN_STAGES = 5  # three parameters, and something left to see the noise by
# From nearly a logarithm to so steep that the curve is flat after a doubling or two.
_EXPONENTS = np.geomspace(0.05, 5, 60)


@dataclass(frozen=True)
class Projection:
    """What more labels would bring, with a 95 % bootstrap interval.

    :func:`stopping_advice` makes it: compare ``gain`` with what the labels would cost.

    Attributes
    ----------
    n_more : int
        Number of further labels.
    gain, low, high : float
        Gain in score, and the bounds of its interval.
    labels : ndarray of shape (n_points,)
        Numbers of labels, from the first of the curve to the last of the projection.
    fit, fit_low, fit_high : ndarray of shape (n_points,)
        The fitted curve at these, and the bounds of its interval.

    See Also
    --------
    stopping_advice : Makes the projection and judges it.
    plot_projection : Draws it.

    Examples
    --------
    >>> from skal_deep.evaluation import stopping_advice
    >>> labels = [10, 20, 30, 40, 50, 60]
    >>> advice = stopping_advice(labels, [0.6, 0.75, 0.81, 0.84, 0.86, 0.87])
    >>> advice.projection.n_more, bool(advice.projection.gain > 0)
    (50, True)
    """

    n_more: int
    gain: float
    low: float
    high: float
    labels: NDArray[np.float64]
    fit: NDArray[np.float64]
    fit_low: NDArray[np.float64]
    fit_high: NDArray[np.float64]


def power_law(
    n_labels: ArrayLike, curves: ArrayLike, at: ArrayLike, highest: float = np.inf
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
    highest : float, default=inf
        The highest score there is, which no fit exceeds.

    Returns
    -------
    fit : ndarray of shape (n_curves, n_points)
        Fitted scores.
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


def project(
    n_labels: ArrayLike,
    scores: ArrayLike,
    n_more: int,
    rng: np.random.Generator,
    highest: float = np.inf,
) -> Projection:
    """Return what more labels would bring if the curve went on as it did.

    The law is fitted to the mean curve. Of several repeats the bootstrap draws repeats;
    of a single curve it draws residuals. In simulations with ten stages the interval
    held the true gain in nine of ten cases. That curves follow a power law is an
    assumption, good over a further budget of the same size, not over ten.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, at least five.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Score at each stage.
    n_more : int
        Number of further labels.
    rng : numpy.random.Generator
        Draws 500 times.
    highest : float, default=inf
        The highest score there is, such as 1 for an accuracy.

    Returns
    -------
    projection : Projection
        The gain, and the curve it is read from.

    References
    ----------
    C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker. Learning Curves:
    Asymptotic Values and Rate of Convergence. NeurIPS, 1993.
    """
    labels = check_labels(n_labels, scores)
    score_RT = np.atleast_2d(check_scores(scores))
    if labels[0] <= 0 or n_more < 1:
        raise ValueError(
            "A projection needs labels at its first stage and one or more to come, not "
            f"{labels[0]:g} and n_more={n_more}."
        )
    if score_RT.max() > highest:
        raise ValueError(
            f"A score is {score_RT.max():g}, above the highest there is, {highest:g}."
        )
    if len(labels) < _MIN_STAGES:
        raise ValueError(
            f"A projection needs at least {_MIN_STAGES} stages, not {len(labels)}."
        )
    at = np.append(np.linspace(labels[0], labels[-1] + n_more, 60), labels[-1])
    fit = power_law(labels, score_RT.mean(axis=0, keepdims=True), at, highest)[0]
    drawn = power_law(labels, _resample(labels, score_RT, rng, highest), at, highest)
    gains = drawn[:, -2] - drawn[:, -1]
    shares = (LEVEL / 2, 1 - LEVEL / 2)
    low, high = np.quantile(gains, shares)
    fit_low, fit_high = np.quantile(drawn[:, :-1], shares, axis=0)
    return Projection(
        n_more,
        float(fit[-2] - fit[-1]),
        float(low),
        float(high),
        at[:-1],
        fit[:-1],
        fit_low,
        fit_high,
    )


def _resample(
    labels: NDArray[np.float64],
    score_RT: NDArray[np.float64],
    rng: np.random.Generator,
    highest: float,
) -> NDArray[np.float64]:
    """Return mean curves as they might have been, of shape (n_draws, n_stages)."""
    n_repeats, n_stages = score_RT.shape
    if n_repeats > 1:
        draws = rng.integers(n_repeats, size=(_N_RESAMPLES, n_repeats))
        mean_T = score_RT.mean(axis=0)
        # Means of draws vary less than means of repeats do, by this much.
        factor = np.sqrt(n_repeats / (n_repeats - 1))
        return np.asarray(mean_T + factor * (score_RT[draws].mean(axis=1) - mean_T))
    fit_T = power_law(labels, score_RT, labels, highest)[0]
    # Residuals are smaller than the noise, as three parameters followed it.
    residual_T = (score_RT[0] - fit_T) * np.sqrt(n_stages / (n_stages - 3))
    return np.asarray(fit_T + rng.choice(residual_T, size=(_N_RESAMPLES, n_stages)))
