"""What comes out of a comparison: numbers, table, figure, report."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._statistics import (
    PairedDifference,
    area_under_curve,
    paired_difference,
    penalty_matrix,
)
from skal_deep.evaluation._table import Table

BASELINE = "random"
_FORMATS = {"vs random": "+.3f", "low": "+.3f", "high": "+.3f"} | dict.fromkeys(
    ("s query", "s fit"), ".1f"
)


@dataclass(frozen=True)
class Comparison:
    """What came out of a comparison of strategies.

    Attributes
    ----------
    curves : list of dict
        One row for each strategy, repeat and stage: what
        ``SimulatedActiveLearner.learning_curve_`` holds.
    metrics : tuple of str
        Names of the metrics; the first is the one that is compared.
    settings : dict
        How the comparison was made.
    picks : list of dict
        For each row of the curves, in the same order, the strategy, the repeat, the
        stage and "indices", the rows of X that were labelled for it.
    references : list of dict
        Rows like those of the curves for each reference line, whose name is in the
        place of the strategy's.
    """

    curves: list[dict[str, Any]]
    metrics: tuple[str, ...]
    settings: dict[str, Any]
    picks: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)

    @property
    def strategies(self) -> list[str]:
        """Names of the strategies, random sampling first."""
        names = list(dict.fromkeys(row["strategy"] for row in self.curves))
        return sorted(names, key=lambda name: name != BASELINE)

    def curve(self, strategy: str, column: str | None = None) -> NDArray[np.float64]:
        """Return a column of the curves of a strategy, of shape (n_repeats, n_stages).

        Parameters
        ----------
        strategy : str
            Name of the strategy.
        column : str, default=None
            A metric, "n_labels", "seconds_fit" or "seconds_query"; ``None`` is the
            first metric.
        """
        column = self.metrics[0] if column is None else column
        by_repeat: dict[int, list[float]] = {}
        for row in self.curves:
            if row["strategy"] == strategy:
                by_repeat.setdefault(row["repeat"], []).append(row[column])
        return np.array([by_repeat[repeat] for repeat in sorted(by_repeat)])

    def areas(self, strategy: str) -> NDArray[np.float64]:
        """Return the mean height of each repeat's curve, of shape (n_repeats,)."""
        return np.array(
            [
                area_under_curve(n_labels, scores)
                for n_labels, scores in zip(
                    self.curve(strategy, "n_labels"), self.curve(strategy), strict=True
                )
            ]
        )

    def difference(self, strategy: str) -> PairedDifference:
        """Return the paired difference in area to random sampling."""
        return paired_difference(self.areas(strategy), self.areas(BASELINE))

    def summary(self) -> Table:
        """Return a table with one row for each strategy.

        The area is the mean of the first metric over the labels spent. Its difference
        to random sampling is paired by repeat; "low" and "high" bound its 95 % interval
        (Student's t). Seconds are for all queries, and all fits, of one repeat.
        """
        return Table([self._row(name) for name in self.strategies], _FORMATS)

    def _row(self, name: str) -> dict[str, Any]:
        difference = self.difference(name)
        row = {
            "strategy": name,
            f"final {self.metrics[0]}": float(self.curve(name)[:, -1].mean()),
            "area": float(self.areas(name).mean()),
            "vs random": difference.mean,
            "low": difference.low,
            "high": difference.high,
            "verdict": difference.wording,
            "s query": self._seconds(name, "seconds_query"),
            "s fit": self._seconds(name, "seconds_fit"),
        }
        if name == BASELINE:  # not compared with itself
            row |= dict.fromkeys(("vs random", "low", "high")) | {"verdict": "baseline"}
        return row

    def _seconds(self, strategy: str, column: str) -> float:
        return float(self.curve(strategy, column).sum(axis=1).mean())

    def penalty_matrix(self) -> NDArray[np.float64]:
        """Return how often the row's strategy significantly beats the column's.

        Strategies are in the order of ``strategies``; entries are shares of stages.
        """
        return penalty_matrix([self.curve(name) for name in self.strategies])

    def plot(self, ax: Any = None, metric: str | None = None) -> Any:
        """Draw the mean learning curves with their 95 % bands.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; ``None`` makes a figure.
        metric : str, default=None
            Which metric; ``None`` is the first.

        Returns
        -------
        ax : matplotlib.axes.Axes
            The axes.
        """
        from skal_deep.evaluation._plots import plot_curves

        return plot_curves(self, ax, metric)

    def figure(self) -> Any:
        """Return a figure of the curves and of the paired differences to random."""
        from skal_deep.evaluation._plots import draw_both

        return draw_both(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the curves, one row for each strategy, repeat and stage.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.curves[0]))
            writer.writeheader()
            writer.writerows(self.curves)

    def to_json(self, path: str | Path) -> None:
        """Write settings, curves and verdicts.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        verdicts = {
            name: {
                **vars(self.difference(name)),
                "verdict": self.difference(name).wording,
            }
            for name in self.strategies
            if name != BASELINE
        }
        content = {
            "settings": self.settings,
            "metrics": self.metrics,
            "area_difference_to_random": verdicts,
            "curves": self.curves,
        }
        Path(path).write_text(json.dumps(content, indent=1, default=str), "utf-8")

    def to_html(self, path: str | Path) -> None:
        """Write a report: one page that needs no other file.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        from skal_deep.evaluation._report import html_report

        Path(path).write_text(html_report(self), encoding="utf-8")
