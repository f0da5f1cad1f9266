"""Errors that the forecast makes on stored curves, cut as the question is."""

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation.planning._bank import Bank, builtin_bank
from skal_deep.evaluation.planning._forecast import (
    ROUND_OFF,
    errors_of_scale,
    forecast,
    isotonic,
    weighted_quantile,
)

MIN_STAGES = 6  # that a forecast is made from
_MANY_STAGES = 13  # of a question: then it is compared with curves cut later
_HORIZONS = np.array([1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4])
DOUBLE = 2.0
_ENOUGH = 0.5  # of the families: so many must have curves as long as is wanted
_SPREAD = 0.25  # of scores, to which curves that are no shares are brought
# Shares of the bank's tasks, and of its families, of which "will not pay" is wrong.
_WRONG_ADVICE, _WRONG_ELSEWHERE = 0.1, 0.2


@dataclass(frozen=True)
class Calibration:
    """How far forecasts of stored curves were off, and what came of doubling.

    Attributes
    ----------
    horizons : ndarray of shape (n_horizons,)
        Multiples of the labels seen at which forecasts were judged.
    above, below : ndarray of shape (n_curves,)
        By how many scales the truth was ever above the forecast, and below.
    most_at_double, gain_at_double : ndarray of shape (n_curves,)
        Of twice the labels: the forecast and two scales, and what they brought.
    families, tasks : ndarray of shape (n_curves,)
        The family and the task of each curve.
    spread : float
        Mean of the gains that were seen up to the cut: the unit of scores that are no
        shares.
    """

    horizons: NDArray[np.float64]
    above: NDArray[np.float64]
    below: NDArray[np.float64]
    most_at_double: NDArray[np.float64]
    gain_at_double: NDArray[np.float64]
    families: NDArray[np.str_]
    tasks: NDArray[np.str_]
    spread: float

    @cached_property
    def n_families(self) -> int:
        """Number of families."""
        return len(np.unique(self.families))

    @cached_property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(np.unique(self.tasks))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Mass of each curve: equal for all families and one more, that asked for.

        Tasks of a family share its mass, and curves of a task that of the task.
        """
        _, first = np.unique(self.tasks, return_index=True)
        _, family, n_tasks = np.unique(
            self.families[first], return_inverse=True, return_counts=True
        )
        return self._shared(1 / (n_tasks[family] * (len(n_tasks) + 1)))

    def _shared(self, mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mass of each curve, where those of a task share its mass."""
        _, task, n_curves = np.unique(
            self.tasks, return_inverse=True, return_counts=True
        )
        found: NDArray[np.float64] = (mass / n_curves)[task]
        return found

    def without(self, is_out: NDArray[np.bool_]) -> "Calibration":
        """Return the same without some curves."""
        kept = {
            name: getattr(self, name)[~is_out]
            for name in (
                "above",
                "below",
                "most_at_double",
                "gain_at_double",
                "families",
                "tasks",
            )
        }
        return replace(self, **kept)

    def quantiles(self, level: float) -> tuple[float, float]:
        """Return how many scales to widen a forecast by, upwards and downwards.

        Infinite where there are too few families for the level.
        """
        share = (1 + level) / 2
        return (
            weighted_quantile(self.above, self.weights, share),
            weighted_quantile(self.below, self.weights, share),
        )

    def largest_that_will_not_pay(self, smallest_gain: float) -> float:
        """Return up to which hope in doubling it may be said that it will not pay.

        Of the stored curves with no more to hope for, at most one in ten gained as much
        as ``smallest_gain``, where tasks count once, and one in five, where families
        do; the curve of the question is counted among these. That bounds the share of
        wrong advice, which a band does not.
        """
        n_tasks = self.n_tasks
        of_tasks = self._shared(np.full(n_tasks, 1 / (n_tasks + 1)))
        of_families, n_families = self.weights, self.n_families
        return min(
            self._largest(smallest_gain, of_tasks, n_tasks, _WRONG_ADVICE),
            self._largest(smallest_gain, of_families, n_families, _WRONG_ELSEWHERE),
        )

    def _largest(
        self, smallest_gain: float, mass: NDArray[np.float64], n: int, most_wrong: float
    ) -> float:
        order = np.argsort(self.most_at_double)
        one = 1 / (n + 1)
        gains = self.gain_at_double[order] >= smallest_gain
        wrong = (mass[order] * gains).cumsum() + one
        share = wrong / (mass[order].cumsum() + one)
        # Equal hopes stand or fall together.
        hopes = self.most_at_double[order]
        is_last = np.append(hopes[1:] > hopes[:-1], True)
        holds = np.flatnonzero((share <= most_wrong) & is_last)
        return float(hopes[holds[-1]]) if len(holds) else -np.inf


