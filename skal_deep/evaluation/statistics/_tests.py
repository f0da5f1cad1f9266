"""Tests: over data sets, of paired differences, and several at once."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skal_deep.evaluation.statistics._numbers import (
    check_scores,
    number_from_zero,
    real_numbers,
)
from skal_deep.evaluation.statistics._paired import LEVEL

_N_WEIGHTS = 20_000  # draws from the posterior of the signed-rank test
_PRIOR = 0.5  # weight of the pseudo-observation at zero, as Benavoli et al. take it
_MAX_EXACT = 14  # 2**13 patterns of signs, a fraction of a second
_N_PATTERNS = 9999  # drawn, where there are too many to try them all
# Up to so many strategies and data sets all orders of ranks are counted.
_MAX_COUNTED = (3, 100)


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
        Chance of so large a statistic if all strategies are alike: counted for two or
        three strategies, of which chi-squared would claim too much; chi-squared for
        more, of which it claims a little too seldom.
    critical_difference : float
        Nemenyi's: two mean ranks closer than this are not told apart at 5 %.

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
        """Return the largest sets of strategies that are not told apart.

        Each is a tuple of positions, best first. A single strategy makes no set. Where
        the test of all finds no difference, they are one set.

        Returns
        -------
        list of tuple of int
            The sets.
        """
        order = np.argsort(self.mean_ranks, kind="stable")
        if self.p_value >= LEVEL:
            return [tuple(order.tolist())]
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
    scores = check_scores(scores)
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
    if k <= _MAX_COUNTED[0] and n <= _MAX_COUNTED[1]:
        p_value = _share_as_far(ranks)
    else:
        p_value = float(stats.chi2.sf(statistic, k - 1))
    border = float(stats.studentized_range.isf(LEVEL, k, np.inf)) / np.sqrt(2)
    return Ranking(
        mean_ranks,
        statistic,
        p_value,
        float(border * np.sqrt(k * (k + 1) / (6 * n))),
    )


def _share_as_far(ranks_NK: NDArray[np.float64]) -> float:
    """Return the share of all orders of each row's ranks that differ as much.

    The sums of all columns but the last are counted row by row; ranks are doubled, so
    that those of ties are whole numbers.
    """
    doubled_NK = np.rint(2 * ranks_NK).astype(int)
    n, k = doubled_NK.shape
    share = np.zeros((2 * k * n + 1,) * (k - 1))
    share[(0,) * (k - 1)] = 1.0
    for row in doubled_NK:
        orders, before, share = list(permutations(row)), share, np.zeros_like(share)
        for order in orders:
            to = tuple(slice(rank, None) for rank in order[:-1])
            of = tuple(slice(-rank) for rank in order[:-1])
            share[to] += before[of] / len(orders)
    sums = np.indices(share.shape)
    sums = np.concatenate([sums, [doubled_NK.sum() - sums.sum(axis=0)]])
    spread = (sums**2).sum(axis=0)
    return min(1.0, float(share[spread >= (doubled_NK.sum(axis=0) ** 2).sum()].sum()))


@dataclass(frozen=True)
class SignedRankPosterior:
    """Probabilities of a worse, an equivalent and a better score; they sum to one.

    :func:`signed_rank` returns it.

    Attributes
    ----------
    worse, equivalent, better : float
        Probability that the first is practically worse than, equivalent to, or
        better than the second on the next data set.

    See Also
    --------
    signed_rank : Computes the three probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import signed_rank
    >>> gains = [0.05, 0.04, 0.06, 0.05, 0.07, 0.03]
    >>> posterior = signed_rank(gains, 0.01, np.random.default_rng(0))
    >>> posterior.better > 0.95
    True
    """

    worse: float
    equivalent: float
    better: float


def signed_rank(
    difference: ArrayLike, rope: float, rng: np.random.Generator
) -> SignedRankPosterior:
    """Return how probable it is that one strategy is practically better.

    Each observed difference, and a pseudo-observation at zero, has an unknown weight w,
    with a Dirichlet posterior. A draw of weights gives the probabilities that the mean
    of two differences lies below, within or above the region; the answer is the share
    of draws in which each of the three is the largest. Unlike a p-value it can say that
    two strategies are as good as equal.

    Use it with one difference for each of several data sets, to ask about the next one.

    Parameters
    ----------
    difference : array-like of shape (n_data_sets,)
        Differences of scores, one for each data set.
    rope : float
        Half width of the region of practical equivalence: smaller differences do not
        matter.
    rng : numpy.random.Generator
        Draws 20 000 times.

    Returns
    -------
    SignedRankPosterior
        The three probabilities.

    See Also
    --------
    AcrossDataSets.signed_rank : The same for comparisons.
    friedman : A test of more than two strategies.

    References
    ----------
    A. Benavoli, G. Corani, J. Demsar, M. Zaffalon. Time for a Change: a Tutorial for
    Comparing Multiple Classifiers Through Bayesian Analysis. JMLR, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import signed_rank
    >>> gains = [0.05, 0.04, 0.06, 0.05, 0.07, 0.03]
    >>> signed_rank(gains, rope=0.01, rng=np.random.default_rng(0)).better > 0.95
    True
    """
    rope = number_from_zero(rope, "rope")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy Generator, not {rng!r}.")
    points = np.append(0.0, check_scores(difference, "difference"))
    concentration = np.append(_PRIOR, np.ones(len(points) - 1))
    middle_PP = (points[:, None] + points) / 2
    weight_RP = rng.dirichlet(concentration, size=_N_WEIGHTS)
    above_R = ((weight_RP @ (middle_PP > rope)) * weight_RP).sum(axis=1)
    below_R = ((weight_RP @ (middle_PP < -rope)) * weight_RP).sum(axis=1)
    shares_RK = np.stack([below_R, 1 - above_R - below_R, above_R], axis=1)
    is_largest_RK = shares_RK == shares_RK.max(axis=1, keepdims=True)
    worse, equivalent, better = (
        is_largest_RK / is_largest_RK.sum(axis=1, keepdims=True)
    ).mean(axis=0)
    return SignedRankPosterior(float(worse), float(equivalent), float(better))


def sign_flip_test(difference: ArrayLike, rng: np.random.Generator) -> float:
    """Return the two-sided p-value of paired differences under flips of their signs.

    If two strategies are alike, each difference is as likely as its negative. The
    p-value is the share of all patterns of signs that give a mean at least as far from
    zero as the one seen. It assumes nothing of the shape of the distribution. With n
    pairs it cannot be smaller than ``2 / 2**n``: five pairs never reach 5 %.

    Use it beside the t-test when repeats are few or their differences far from normal.

    Parameters
    ----------
    difference : array-like of shape (n,)
        Paired differences.
    rng : numpy.random.Generator
        Draws 9999 patterns if there are more than 14 pairs; fewer are enumerated.

    Returns
    -------
    float
        Two-sided p-value; that of drawn patterns counts the one seen as one more.

    See Also
    --------
    paired_difference : The t-test of the same differences.
    holm : Corrects several p-values.

    References
    ----------
    R. A. Fisher. The Design of Experiments. Oliver and Boyd, 1935.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import sign_flip_test
    >>> sign_flip_test([0.1, 0.2, 0.15, 0.1, 0.3], np.random.default_rng(0))
    0.0625
    """
    difference = check_scores(difference, "difference")
    n = difference.size
    if difference.ndim != 1 or not n:
        raise ValueError(
            f"difference must hold one number a pair, not the shape {difference.shape}."
        )
    # The same numbers in another order sum up to something else in the last digits.
    round_off = n * np.finfo(float).eps * np.abs(difference).sum()
    reach = abs(difference.sum()) - round_off
    if n <= _MAX_EXACT:  # the first sign can stay: a pattern and its negative are one
        patterns = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ difference) >= reach))
    signs = rng.choice([-1.0, 1.0], size=(_N_PATTERNS, n))
    n_far = np.count_nonzero(np.abs(signs @ difference) >= reach)
    return (n_far + 1) / (_N_PATTERNS + 1)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected for their number.

    Among all true null hypotheses the chance of rejecting any is at most the level,
    whatever the tests have in common. The smallest of m p-values is multiplied by m,
    the next by m - 1 and so on; none becomes smaller than the one before it.

    Use it when several strategies are each tested against random sampling.

    Parameters
    ----------
    p_values : array-like of shape (m,)
        One p-value a test; NaN for a test that says nothing, which counts all the same.

    Returns
    -------
    ndarray of shape (m,)
        Corrected p-values, in the same order.

    See Also
    --------
    verdicts : Judges strategies with this correction.

    References
    ----------
    S. Holm. A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian
    Journal of Statistics, 1979.

    Examples
    --------
    >>> from skal_deep.evaluation import holm
    >>> holm([0.01, 0.04])
    array([0.02, 0.04])
    """
    p_values = real_numbers(p_values, "p_values")
    if p_values.ndim != 1 or ((p_values < 0) | (p_values > 1)).any():
        raise ValueError(f"p_values must lie between 0 and 1, not {p_values!r}.")
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty_like(p_values)
    corrected[order] = np.maximum.accumulate(factors * p_values[order])
    return np.minimum(corrected, 1)
