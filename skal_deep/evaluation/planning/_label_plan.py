"""What a plan of labels says."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation.planning._calibration import DOUBLE
from skal_deep.evaluation.statistics._sizes import format_size


@dataclass(frozen=True, repr=False)
class LabelPlan:
    """What more labels may bring, and how many a wanted score may take.

    :func:`plan_labels` returns it; print it.

    Attributes
    ----------
    n_labels : int
        Labels so far.
    current : float
        The score now, smoothed.
    labels : ndarray of shape (n_horizons,)
        Numbers of labels in all.
    low, high : ndarray of shape (n_horizons,)
        Bounds of the score at these. They hold for all of them together.
    forecast : ndarray of shape (n_horizons,)
        The score that is forecast at these.
    wanted : float or None
        The score that was asked for.
    needed : tuple of float
        Bounds of the number of labels in all at which the wanted score is reached;
        infinite where that is beyond the band. NaN if no score was asked for.
    will_not_pay : bool
        Whether doubling the labels gains less than ``smallest_gain``.
    smallest_gain : float
        The gain for which labels are worth having.
    level : float
        Share of the families of the bank whose curves the band held.
    n_families : int
        Families of data sets of the bank with curves long enough to judge by.
    is_open : str
        Why the band has no bounds but those of the score; empty where it has.
    is_share : bool
        Whether scores are shares, so that they are told in points.

    See Also
    --------
    plan_labels : Makes the plan.

    Examples
    --------
    >>> from skal_deep.evaluation import plan_labels
    >>> labels = [10, 20, 30, 40, 50, 60, 70, 80]
    >>> scores = [0.55, 0.7, 0.76, 0.79, 0.81, 0.825, 0.835, 0.84]
    >>> plan = plan_labels(labels, scores, target=0.8)
    >>> plan.word
    'reached with the labels so far'
    """

    n_labels: int
    current: float
    labels: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    forecast: NDArray[np.float64]
    wanted: float | None
    needed: tuple[float, float]
    will_not_pay: bool
    smallest_gain: float
    level: float
    n_families: int
    is_open: str
    is_share: bool

    @property
    def word(self) -> str:
        """The answer in a few words; numbers of labels are totals."""
        if self.wanted is not None:
            return self._on_target()
        if self.will_not_pay:
            return "doubling will not pay"
        low, high = self._at_double()
        if self.is_open:
            return "what doubling brings cannot be told"
        low_said, high_said = (format_size(g, self.is_share, "+") for g in (low, high))
        return f"doubling brings {low_said.removesuffix(' points')} to {high_said}"

    def _on_target(self) -> str:
        low, high = self.needed
        if high <= self.n_labels:
            return "reached with the labels so far"
        if math.isinf(low):
            return f"not within {self.labels[-1]:.0f} labels"
        if math.isinf(high):
            return f"more than {math.floor(low)} labels; how many cannot be told"
        return f"{math.floor(low)} to {math.ceil(high)} labels"

    def gain_at(self, n_labels: float) -> tuple[float, float]:
        """Return the bounds of the gain at a number of labels in all.

        Parameters
        ----------
        n_labels : float
            A number between the labels so far and the last of the band.

        Returns
        -------
        tuple of float
            The lower and the upper bound.
        """
        if not self.n_labels <= n_labels <= self.labels[-1]:
            raise ValueError(
                f"The band goes from {self.n_labels} to {self.labels[-1]:.0f} labels; "
                f"{n_labels:g} is outside."
            )
        at = np.append(self.n_labels, self.labels)
        low, high = (
            float(np.interp(n_labels, at, np.append(0.0, bound - self.current)))
            for bound in (self.low, self.high)
        )
        return low, high

    def __repr__(self) -> str:
        lines = [f"Plan: {self.word}."]
        gains = [format_size(value, self.is_share, "+") for value in self._at_double()]
        if not self.is_open:
            low, high = gains[0].removesuffix(" points"), gains[1]
            share = f"{100 * self.level:g}%"
            lines.append(
                f"Twice as many labels ({2 * self.n_labels}) would bring {low} to "
                f"{high} (held for {share} of {self.n_families} families of data sets)."
            )
        if self.will_not_pay:
            least = format_size(self.smallest_gain, self.is_share)
            lines.append(
                f"Doubling gains less than {least}: wrong for one in ten such data "
                "sets of the bank at most, and for one in five families of them."
            )
        if self.is_open:
            lines.append(f"The band is open: {self.is_open}.")
        if self.labels[-1] <= DOUBLE * self.n_labels:
            lines.append(
                "It goes no further than twice the labels: too few curves of the bank "
                "are long enough to judge more."
            )
        return "\n".join(lines)

    def _at_double(self) -> tuple[float, float]:
        return self.gain_at(DOUBLE * self.n_labels)