def calibrate(bank: Bank | None, n_stages: int, n_repeats: int) -> Calibration:
    """Return the errors on the curves of a bank, or of the one of the package.

    Parameters
    ----------
    bank : Bank or None
        The curves.
    n_stages : int
        Stages of the question: of more, a larger share of each curve is shown.
    n_repeats : int
        Repeats that the question's curve is the mean of.
    """
    longest = 4.0 if n_stages < _MANY_STAGES else 2.5
    if bank is None:
        return _of_builtin(longest, n_repeats)
    # Short curves of one's own tell of doubling only; a plan says so.
    far, near = (_calibrate(bank, end, n_repeats) for end in (longest, DOUBLE))
    return far if far.n_families >= _ENOUGH * near.n_families else near


def families_needed(level: float) -> int:
    """Return how many families a bank needs for a band of finite width."""
    return math.ceil(1 / ((1 - level) / 2 + ROUND_OFF)) - 1


def _unit_of(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit, of shape (n_curves, 1), in which curves are as large as shares.

    Curves that do not move tell of no unit: theirs is one.
    """
    spread_R1 = np.ptp(curves, axis=1, keepdims=True) / _SPREAD
    return np.where(spread_R1 > 0, spread_R1, 1.0)


@lru_cache
def _of_builtin(longest: float, n_repeats: int) -> Calibration:
    return _calibrate(builtin_bank(), longest, n_repeats)


def _calibrate(bank: Bank, longest: float, n_repeats: int) -> Calibration:
    horizons = _HORIZONS[longest >= _HORIZONS]
    double = list(horizons).index(DOUBLE)
    families: list[str] = []
    tasks: list[str] = []
    columns = [np.empty((0, 5))]
    for labels, members, curves in bank.mean_curves(n_repeats):
        # Of whole numbers the product with 2, 2.5 or 4 is exact; the quotient is not.
        n_seen = int((labels * longest <= labels[-1]).sum())
        if n_seen < MIN_STAGES:
            continue
        is_share_R1 = ((curves >= 0) & (curves <= 1)).all(axis=1, keepdims=True)
        curves = np.where(is_share_R1, curves, curves / _unit_of(curves[:, :n_seen]))
        seen, highest_R1 = labels[:n_seen], np.where(is_share_R1, 1.0, np.inf)
        found = forecast(seen, curves[:, :n_seen], horizons, highest_R1)
        later_RJ = [
            np.interp(horizons * seen[-1], labels, curve) for curve in isotonic(curves)
        ]
        true_RJ = np.maximum(later_RJ - found.current[:, None], 0)
        # A task without a family is one of its own.
        families += [family or f"task {task!r}" for family, task in members]
        tasks += [f"{task!r} of {family!r}" for family, task in members]
        columns.append(
            np.column_stack(
                [
                    *errors_of_scale(true_RJ, found),
                    found.most[:, double],
                    true_RJ[:, double],
                    found.current - curves[:, 0],
                ]
            )
        )
    above, below, at_double, gains, spreads = np.concatenate(columns).T
    spread = float(spreads.mean()) if tasks else 0.0
    return Calibration(
        horizons,
        above,
        below,
        at_double,
        gains,
        np.array(families, str),
        np.array(tasks, str),
        spread,
    )
