"""How a learning curve may go on: the mean of two forms, and a scale for its error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from skal_deep.evaluation.statistics._power_law import power_law

# Errors of a forecast of no gain, of two forms that agree, are of this size.
_SMALLEST_SCALE = 0.005
# Of a sum of weights: it must not make a bank that is just large enough too small.
ROUND_OFF = 1e-9


@dataclass(frozen=True)
class Forecast:
    """Predicted gains of curves at multiples of their last number of labels.

    Attributes
    ----------
    current : ndarray of shape (n_curves,)
        Where each curve is, smoothed so that it does not fall.
    gain : ndarray of shape (n_curves, n_horizons)
        Predicted gains from there.
    scale : ndarray of shape (n_curves, n_horizons)
        How far off they may be, in comparison with one another.
    """

    current: NDArray[np.float64]
    gain: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def most(self) -> NDArray[np.float64]:
        """Gains that are large where they are forecast, or where little is known."""
        return self.gain + 2 * self.scale


def forecast(
    n_labels: NDArray[np.float64],
    curves: NDArray[np.float64],
    horizons: NDArray[np.float64],
    highest: float | NDArray[np.float64],
    noise: float = 0.0,
) -> Forecast:
    """Return what each curve would gain at multiples of its last number of labels.

    The mean of a power law ``a - b * n ** -c``, fitted to all stages, and of a
    logarithm ``a + b * log(n)``, fitted to the last two thirds: curves flatten earlier
    than the second says and later than the first. The scale is large where the two
    differ, and where the scores scatter around the power law: of noise, or as it is
    none.

    Parameters
    ----------
    n_labels : ndarray of shape (n_stages,)
        Number of labels at each stage.
    curves : ndarray of shape (n_curves, n_stages)
        Scores.
    horizons : ndarray of shape (n_horizons,)
        Multiples of the last number of labels.
    highest : float or ndarray of shape (n_curves, 1)
        The highest score there is.
    noise : float, default=0.0
        Standard error of the scores beyond that of the stored curves.
    """
    last = n_labels[-1]
    current_R1 = isotonic(curves)[:, -1:]
    n_ahead = len(horizons)
    at = np.concatenate([horizons * last, n_labels])
    law = power_law(n_labels, curves, at, highest)
    by_law_RJ = np.maximum(law[:, :n_ahead] - law[:, -1:], 0)
    scatter_R1 = (curves - law[:, n_ahead:]).std(axis=1, keepdims=True)
    late = len(n_labels) // 3
    x_T = np.log(n_labels[late:])
    x_T = x_T - x_T.mean()
    slope_R1 = np.maximum(curves[:, late:] @ x_T / (x_T @ x_T), 0)[:, None]
    by_log_RJ = slope_R1 * np.log(horizons)
    left_R1 = np.maximum(highest - current_R1, 0)
    gain_RJ = np.minimum((by_law_RJ + by_log_RJ) / 2, left_R1)
    apart_RJ = np.abs(by_law_RJ - by_log_RJ)
    scale_RJ = _SMALLEST_SCALE + noise + scatter_R1 + apart_RJ / 2 + gain_RJ / 4
    return Forecast(current_R1[:, 0], gain_RJ, scale_RJ)


def isotonic(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the closest curves that do not fall."""
    return np.stack([isotonic_regression(curve).x for curve in curves])


def errors_of_scale(
    true_RJ: NDArray[np.float64], found: Forecast
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how many scales the truth is ever above the forecast, and below."""
    error_RJ = (true_RJ - found.gain) / found.scale
    return error_RJ.max(axis=1), (-error_RJ).max(axis=1)


def weighted_quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], share: float
) -> float:
    """Return the smallest value that has a share of the mass at or below it.

    The weights sum to less than one: the rest of the mass is at infinity.
    """
    order = np.argsort(values)
    mass = np.cumsum(weights[order])
    at = int(np.searchsorted(mass, share - ROUND_OFF))
    return float(values[order[at]]) if at < len(values) else np.inf
