"""The result of a comparison: numbers, table, figure, report."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._export import json_text, write_csv
from skal_deep.evaluation.comparison._failures import failures_text
from skal_deep.evaluation.comparison._over_cost import curves_over_cost
from skal_deep.evaluation.report._comparison_tables import (
    savings_table,
    summary_table,
    tests_table,
)
from skal_deep.evaluation.report._table import Table
from skal_deep.evaluation.simulation._search import FOUND
from skal_deep.evaluation.statistics._curves import (
    area_under_curve,
    check_comparable,
    check_curves,
    check_stages,
)
from skal_deep.evaluation.statistics._paired import (
    PairedDifference,
    paired_difference,
    penalty_matrix,
)
from skal_deep.evaluation.statistics._search_gap import SearchGap
from skal_deep.evaluation.statistics._verdict import (
    Verdict,
    are_shares,
    too_few,
    verdicts,
)

BASELINE = "random"


@dataclass(frozen=True)
class Comparison:
    """The results of a comparison of strategies.

    :func:`compare_strategies` returns it: begin with ``summary()`` and ``plot()``.

    Attributes
    ----------
    curves : list of dict
        One row for each strategy, repeat and stage: what
        ``SimulatedActiveLearner.learning_curve_`` holds.
    metrics : tuple of str
        Names of the metrics; the first is the one that is compared.
    settings : dict
        The settings of the comparison.
    picks : list of dict
        For each row of the curves, in the same order, the strategy, the repeat, the
        stage and "indices", the rows of X that were labelled for it.
    references : list of dict
        Rows like those of the curves, with the name of a line as their strategy.

    See Also
    --------
    compare_strategies : Plays the strategies and returns this.
    replay : Scores the same selections in another way.
    AcrossDataSets : Puts the comparisons of several data sets together.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 2, "progress": False}
    >>> comparison = compare_strategies(
    ...     [MarginSampling()], GaussianNB(), X, y, **options
    ... )
    >>> comparison.curve("MarginSampling").shape
    (2, 3)
    """

    curves: list[dict[str, Any]] = field(repr=False)
    metrics: tuple[str, ...]
    settings: dict[str, Any]
    picks: list[dict[str, Any]] = field(default_factory=list, repr=False)
    references: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        check_curves((*self.curves, *self.references))

    @property
    def strategies(self) -> list[str]:
        """Names of the strategies, random sampling first."""
        names = list(dict.fromkeys(row["strategy"] for row in self.curves))
        return sorted(names, key=lambda name: name != BASELINE)

    def by(self, metric: str) -> "Comparison":
        """Return the same comparison by another of its metrics.

        Parameters
        ----------
        metric : str
            The metric that is compared.

        Returns
        -------
        Comparison
            With that metric first.
        """
        if metric not in self.metrics:
            raise ValueError(f"There is no {metric!r}, but {', '.join(self.metrics)}.")
        metrics = (metric, *(name for name in self.metrics if name != metric))
        return replace(self, metrics=metrics)

    def over_cost(self) -> "Comparison":
        """Return the same comparison over what labels cost, not over their number.

        Scores at the same cost are read off each repeat's own curve, by lines between
        its stages, so that tables and figures compare what money buys. Where they say
        "labels" they count costs. Needs ``compare_strategies(cost=...)``; picks and
        reference lines are left out.

        Returns
        -------
        Comparison
            The comparison, with costs as its labels.
        """
        settings = {**self.settings, "axis": "cost"}
        rows = curves_over_cost(self)
        return replace(self, curves=rows, settings=settings, picks=[], references=[])

    def curve(self, strategy: str, column: str | None = None) -> NDArray[np.float64]:
        """Return a column of the curves of a strategy, of shape (n_repeats, n_stages).

        Parameters
        ----------
        strategy : str
            Name of the strategy, or of a reference line.
        column : str, default=None
            A metric, "n_labels", "seconds_fit", "seconds_query" or "peak_megabytes";
            ``None`` is the first metric.

        Returns
        -------
        ndarray of shape (n_repeats, n_stages)
            The column.
        """
        column = self.metrics[0] if column is None else column
        by_repeat: dict[int, list[float]] = {}
        for row in (*self.curves, *self.references):
            if row["strategy"] == strategy:
                by_repeat.setdefault(row["repeat"], []).append(row[column])
        return np.array([by_repeat[repeat] for repeat in sorted(by_repeat)])

    def picked(self, strategy: str) -> list[list[NDArray[np.intp]]]:
        """Return the rows a strategy had labelled: for each repeat a list of stages.

        Parameters
        ----------
        strategy : str
            Name of the strategy. The list is empty if picks were not kept.

        Returns
        -------
        list of list of ndarray
            Rows of X.
        """
        by_repeat: dict[int, list[NDArray[np.intp]]] = {}
        for row in self.picks:
            if row["strategy"] == strategy:
                indices = np.asarray(row["indices"], np.intp)
                by_repeat.setdefault(row["repeat"], []).append(indices)
        return [by_repeat[repeat] for repeat in sorted(by_repeat)]

    @property
    def overlap(self) -> float:
        """Test rows over training rows, zero for given test data.

        Repeats that split the same rows are correlated, see :func:`paired_difference`.
        Rows without a label do not count as training rows. The true correlation is
        unknown. This estimate is cautious: it leads to "no difference detected" rather
        too often. With test data of your own, statements are sharper, but they hold
        for these test data only.
        """
        size = self.settings["test_size"]
        if self.settings.get("test_is_given", False):  # unsaid: the careful case
            return 0.0
        n_rows = self.settings.get("n_labeled", self.settings["n_rows"])
        return size / ((1 if size < 1 else n_rows) - size)

    def areas(self, strategy: str, log: bool = False) -> NDArray[np.float64]:
        """Return the mean height of each repeat's curve, of shape (n_repeats,).

        Parameters
        ----------
        strategy : str
            Name of the strategy.
        log : bool, default=False
            Whether the mean is over the logarithm of the labels.

        Returns
        -------
        ndarray of shape (n_repeats,)
            The areas.
        """
        labels = self.curve(strategy, "n_labels")
        return np.array(
            [
                area_under_curve(n_labels, scores)
                for n_labels, scores in zip(
                    np.log(labels) if log else labels, self.curve(strategy), strict=True
                )
            ]
        )

    @property
    def search(self) -> NDArray[np.float64]:
        """The curve that was found by search, of shape (n_repeats, n_stages).

        A lower bound of what there was to gain: see ``search`` of
        :func:`compare_strategies`.
        """
        if all(row["strategy"] != FOUND for row in self.references):
            raise ValueError(
                "There was no search: call compare_strategies(..., search=True)."
            )
        return self.curve(FOUND)

    def gap(self, strategy: str) -> SearchGap:
        """Return how far a strategy stays behind what was found by search.

        Parameters
        ----------
        strategy : str
            Name of the strategy.

        Returns
        -------
        SearchGap
            The gap, with its interval.
        """
        if strategy not in self.strategies:
            raise ValueError(
                f"There is no {strategy!r}, but {', '.join(self.strategies)}."
            )
        final = [self.curve(name)[:, -1] for name in (BASELINE, strategy)]
        final.append(self.search[:, -1])
        area = [self.areas(name) for name in (BASELINE, strategy, FOUND)]
        return SearchGap(
            strategy,
            (float(final[0].mean()), float(final[1].mean()), float(final[2].mean())),
            (float(area[0].mean()), float(area[1].mean()), float(area[2].mean())),
            paired_difference(final[2], final[1], self.overlap),
            paired_difference(area[2], area[1], self.overlap),
            are_shares(row[self.metrics[0]] for row in self.curves),
        )

    def difference(self, strategy: str, log: bool = False) -> PairedDifference:
        """Return the paired difference in area to random sampling.

        Parameters
        ----------
        strategy : str
            Name of the strategy.
        log : bool, default=False
            See :meth:`areas`.

        Returns
        -------
        PairedDifference
            The difference, with its test.
        """
        check_comparable(self, strategy, BASELINE)
        return paired_difference(
            self.areas(strategy, log), self.areas(BASELINE, log), self.overlap
        )

    def verdicts(self) -> dict[str, Verdict]:
        """Return the conclusion about each strategy, compared with random sampling.

        The test is the paired t-test on areas, with the correction of Nadeau and Bengio
        for splits that overlap, and that of Holm for the number of strategies.

        Returns
        -------
        dict of str to Verdict
            By the name of the strategy.
        """
        others = {name: self.difference(name) for name in self.strategies[1:]}
        return verdicts(others, are_shares(row[self.metrics[0]] for row in self.curves))

    @property
    def warning(self) -> str | None:
        """A warning if jobs failed or repeats are too few, else ``None``."""
        few = too_few(len(self.curve(BASELINE)), len(self.strategies) - 1)
        return " ".join(filter(None, (failures_text(self.settings), few))) or None

    def summary(self) -> Table:
        """Return a table with one row for each strategy.

        The area is the mean of the first metric over the labels spent. Its difference
        to random sampling is paired by repeat; "p" is corrected by Holm for the number
        of strategies, and the verdict is by it. "low" and "high" bound 95 % intervals
        (Student's t) that allow for that number, too: one leaves out zero exactly where
        the verdict is "better" or "worse". "s queries" and "s fits" are the seconds of
        all queries, and of all fits, of one repeat. "peak MiB" is the most resident
        memory of the process in any round, libraries and data included, to be read
        beside that of random sampling; elsewhere than on Linux, since it began. "search
        gap", where there was a search, is the area that it found beyond the strategy.

        Returns
        -------
        Table
            The table.
        """
        return summary_table(self)

    def tests(self) -> Table:
        """Return a table with all tests of the differences to random sampling.

        "effect" is the difference in standard deviations, with an interval at the level
        of that in :meth:`summary`. Three two-sided p-values follow: of Student's t, for
        more data of this kind; of flips of the signs and of Wilcoxon, about further
        repeats on the same rows. "p Holm" corrects the first for the number of
        strategies. "detects" is the true gain that four of five such studies would
        detect, by the spread seen. The last two columns are of the area over the
        logarithm of the labels: its difference and p-value.

        Returns
        -------
        Table
            The table.
        """
        return tests_table(self)

    def label_savings(self) -> Table:
        """Return a table of the labels that strategies save, or need in addition.

        "random needs" are the labels with which random sampling reaches the mean final
        score of the strategy, "needs itself" those of the strategy for that of random
        sampling; "more" is more than were spent (infinite). Low and high bound 95 %
        intervals (bootstrap over repeats).

        Returns
        -------
        Table
            The table.
        """
        return savings_table(self)

    def penalty_matrix(self) -> NDArray[np.float64]:
        """Return how often the row's strategy significantly beats the column's.

        Strategies are in the order of ``strategies``; entries are shares of stages. The
        tests are not corrected for their number: use the matrix to explore, and
        :meth:`verdicts` to conclude.

        Returns
        -------
        ndarray of shape (n_strategies, n_strategies)
            The shares.
        """
        check_stages(self)
        curves = [self.curve(name) for name in self.strategies]
        return penalty_matrix(curves, self.overlap)

    def plot(self, ax: Any = None, metric: str | None = None) -> Any:
        """Draw the mean learning curves with their 95 % bands.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; ``None`` makes a figure.
        metric : str, default=None
            Which metric; ``None`` is the first.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        from skal_deep.evaluation.report._plots import plot_curves

        return plot_curves(self, ax, metric)

    def figure(self) -> Any:
        """Return a figure of the curves and of the paired differences to random.

        Returns
        -------
        matplotlib.figure.Figure
            The figure, which no window shows.
        """
        from skal_deep.evaluation.report._figures import curves_figure

        return curves_figure(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the curves, one row for each strategy, repeat and stage.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        write_csv(path, list(self.curves[0]), self.curves)

    def to_json(self, path: str | Path) -> None:
        """Write settings, curves and verdicts.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        judged = {
            name: {
                **vars(verdict.difference),
                "low": verdict.low,
                "high": verdict.high,
                "p_holm": verdict.p_value,
                "detectable": verdict.detectable,
                "verdict": verdict.word,
            }
            for name, verdict in self.verdicts().items()
        }
        content = {
            "settings": self.settings,
            "metrics": self.metrics,
            "area_difference_to_random": judged,
            "curves": self.curves,
        }
        Path(path).write_text(json_text(content), "utf-8")

    def to_html(
        self,
        path: str | Path,
        X: Any = None,
        y: Any = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Write a report: one page that needs no other file.

        Parameters
        ----------
        path : str or Path
            File to write.
        X, y : array-like, default=None
            What was compared on, for pictures of what was labelled: of images
            ``(n, c, h, w)`` the images, of other rows a map.
        image_shape : tuple of int, default=None
            Shape of an image, ``(h, w)`` or ``(c, h, w)``, where rows are vectors.
        """
        from skal_deep.evaluation.report._html import html_report

        Path(path).write_text(html_report(self, X, y, image_shape), encoding="utf-8")
