"""What figures, tables and pages need of a comparison, and of an answer.

Drawing code takes these protocols, so that it stands below what it draws.
"""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from skal_deep.evaluation.report._table import Table
    from skal_deep.evaluation.statistics._paired import PairedDifference
    from skal_deep.evaluation.statistics._verdict import Verdict


class HasCurves(Protocol):
    """Learning curves of several strategies in paired repeats."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics; the first is compared."""

    @property
    def curves(self) -> list[dict[str, Any]]:
        """One point for each strategy, repeat and round."""

    @property
    def settings(self) -> dict[str, Any]:
        """How the comparison was made."""

    @property
    def picks(self) -> list[dict[str, Any]]:
        """What was labelled in each round."""

    @property
    def references(self) -> list[dict[str, Any]]:
        """Points of the reference lines."""

    @property
    def strategies(self) -> list[str]:
        """Names of the strategies, random sampling first."""

    @property
    def overlap(self) -> float:
        """How far the repeats share rows."""

    @property
    def warning(self) -> str | None:
        """What to know before relying on it."""

    def by(self, metric: str) -> "HasCurves":
        """Return the same by another metric."""

    def curve(self, strategy: str, column: str | None = None) -> NDArray[np.float64]:
        """Return a column of all rounds, of shape (n_repeats, n_stages)."""

    def areas(self, strategy: str, log: bool = False) -> NDArray[np.float64]:
        """Return the mean score over the budget of each repeat."""

    def difference(self, strategy: str, log: bool = False) -> "PairedDifference":
        """Return the paired difference of the areas to random sampling."""

    def picked(self, strategy: str) -> list[list[NDArray[np.intp]]]:
        """Return what was labelled in each round of each repeat."""

    def verdicts(self) -> "dict[str, Verdict]":
        """Return the verdict on each strategy."""

    def summary(self) -> "Table":
        """Return the main table."""

    def tests(self) -> "Table":
        """Return the table of tests."""

    def label_savings(self) -> "Table":
        """Return the table of labels saved."""

    def penalty_matrix(self) -> NDArray[np.float64]:
        """Return how often each strategy is beaten by each other."""


class HasAdvice(Protocol):
    """An answer in words."""

    @property
    def headline(self) -> str:
        """The answer in one sentence."""

    def shown_effects(self) -> list[tuple[str, str]]:
        """Return effects side by side, each with its interval."""

    def advice(self) -> list[str]:
        """Return what to do."""
