"""Probabilities of draws, and the weights that undo the bias of such a choice."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation.statistics._numbers import real_numbers

# The reciprocals of smaller numbers may be infinite.
_SMALLEST = float(np.finfo(float).tiny)


def draw_probabilities(
    query_indices: ArrayLike, utilities: ArrayLike
) -> NDArray[np.float64]:
    """Return the probability with which each row of a batch was drawn.

    Use it after a query that draws at random, such as one with
    ``selection=Power(epsilon=0.05)``, to estimate without bias.

    Parameters
    ----------
    query_indices : array-like of shape (batch_size,)
        The picks that a query returned.
    utilities : array-like of shape (batch_size, n_samples)
        The utilities that it returned: row t the probabilities of draw t.

    Returns
    -------
    ndarray of shape (batch_size,)
        The probability of pick t among the rows that were left.

    Raises
    ------
    ValueError
        If the utilities are no probabilities or not those of the picks, or if some row
        that was left had none: no estimate is unbiased then.

    See Also
    --------
    draw_floors : The smallest probability in each draw.
    lure_weights : Turns the probabilities into weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import draw_probabilities
    >>> draw_probabilities([0, 1], [[0.5, 0.3, 0.2], [np.nan, 0.6, 0.4]])
    array([0.5, 0.6])
    """
    rows, picks = real_numbers(utilities, "utilities"), np.asarray(query_indices)
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
    _check_utilities(rows)
    _check_left(rows, picks)
    return rows[np.arange(len(rows)), picks]


def draw_floors(utilities: ArrayLike) -> NDArray[np.float64]:
    """Return the smallest probability that any row that was left had in each draw.

    Use it with :func:`draw_probabilities` after a query that draws at random, for an
    interval that holds.

    Parameters
    ----------
    utilities : array-like of shape (batch_size, n_samples)
        The utilities that a query returned: row t the probabilities of draw t, NaN for
        rows that were not left.

    Returns
    -------
    ndarray of shape (batch_size,)
        For :func:`unbiased_risk`.

    Raises
    ------
    ValueError
        If the utilities are no probabilities, or if some row that was left had none.

    See Also
    --------
    draw_probabilities : The probabilities of the rows that were drawn.
    unbiased_risk : Takes both.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import draw_floors
    >>> draw_floors([[0.5, 0.3, 0.2], [np.nan, 0.6, 0.4]])
    array([0.2, 0.4])
    """
    rows = real_numbers(utilities, "utilities")
    if rows.ndim != 2:
        raise ValueError(
            "draw_floors needs a row of utilities for each draw, not utilities of "
            f"shape {rows.shape}."
        )
    _check_utilities(rows)
    return np.nanmin(rows, axis=1)


def _check_utilities(rows: NDArray[np.float64]) -> None:
    """Raise ``ValueError`` unless each row holds probabilities above 0."""
    left = ~np.isnan(rows)
    sums = np.nansum(rows, axis=1)
    if not np.allclose(sums, 1, atol=1e-4) or (rows[left] < 0).any():
        raise ValueError(
            "The utilities are no probabilities: the strategy does not draw at random. "
            "Give it a rule that does, such as selection=Power(epsilon=0.05)."
        )
    if (rows[left] == 0).any():
        raise ValueError(
            "Some rows had the probability 0 of being drawn, so the drawn rows tell "
            "nothing about them. Give the rule an `epsilon` above 0."
        )


def _check_left(rows: NDArray[np.float64], picks: NDArray[np.intp]) -> None:
    """Raise ``ValueError`` unless each pick was left, and none after it was drawn."""
    left_TB = ~np.isnan(rows[:, picks])  # whether pick b was left for draw t
    hint = "Pass the picks and the utilities of one query."
    for draw in np.flatnonzero(~left_TB.diagonal()):
        raise ValueError(
            f"Pick {draw} is row {picks[draw]}, whose utility is NaN: it was not left "
            f"to be drawn. {hint}"
        )
    for draw, pick in np.argwhere(np.tril(left_TB, -1)):
        raise ValueError(
            f"Row {picks[pick]} is picked by draw {pick}, but has a probability in "
            f"draw {draw}, too. {hint}"
        )


def pure_weights(proba: ArrayLike, n_pool: int) -> NDArray[np.float64]:
    """Return the weights of the plain unbiased risk estimator.

    ``mean_m w_m L_m`` with ``w_m = 1 / (N q_m) + (M - m) / N`` is unbiased for the
    mean loss of all N points when point m of M was drawn, without replacement, with
    probability ``q_m``. :func:`lure_weights` have less variance.

    Use it to check :func:`lure_weights`, or to repeat older work; otherwise take those.

    Parameters
    ----------
    proba : array-like of shape (n_labels,)
        Probability of each draw among the points that were left, in the order of the
        draws; a first random batch counts, with 1 / N, 1 / (N - 1) and so on.
    n_pool : int
        Number N of points before the first draw, labelled ones included.

    Returns
    -------
    ndarray of shape (n_labels,)
        Weights of the losses, to be computed anew when more is labelled.

    See Also
    --------
    lure_weights : Weights with less variance.
    unbiased_risk : The estimate with its interval.

    References
    ----------
    S. Farquhar, Y. Gal, T. Rainforth. On Statistical Bias in Active Learning: How and
    When to Fix It. ICLR, 2021.

    Examples
    --------
    >>> from skal_deep.evaluation import pure_weights
    >>> pure_weights([1 / 4, 1 / 3], n_pool=4).round(3)
    array([1.25, 0.75])
    """
    proba, rank = check_draws(proba, n_pool)
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

    Use it to estimate or train without bias from rows that were drawn with known
    probabilities.

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
    ndarray of shape (n_labels,)
        Weights of the losses, to be computed anew when more is labelled.

    See Also
    --------
    draw_probabilities : The probabilities of a query.
    pure_weights : The plain estimator, with more variance.
    unbiased_risk : The estimate with its interval.

    References
    ----------
    S. Farquhar, Y. Gal, T. Rainforth. On Statistical Bias in Active Learning: How and
    When to Fix It. ICLR, 2021.

    Examples
    --------
    >>> from skal_deep.evaluation import lure_weights
    >>> lure_weights([1 / 4, 1 / 3], n_pool=4).round(3)
    array([1., 1.])
    """
    proba, rank = check_draws(proba, n_pool)
    if len(proba) == n_pool:
        return np.ones(n_pool)
    after = (n_pool - len(proba)) / (n_pool - rank)
    return 1 + after * (1 / ((n_pool - rank + 1) * proba) - 1)


def check_draws(
    proba: ArrayLike, n_pool: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return probabilities and the number m = 1 ... M of each draw."""
    proba = real_numbers(proba, "proba")
    if isinstance(n_pool, bool) or not isinstance(n_pool, Integral):
        raise TypeError(f"n_pool must be a whole number, not {n_pool!r}.")
    if proba.ndim != 1 or not 1 <= len(proba) <= n_pool:
        raise ValueError(
            f"proba must hold 1 ... {n_pool} draws of {n_pool} points, not an array of "
            f"shape {proba.shape}."
        )
    if not ((proba >= _SMALLEST) & (proba <= 1)).all():
        raise ValueError("proba must lie above 0 and not above 1.")
    rank = np.arange(1, len(proba) + 1)
    for n_others in (n_pool - rank)[(proba == 1) & (rank < n_pool)]:
        raise ValueError(
            f"proba has a draw of probability 1 with {n_others} other points left. "
            "These could not be drawn, so no weights undo the choice. Give the rule of "
            "the query an `epsilon` above 0."
        )
    return proba, rank
