"""Beyond one comparison: several data sets, each up to where it saturates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skal_deep.classifier._base import as_seed
from skal_deep.evaluation.comparison._result import BASELINE, Comparison
from skal_deep.evaluation.report._table import Table
from skal_deep.evaluation.statistics._curves import (
    SATURATED,
    saturation_stage,
)
from skal_deep.evaluation.statistics._numbers import check_scores
from skal_deep.evaluation.statistics._tests import (
    Ranking,
    SignedRankPosterior,
    friedman,
    holm,
    signed_rank,
)


@dataclass(frozen=True)
class AcrossDataSets:
    """Comparisons of the same strategies on several data sets.

    A data set counts once: what is compared is each strategy's mean area on it.

    Use it when the same strategies were compared on several data sets and you ask which
    one to take for the next.

    Attributes
    ----------
    comparisons : dict of str to Comparison
        One comparison for each data set.

    See Also
    --------
    Comparison : The comparison on one data set.
    friedman : The test behind the ranking.
    signed_rank : How probable a gain on the next data set is.

    Examples
    --------
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import AcrossDataSets, compare_strategies
    >>> from skal_deep.pool import MarginSampling
    >>> def compare(X, y):
    ...     options = {"n_repeats": 2, "n_cycles": 1, "progress": False}
    ...     return compare_strategies([MarginSampling()], GaussianNB(), X, y, **options)
    >>> iris, wine = load_iris(return_X_y=True), load_wine(return_X_y=True)
    >>> AcrossDataSets({"iris": compare(*iris), "wine": compare(*wine)}).strategies
    ['random', 'MarginSampling']
    """

    comparisons: Mapping[str, Comparison]

    def __post_init__(self) -> None:
        for name, comparison in self.comparisons.items():
            if comparison.strategies != self.strategies:
                raise ValueError(
                    "Ranks need the same strategies on every data set; "
                    f"{name!r} has {comparison.strategies}, not {self.strategies}."
                )

    @property
    def strategies(self) -> list[str]:
        """Names of the strategies, random sampling first."""
        return next(iter(self.comparisons.values())).strategies

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """Mean areas, of shape (n_data_sets, n_strategies)."""
        return np.array(
            [
                [comparison.areas(strategy).mean() for strategy in self.strategies]
                for comparison in self.comparisons.values()
            ]
        )

    def ranking(self) -> Ranking:
        """Return mean ranks, Friedman's test and Nemenyi's critical difference.

        Returns
        -------
        Ranking
            Print it, or plot it.
        """
        self._check_areas()
        return friedman(self.areas)

    def _check_areas(self) -> None:
        """Raise if some data set has no area for a strategy."""
        for name, areas in zip(self.comparisons, self.areas, strict=True):
            missing = [
                strategy
                for strategy, area in zip(self.strategies, areas, strict=True)
                if not np.isfinite(area)
            ]
            if missing:
                raise ValueError(
                    f"No statement: on {name!r} there are repeats of "
                    f"{', '.join(missing)} without a score. Find out why, or leave out "
                    "this data set."
                )

    def summary(self) -> Table:
        """Return a table with one row for each strategy.

        Its area on each data set and the mean rank of these; the number of data sets on
        which it is ahead of random sampling, and the p-value of Wilcoxon's test for
        that, corrected by Holm for the number of strategies. With five data sets or
        fewer that test cannot be significant.

        Returns
        -------
        Table
            The table.
        """
        self._check_areas()
        gains = (self.areas - self.areas[:, :1])[:, 1:]
        tests = [
            float(stats.wilcoxon(gain).pvalue) if gain.any() else 1.0
            for gain in gains.T
        ]
        ahead = [None, *(int(n) for n in (gains > 0).sum(axis=0))]
        ranks = self.ranking().mean_ranks
        rows = [
            {
                "strategy": strategy,
                **dict(zip(self.comparisons, map(float, area), strict=True)),
                "mean rank": float(rank),
                "ahead": n_ahead,
                "p": p_value,
            }
            for strategy, area, rank, n_ahead, p_value in zip(
                self.strategies,
                self.areas.T,
                ranks,
                ahead,
                [None, *map(float, holm(tests))],
                strict=True,
            )
        ]
        return Table(rows, {"mean rank": ".2f", "p": ".2g"})

    def penalty_matrix(self) -> NDArray[np.float64]:
        """Return the penalty matrices of the data sets, summed.

        Entry (i, j) is the number of data sets, in shares of their stages, on which the
        i-th strategy significantly beats the j-th.

        Returns
        -------
        ndarray of shape (n_strategies, n_strategies)
            The sum.
        """
        matrices = [c.penalty_matrix() for c in self.comparisons.values()]
        return np.sum(matrices, axis=0)

    def signed_rank(
        self, strategy: str, rope: float = 0.01, random_state: int = 0
    ) -> SignedRankPosterior:
        """Return how probable it is that a strategy beats random sampling elsewhere.

        Parameters
        ----------
        strategy : str
            Name of the strategy.
        rope : float, default=0.01
            Differences in area up to this do not matter.
        random_state : int, default=0
            Seed of the draws from the posterior.

        Returns
        -------
        SignedRankPosterior
            The probabilities.
        """
        self._check_areas()
        areas = self.areas[:, self.strategies.index(strategy)]
        rng = np.random.default_rng(as_seed(random_state))
        return signed_rank(areas - self.areas[:, 0], rope, rng)

    def plot(self, ax: Any = None) -> Any:
        """Draw the critical-difference diagram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; ``None`` makes a figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        from skal_deep.evaluation.report._plot_ranks import plot_ranks

        return plot_ranks(self.ranking(), self.strategies, ax)


def cut_saturated(comparison: Comparison, share: float = SATURATED) -> Comparison:
    """Return a comparison up to the stage at which random sampling saturates.

    When random sampling is within one per cent of its final score, all strategies are
    about as good as they will be, and ties swamp what came before. The stages after
    the first such stage are left out, as in the comparisons of [1]_.

    Use it when the budget is so large that all curves end at the same score.

    Parameters
    ----------
    comparison : Comparison
        The result of :func:`compare_strategies`.
    share : float, default=0.99
        Share of its mean final score at which random sampling is saturated. Of a
        metric with negative values, such as "neg_log_loss", it is the score that lies
        as far below the final one: ``final - (1 - share) * |final|``.

    Returns
    -------
    Comparison
        The same with fewer stages; at least the start and one query stay.

    See Also
    --------
    compare_strategies : Plays the whole budget.
    penalty_matrix : What the paper computes of the stages that are left.

    References
    ----------
    .. [1] J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch
       Active Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies, cut_saturated
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 4, "progress": False}
    >>> comparison = compare_strategies([None], GaussianNB(), X, y, **options)
    >>> len(cut_saturated(comparison).curves) <= len(comparison.curves)
    True
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, not {share}.")
    scores = check_scores(comparison.curve(BASELINE), "The curve of random sampling")
    last = max(1, saturation_stage(scores.mean(axis=0), share))
    return replace(
        comparison,
        curves=[row for row in comparison.curves if row["stage"] <= last],
        picks=[row for row in comparison.picks if row["stage"] <= last],
    )
