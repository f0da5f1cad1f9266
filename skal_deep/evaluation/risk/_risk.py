"""Estimates of a pool's mean loss that the choice of labels does not bias."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation.risk._intervals import (
    anytime_interval,
    exact_interval,
    gamma_interval,
)
from skal_deep.evaluation.risk._weights import check_draws, lure_weights
from skal_deep.evaluation.statistics._numbers import check_scores, real_numbers
from skal_deep.evaluation.statistics._paired import check_level

# Probabilities come from queries in float32.
_ROUND_OFF = 1e-5
# With fewer labels, or a larger share of one of them, t is not to be relied on.
_FEW_LABELS = 30
_LARGE_SHARE = 0.2
_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class RiskEstimate:
    """An unbiased estimate of the mean loss of a pool, with its interval.

    :func:`unbiased_risk` returns it: report ``risk`` together with ``low`` and
    ``high``.

    Attributes
    ----------
    risk : float
        The estimate.
    standard_error : float
        Its standard error: 0 if all of the pool is labelled, NaN with one label.
    low, high : float
        Bounds of the interval.
    n : int
        Number of labels.
    interval : str
        How the interval was computed, see :func:`unbiased_risk`; "folds" is that of
        :func:`current_error`.
    n_mistakes : int
        Number of labels whose loss is above 0.

    See Also
    --------
    unbiased_risk : Computes the estimate.
    active_testing : Chooses the points to label for it.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import unbiased_risk
    >>> uniform = 1 / (1_000 - np.arange(40))
    >>> losses = np.repeat([0, 1], [30, 10])
    >>> estimate = unbiased_risk(losses, uniform, n_pool=1_000)
    >>> round(estimate.risk, 2), estimate.n_mistakes
    (0.25, 10)
    """

    risk: float
    standard_error: float
    low: float
    high: float
    n: int
    interval: str = "t"
    n_mistakes: int = 0


def unbiased_risk(
    losses: ArrayLike,
    proba: ArrayLike,
    n_pool: int,
    *,
    floor: ArrayLike | None = None,
    interval: str = "auto",
    level: float = 0.95,
) -> RiskEstimate:
    """Estimate the mean loss of a pool without bias, from its labelled points.

    The estimate is that of :func:`lure_weights`. It is a weighted mean
    ``sum_m u_m a_m`` of estimates that are each unbiased,
    ``a_m = L_m / (N q_m) + sum_{t < m} L_t / N``, and uncorrelated; so its variance
    is estimated by ``sum_m u_m^2 (a_m - R)^2 / (1 - sum_m u_m^2)``.

    Where mistakes are rare, an interval of Student's t is too short upwards, and
    ``[0, 0]`` if none is seen. Zero-one losses have intervals that hold: the exact one
    for labels drawn at random, that of a gamma distribution [2]_ for other draws.

    Use it when the labels were chosen by a query: their plain mean would be biased.

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
    floor : array-like of shape (n_labels,), default=None
        Smallest probability that any point that was left had in each draw, as
        :func:`active_testing` and :func:`draw_floors` return it: what a mistake that
        was not drawn could weigh. ``None`` takes the largest weight that was drawn,
        for which there is no proof, and warns.
    interval : {"auto", "exact", "gamma", "t", "anytime"}, default="auto"
        "exact" is for zero-one losses and draws at random, "gamma" for zero-one losses,
        "t" for any losses and many labels, "anytime" for losses between 0 and 1 and
        as many looks as you like, at 1.3 to 1.6 times the width. "auto" is the first of
        the first three that applies.
    level : float, default=0.95
        Probability with which the interval covers the true value.

    Returns
    -------
    RiskEstimate
        The estimate and its interval.

    Warns
    -----
    UserWarning
        If the interval is not to be relied on: "t" with fewer than 30 labels, with
        one loss that makes up more than a fifth of the sum or with equal losses, and
        "gamma" without ``floor``.

    See Also
    --------
    active_testing : Chooses the points whose labels tell most.
    draw_probabilities : ``proba`` of a query.

    Notes
    -----
    No method beats this bound: where the share ``epsilon`` of the draws is spread
    evenly and no mistake was seen in M labels, the upper bound of a 95 % interval is
    at least ``3.69 / (epsilon M)``. So draws that prefer some points make the estimate
    sharper, but hardly the interval that must hold.

    References
    ----------
    .. [1] S. Farquhar, Y. Gal, T. Rainforth. On Statistical Bias in Active Learning:
       How and When to Fix It. ICLR, 2021.
    .. [2] M. P. Fay, E. J. Feuer. Confidence Intervals for Directly Standardized
       Rates: A Method Based on the Gamma Distribution. Statistics in Medicine, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import unbiased_risk
    >>> uniform = 1 / (2_000 - np.arange(30))
    >>> estimate = unbiased_risk(np.zeros(30), uniform, 2_000)
    >>> estimate.low, estimate.high, estimate.interval
    (0.0, 0.1145, 'exact')
    """
    loss = check_scores(losses, "losses")
    check_level(level)
    draws = _Draws(loss, proba, n_pool, floor)
    kind = draws.interval(interval)
    risk, error, n = draws.risk, draws.standard_error(), draws.n
    n_mistakes = int(np.count_nonzero(loss))
    if n == n_pool:
        return RiskEstimate(risk, 0.0, risk, risk, n, "exact", n_mistakes)
    low, high = draws.bounds(kind, float(level))
    if loss.min() >= 0:
        low = max(low, 0.0)
    return RiskEstimate(risk, error, low, high, n, kind, n_mistakes)


class _Draws:
    """Losses of drawn points, and what is estimated from them."""

    def __init__(
        self,
        loss: NDArray[np.float64],
        proba: ArrayLike,
        n_pool: int,
        floor: ArrayLike | None,
    ):
        self.proba, self.rank = check_draws(proba, n_pool)
        self.loss, self.n, self.n_pool = loss, len(self.proba), int(n_pool)
        if loss.shape != self.proba.shape:
            raise ValueError(
                f"There are {self.n} draws and losses of shape {loss.shape}."
            )
        self.weight = lure_weights(self.proba, self.n_pool)
        self.uniform = 1 / (self.n_pool - self.rank + 1)
        self.floor = None if floor is None else self._check_floor(floor)
        with np.errstate(over="ignore", invalid="ignore"):
            self.risk = float(np.mean(self.weight * loss))
            # What each draw alone tells: unbiased, given all draws before.
            self.alone = (loss / self.proba + np.cumsum(loss) - loss) / self.n_pool
            sums = np.sum(self.alone**2) + np.sum((self.weight * loss) ** 2)
        if not np.isfinite(sums):
            raise ValueError(
                f"losses, up to {np.abs(loss).max():.2g}, over probabilities, from "
                f"{self.proba.min():.2g} up, are too large to be squared for the error "
                "bar: scale the losses."
            )

    def _check_floor(self, floor: ArrayLike) -> NDArray[np.float64]:
        floor = real_numbers(floor, "floor")
        if floor.shape != (self.n,):
            raise ValueError(
                f"There are {self.n} draws and floors of shape {floor.shape}."
            )
        # Each of the N - m other points had at least the floor.
        least = self.proba + (self.n_pool - self.rank) * floor
        is_above = (floor > self.proba * (1 + _ROUND_OFF)) | (least > 1 + _ROUND_OFF)
        if not (floor > 0).all() or is_above.any():
            raise ValueError(
                "floor must lie above 0 and not above the probability of the draw, and "
                "proba + (N - m) * floor not above 1, as each of the N - m points that "
                "draw m left had at least the floor."
            )
        return floor

    def interval(self, wanted: str) -> str:
        """Return which interval to compute, if it can be."""
        is_zero_one = bool(np.isin(self.loss, (0, 1)).all())
        is_uniform = bool(np.allclose(self.proba / self.uniform, 1, atol=_ROUND_OFF))
        if wanted == "auto":
            if not is_zero_one:
                return "t"
            return "exact" if is_uniform else "gamma"
        if wanted not in ("exact", "gamma", "t", "anytime"):
            raise ValueError(
                "interval must be 'auto', 'exact', 'gamma', 't' or 'anytime', not "
                f"{wanted!r}."
            )
        if wanted in ("exact", "gamma") and not is_zero_one:
            raise ValueError(f"interval={wanted!r} is for losses that are 0 or 1.")
        if wanted == "exact" and not is_uniform:
            raise ValueError(
                "interval='exact' is for points that were drawn at random, each with "
                "the same probability: use 'gamma'."
            )
        if wanted == "anytime" and not ((self.loss >= 0) & (self.loss <= 1)).all():
            raise ValueError("interval='anytime' is for losses between 0 and 1.")
        return wanted

    def standard_error(self) -> float:
        """Return the standard error of the estimate, NaN with one label."""
        if self.n < 2:
            return float("nan")
        n_pool, n, rank = self.n_pool, self.n, self.rank
        if n == n_pool:
            return 0.0
        share = n_pool * (n_pool - n) / ((n_pool - rank) * (n_pool - rank + 1) * n)
        squared = np.sum(share**2 * (self.alone - self.risk) ** 2)
        return float(np.sqrt(squared / (1 - np.sum(share**2))))

    def bounds(self, kind: str, level: float) -> tuple[float, float]:
        """Return the bounds of an interval."""
        if kind == "exact":
            n_mistakes = int(self.loss.sum())
            return exact_interval(n_mistakes, self.n, self.n_pool, level)
        if kind == "t":
            return self._student(level)
        floor = self._floor()
        if kind == "anytime":
            earlier = (self.rank - 1) / self.n_pool
            return anytime_interval(
                self.alone, 1 / (self.n_pool * floor) + earlier, level
            )
        largest = float(lure_weights(floor, self.n_pool).max()) / self.n
        weight = self.weight / self.n
        return gamma_interval(weight, self.loss == 1, largest, level)

    def _floor(self) -> NDArray[np.float64]:
        if self.floor is not None:
            return self.floor
        if np.allclose(self.proba / self.uniform, 1, atol=_ROUND_OFF):
            return self.uniform
        warnings.warn(
            "The smallest probability of a draw is unknown, so the interval takes the "
            "smallest one that was drawn: pass `floor`, which active_testing and "
            "draw_floors return.",
            stacklevel=4,
        )
        share = (self.proba / self.uniform).min()
        # No point had more than the draw left for each of the others.
        most = (1 - self.proba) / (self.n_pool - self.rank)
        return np.minimum(share * self.uniform, most)

    def _student(self, level: float) -> tuple[float, float]:
        if self.n < 2:
            return float("nan"), float("nan")
        terms = np.abs(self.weight * self.loss)
        if np.ptp(self.loss) == 0:
            warnings.warn(
                f"All {self.n} losses are equal, so that the interval of Student's t "
                "has no width and says nothing of the points that were not drawn. For "
                "losses between 0 and 1 there is interval='anytime', for mistakes "
                "'auto'.",
                stacklevel=4,
            )
        elif self.n < _FEW_LABELS or terms.max() > _LARGE_SHARE * terms.sum():
            warnings.warn(
                f"The interval of Student's t is not to be relied on with {self.n} "
                f"labels, the largest of which makes up "
                f"{terms.max() / max(terms.sum(), _TINY):.0%} of the estimate.",
                stacklevel=4,
            )
        half = float(stats.t.ppf((1 + level) / 2, self.n - 1)) * self.standard_error()
        return self.risk - half, self.risk + half
