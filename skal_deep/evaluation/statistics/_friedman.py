"""Ranks over several data sets: Friedman's test and the critical difference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation.statistics._area import checked_scores
from skal_deep.evaluation.statistics._paired import LEVEL


@dataclass(frozen=True)
class Ranking:
    """How strategies rank over several data sets.

    :func:`friedman` returns it: look at ``p_value`` first, and only then at which ranks
    differ.

    Attributes
    ----------
    mean_ranks : ndarray of shape (n_strategies,)
        Mean rank of each; 1 is the best.
    statistic : float
        Friedman's statistic, corrected for ties.
    p_value : float
        Chance of so large a statistic if all strategies are alike (chi-squared).
    critical_difference : float
        Nemenyi's critical difference: closer mean ranks do not differ at 5 %.

    See Also
    --------
    friedman : Computes the ranking.
    plot_ranks : Draws it.

    Examples
    --------
    >>> from skal_deep.evaluation import friedman
    >>> ranking = friedman([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.7, 0.6, 0.5]])
    >>> ranking.mean_ranks
    array([1., 2., 3.])
    """

    mean_ranks: NDArray[np.float64]
    statistic: float
    p_value: float
    critical_difference: float

    def groups(self) -> list[tuple[int, ...]]:
        """Return the largest sets of strategies whose ranks do not differ.

        Each is a tuple of positions, best first. A single strategy makes no set.
        """
        order = np.argsort(self.mean_ranks, kind="stable")
        ranks = self.mean_ranks[order]
        reach = np.searchsorted(ranks, ranks + self.critical_difference)
        found, last = [], 0
        for first, end in enumerate(reach):
            if end > max(last, first + 1):
                found.append(tuple(int(i) for i in order[first:end]))
            last = max(last, end)
        return found


def friedman(scores: ArrayLike) -> Ranking:
    """Rank strategies by their scores on several data sets.

    Use it when each strategy has one score on each of several data sets.

    Parameters
    ----------
    scores : array-like of shape (n_data_sets, n_strategies)
        One score for each, the higher the better. At least two of either.

    Returns
    -------
    Ranking
        Mean ranks and whether they differ.

    See Also
    --------
    signed_rank : How probable it is that one of two strategies is better.
    plot_ranks : Draws the ranking.

    References
    ----------
    J. Demsar. Statistical Comparisons of Classifiers over Multiple Data Sets. JMLR,
    2006.

    Examples
    --------
    >>> from skal_deep.evaluation import friedman
    >>> scores = [[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.7, 0.6, 0.5], [0.8, 0.6, 0.5]]
    >>> friedman(scores).p_value < 0.05
    True
    """
    scores = checked_scores(scores)
    if scores.ndim != 2:
        raise ValueError(
            "scores must have a row for each data set and a column for each strategy, "
            f"not the shape {scores.shape}."
        )
    n, k = scores.shape
    if n < 2 or k < 2:
        raise ValueError(
            f"Ranks need at least two data sets and two strategies, not {n} and {k}."
        )
    ranks = stats.rankdata(-scores, axis=1)
    mean_ranks = ranks.mean(axis=0)
    between = n * ((mean_ranks - (k + 1) / 2) ** 2).sum()
    within = ranks.var(axis=1, ddof=1).mean()  # k (k + 1) / 12 without ties
    statistic = float(between / within) if within else 0.0
    border = float(stats.studentized_range.isf(LEVEL, k, np.inf)) / np.sqrt(2)
    return Ranking(
        mean_ranks,
        statistic,
        float(stats.chi2.sf(statistic, k - 1)),
        float(border * np.sqrt(k * (k + 1) / (6 * n))),
    )
