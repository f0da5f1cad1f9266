"""Risk estimates that choosing what to label does not bias."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation._statistics import checked_scores

_LEVEL = 0.95


def draw_probabilities(
    query_indices: ArrayLike, utilities: ArrayLike
) -> NDArray[np.float64]:
    """Return the probability with which each row of a batch was drawn.

    Parameters
    ----------
    query_indices : array-like of shape (batch_size,)
        What a query returned.
    utilities : array-like of shape (batch_size, n_samples)
        The utilities that it returned: row t the probabilities of draw t.

    Returns
    -------
    proba : ndarray of shape (batch_size,)
        The probability of pick t among the rows that were left.

    Raises
    ------
    ValueError
        If the utilities are no probabilities, or if some row that was left had
        none: no estimate is unbiased then.
    """
    rows, picks = np.asarray(utilities, float), np.asarray(query_indices)
    if picks.dtype.kind not in "iu" or rows.ndim != 2 or picks.shape != rows.shape[:1]:
        raise ValueError(
            "draw_probabilities needs the position of each pick and a row of utilities "
            f"for it, not {picks.dtype} positions of shape {picks.shape} and utilities "
            f"of shape {rows.shape}."
        )
    if picks.size and not 0 <= picks.min() <= picks.max() < rows.shape[1]:
        raise ValueError(
            f"Picks must be positions 0 ... {rows.shape[1] - 1} of the utilities, but "
            f"go from {picks.min()} to {picks.max()}."
        )
    left = ~np.isnan(rows)
    sums = np.nansum(rows, axis=1)
    if not np.allclose(sums, 1, atol=1e-4) or (rows[left] < 0).any():
        raise ValueError(
            "The utilities are no probabilities: the strategy does not draw at random. "
            "Give it a rule that does, such as selection=Power(epsilon=0.05)."
        )
    if (rows[left] == 0).any():
        raise ValueError(
            "Some rows could not have been drawn, so what is known of the others says "
            "nothing about them. Give the rule an `epsilon` above 0."
        )
    return rows[np.arange(len(rows)), picks]


def pure_weights(proba: ArrayLike, n_pool: int) -> NDArray[np.float64]:
    """Return the weights of the plain unbiased risk estimator.

    ``mean_m w_m L_m`` with ``w_m = 1 / (N q_m) + (M - m) / N`` is unbiased for the
    mean loss of all N points when point m of M was drawn, without replacement, with
    probability ``q_m``. :func:`lure_weights` have less variance.

    Parameters
    ----------
    proba : array-like of shape (n_labels,)
        Probability of each draw among the points that were left, in the order of the
        draws; a first random batch counts, with 1 / N, 1 / (N - 1) and so on.
    n_pool : int
        Number N of points before the first draw, labelled ones included.

    Returns
    -------
    weights : ndarray of shape (n_labels,)
        Weights of the losses, to be computed anew when more is labelled.

    References
    ----------
    S. Farquhar, Y. Gal, T. Rainforth. On Statistical Bias in Active Learning: How and
    When to Fix It. ICLR, 2021.
    """
    proba, rank = _checked(proba, n_pool)
    return 1 / (n_pool * proba) + (len(proba) - rank) / n_pool


def lure_weights(proba: ArrayLike, n_pool: int) -> NDArray[np.float64]:
    """Return the weights of the levelled unbiased risk estimator (LURE).

    ``mean_m v_m L_m`` with

    ``v_m = 1 + (N - M) / (N - m) { 1 / ((N - m + 1) q_m) - 1 }``

    is unbiased for the mean loss of all N points when point m of M was drawn, without
    replacement, with probability ``q_m``. Points that were likely to be drawn count
    less; uniform draws have weights of 1, and so has all of a pool that is labelled
    as a whole. As ``sample_weight`` of a fit the weights remove the bias of actively
    chosen training data. The paper finds that this helps models with few parameters
    and may hurt others, whose overfitting has the opposite bias.

    Parameters
    ----------
    proba : array-like of shape (n_labels,)
        Probability of each draw among the points that were left, in the order of the
        draws; a first random batch counts, with 1 / N, 1 / (N - 1) and so on. See
        :func:`draw_probabilities`.
    n_pool : int
        Number N of points before the first draw, labelled ones included.

    Returns
    -------
    weights : ndarray of shape (n_labels,)
        Weights of the losses, to be computed anew when more is labelled.

    References
    ----------
    S. Farquhar, Y. Gal, T. Rainforth. On Statistical Bias in Active Learning: How and
    When to Fix It. ICLR, 2021.
    """
    proba, rank = _checked(proba, n_pool)
    if len(proba) == n_pool:
        return np.ones(n_pool)
    after = (n_pool - len(proba)) / (n_pool - rank)
    return 1 + after * (1 / ((n_pool - rank + 1) * proba) - 1)


@dataclass(frozen=True)
class RiskEstimate:
    """An unbiased estimate of the mean loss of a pool, with its error bar.

    Attributes
    ----------
    risk : float
        The estimate.
    standard_error : float
        Its standard error: 0 if all of the pool is labelled, NaN with one label.
    low, high : float
        Bounds of the 95 % interval of Student's t.
    n : int
        Number of labels.
    """

    risk: float
    standard_error: float
    low: float
    high: float
    n: int


def unbiased_risk(losses: ArrayLike, proba: ArrayLike, n_pool: int) -> RiskEstimate:
    """Return the mean loss of a pool, as its drawn part tells it without bias.

    The estimate is that of :func:`lure_weights`. It is a weighted mean
    ``sum_m u_m a_m`` of estimates that are each unbiased,
    ``a_m = L_m / (N q_m) + sum_{t < m} L_t / N``, and uncorrelated; so its variance
    is estimated by ``sum_m u_m^2 (a_m - R)^2 / (1 - sum_m u_m^2)``.

    Parameters
    ----------
    losses : array-like of shape (n_labels,)
        Loss of each labelled point under one fixed model, in the order of the draws.
        A model that was trained on these points is another model at each draw, and
        has no unbiased estimate.
    proba : array-like of shape (n_labels,)
        Probability of each draw among the points that were left.
    n_pool : int
        Number N of points before the first draw, labelled ones included.

    Returns
    -------
    estimate : RiskEstimate
        The estimate and its error bar.

    References
    ----------
    S. Farquhar, Y. Gal, T. Rainforth. On Statistical Bias in Active Learning: How and
    When to Fix It. ICLR, 2021.
    """
    loss, n = np.asarray(losses, float), len(np.asarray(proba))
    if loss.shape != (n,):
        raise ValueError(f"There are {n} draws and losses of shape {loss.shape}.")
    checked_scores(loss, "losses")
    risk = float(np.mean(lure_weights(proba, n_pool) * loss))
    if n == n_pool:
        return RiskEstimate(risk, 0.0, risk, risk, n)
    if n < 2:
        return RiskEstimate(risk, np.nan, np.nan, np.nan, n)
    proba, rank = _checked(proba, n_pool)
    alone = (loss / proba + np.cumsum(loss) - loss) / n_pool
    share = n_pool * (n_pool - n) / ((n_pool - rank) * (n_pool - rank + 1) * n)
    squared = np.sum(share**2 * (alone - risk) ** 2) / (1 - np.sum(share**2))
    error = float(np.sqrt(squared))
    half = float(stats.t.ppf((1 + _LEVEL) / 2, n - 1)) * error
    return RiskEstimate(risk, error, risk - half, risk + half, n)


def _checked(
    proba: ArrayLike, n_pool: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return probabilities and the number m = 1 ... M of each draw."""
    proba = np.asarray(proba, float)
    if isinstance(n_pool, bool) or not isinstance(n_pool, Integral):
        raise TypeError(f"n_pool must be a whole number, not {n_pool!r}.")
    if proba.ndim != 1 or not 1 <= len(proba) <= n_pool:
        raise ValueError(
            f"proba must hold 1 ... {n_pool} draws of {n_pool} points, not an array of "
            f"shape {proba.shape}."
        )
    if not ((proba > 0) & (proba <= 1)).all():
        raise ValueError("proba must lie above 0 and not above 1.")
    return proba, np.arange(1, len(proba) + 1)
