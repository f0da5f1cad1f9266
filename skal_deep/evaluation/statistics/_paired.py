"""Paired differences: their mean, interval, size, and the conclusion."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from skal_deep.evaluation.statistics._numbers import number_from_zero, real_numbers

LEVEL = 0.05
_FAR = 500  # beyond, scipy's inverse of the noncentral t is slow and wrong
_N_ROUNDINGS = 8  # in a score and a mean of scores; smaller differences are none


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences, with its 95 % interval.

    :func:`paired_difference` returns it: report the mean with its interval, and
    ``wording`` as the conclusion.

    Attributes
    ----------
    mean : float
        Mean difference.
    low, high : float
        Bounds of the interval of Student's t; NaN with a single pair. See
        :meth:`interval`.
    p_value : float
        Two-sided p-value of the paired t-test; NaN with a single pair. Where all
        differences but zeros are of one size, their spread tells little: they are wins
        and losses, and it is that of the sign test if that is larger, ``2 / 2**n`` if
        all are equal.
    n : int
        Number of pairs.
    sd : float
        Standard deviation of the differences; NaN with a single pair.
    overlap : float
        How much the pairs share, see :func:`paired_difference`.
    n_missing : int
        Number of pairs without a score, that is, with NaN or infinity in place of a
        result. With any of them there is no conclusion, and all other numbers are NaN.

    See Also
    --------
    paired_difference : Computes it from paired results.
    effect_size : The same difference in standard deviations.

    Examples
    --------
    >>> from skal_deep.evaluation import paired_difference
    >>> difference = paired_difference([0.82, 0.91, 0.86], [0.71, 0.81, 0.77])
    >>> round(difference.mean, 3), difference.wording
    (0.1, 'better')
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int
    sd: float
    overlap: float = 0.0
    n_missing: int = 0

    @property
    def has_statement(self) -> bool:
        """Whether there is a conclusion: two pairs or more, each with its scores."""
        return self.n > 1 and not self.n_missing and not np.isnan(self.p_value)

    @property
    def wording(self) -> str:
        """The conclusion: "better", "worse", or that no difference was detected."""
        return self.word_at(self.p_value)

    def word_at(self, p_value: float) -> str:
        """Return the conclusion, given a p-value corrected for other tests.

        Parameters
        ----------
        p_value : float
            The p-value to judge by.

        Returns
        -------
        str
            The word.
        """
        if self.n_missing:
            many = f"{self.n_missing} repeat{'s' if self.n_missing > 1 else ''}"
            return f"no statement: {many} without a score"
        if self.n < 2:
            return "one repeat: no statement"
        if np.isnan(p_value):
            return "no statement"
        if p_value >= LEVEL:
            return "no difference detected"
        return "better" if self.mean > 0 else "worse"

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the differences that the test would not reject at a level.

        It does not contain zero exactly where the p-value is below the level. Where all
        differences are equal and too few to be significant, it has no bounds.

        Parameters
        ----------
        level : float, default=0.05
            One less the share of the cases in which the interval holds the truth.

        Returns
        -------
        tuple of float
            Low and high.
        """
        check_level(level)
        if not self.has_statement:
            return np.nan, np.nan
        if self.sd == 0:
            is_open = self.mean != 0 and self.p_value >= level
            half = np.inf if is_open else 0.0
        else:
            border = float(stats.t.isf(level / 2, self.n - 1))
            half = border * self.sd * error_factor(self.n, self.overlap)
            if self.p_value >= level:  # perhaps by the sign test alone
                half = max(half, abs(self.mean))
        return self.mean - half, self.mean + half


def paired_difference(
    first: ArrayLike, second: ArrayLike, overlap: float = 0.0
) -> PairedDifference:
    """Compare paired results, ``first - second``.

    The standard error of the mean is ``sd * sqrt(1 / n + overlap)``. Pairs that were
    all measured on splits of one data set are not independent; Nadeau and Bengio
    estimate their correlation by the share of test rows, which makes ``overlap`` the
    number of test rows over the number of rows left to train on.

    A pair whose difference is no number (a training that diverged, a metric that is
    not defined) is without a score, and then there is no conclusion at all:
    the repeats that fail are seldom like those that do not.

    Use it to compare two ways that were tried on the same repeats.

    Parameters
    ----------
    first : array-like of shape (n,)
        Results of the repeats.
    second : array-like of shape (n,) or float
        Results of the same repeats, or a number to compare them with.
    overlap : float, default=0.0
        Test rows over training rows, if every repeat splits the same rows anew, see
        :func:`split_overlap`; zero for independent pairs.

    Returns
    -------
    PairedDifference
        The mean difference with its interval and p-value.

    See Also
    --------
    effect_size : The difference in standard deviations.
    sign_flip_test : A test without the normal distribution.
    split_overlap : Computes ``overlap``.

    References
    ----------
    C. Nadeau, Y. Bengio. Inference for the Generalization Error. Machine Learning,
    2003.

    Examples
    --------
    >>> from skal_deep.evaluation import paired_difference
    >>> difference = paired_difference([0.82, 0.91, 0.86], [0.71, 0.81, 0.77])
    >>> round(difference.mean, 3), difference.wording
    (0.1, 'better')
    """
    first, second = real_numbers(first, "first"), real_numbers(second, "second")
    if first.ndim != 1 or not len(first) or second.shape not in ((), first.shape):
        raise ValueError(
            "paired_difference needs one result of each for every repeat, at least "
            f"one, not arrays of shapes {first.shape} and {second.shape}."
        )
    n = len(first)
    with np.errstate(invalid="ignore", over="ignore"):  # infinity less infinity
        difference = first - second
    n_missing = int(n - np.isfinite(difference).sum())
    if n_missing:
        unknown = (np.nan,) * 4
        return PairedDifference(*unknown, n, np.nan, overlap, n_missing)
    round_off = _N_ROUNDINGS * np.finfo(float).eps * np.maximum(abs(first), abs(second))
    difference = np.where(abs(difference) <= round_off, 0.0, difference)
    mean = float(difference.mean())
    factor = error_factor(n, overlap)
    if n < 2:
        return PairedDifference(mean, np.nan, np.nan, np.nan, n, np.nan, overlap)
    is_equal = np.ptp(difference) <= round_off.max()
    sd = 0.0 if is_equal else float(difference.std(ddof=1))
    p_value = _least_p_value(difference, float(round_off.max()))
    if sd > 0:
        by_t = float(2 * stats.t.sf(abs(mean) / (sd * factor), n - 1))
        p_value = max(p_value, by_t)
    found = PairedDifference(mean, np.nan, np.nan, p_value, n, sd, overlap)
    low, high = found.interval()
    return replace(found, low=low, high=high)


def _least_p_value(difference: NDArray[np.float64], round_off: float) -> float:
    """Return the p-value of the sign test if differences are of one size, else 0."""
    gains = difference[difference != 0]
    if not len(gains):
        return 1.0
    if np.ptp(abs(gains)) > round_off:
        return 0.0
    n_more = max((gains > 0).sum(), (gains < 0).sum())
    # Both tails; they meet in the middle.
    return min(1.0, float(2 * stats.binom.sf(n_more - 1, len(gains), 0.5)))


def split_overlap(test_rows: Sequence[ArrayLike], n_rows: int) -> float:
    """Return how much repeats share, from the rows that each of them scores on.

    Use it where repeats split the same rows anew, so that their results are not
    independent.

    Parameters
    ----------
    test_rows : sequence of array-like of shape (n_test,)
        For each repeat the positions of its test rows among all rows of the data.
    n_rows : int
        Number of rows that are for testing or for training: rows without a label
        are neither.

    Returns
    -------
    float
        Test rows over the others, for :func:`paired_difference`; zero if all repeats
        score on the same rows, which are then a test set of their own.

    See Also
    --------
    paired_difference : Takes the overlap.

    Examples
    --------
    >>> from skal_deep.evaluation import split_overlap
    >>> round(split_overlap([range(5), range(5, 10)], n_rows=20), 3)
    0.333
    """
    if not isinstance(n_rows, Integral):
        raise TypeError(f"n_rows must be a whole number, not {n_rows!r}.")
    if not np.iterable(test_rows):
        raise TypeError(
            f"test_rows must hold the test rows of each repeat, not {test_rows!r}."
        )
    sets = [np.unique(np.asarray(rows)) for rows in test_rows]
    if not sets:
        raise ValueError("test_rows must hold the test rows of one repeat or more.")
    for rows in sets:
        is_whole = rows.dtype.kind in "iu"
        if not (is_whole and 0 < len(rows) < n_rows and rows.min() >= 0):
            raise ValueError(
                "Each entry of test_rows must hold the positions of 1 ... "
                f"{n_rows - 1} of {n_rows} rows, not {rows!r}."
            )
    if all(np.array_equal(rows, sets[0]) for rows in sets):
        return 0.0
    size = float(np.mean([len(rows) for rows in sets]))
    return size / (n_rows - size)


def check_level(level: float) -> None:
    """Raise unless the level of a test is a number between 0 and 1.

    Parameters
    ----------
    level : float
        The level.
    """
    if isinstance(level, bool) or not isinstance(level, Real):
        raise TypeError(f"level must be a number between 0 and 1, not {level!r}.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}.")


def error_factor(n: int, overlap: float = 0.0) -> float:
    """Return the standard error of a mean, in standard deviations.

    Parameters
    ----------
    n : int
        Number of pairs.
    overlap : float, default=0.0
        See :func:`paired_difference`.
    """
    return math.sqrt(1 / n + number_from_zero(overlap, "overlap"))


def effect_size(
    difference: PairedDifference, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return a mean difference in standard deviations, with its 95 % interval.

    Cohen's d of paired data. The interval holds the effects under which the t
    statistic, noncentral t, is neither in its lower nor its upper 2.5 %.

    Use it to compare differences of several metrics or data sets, or to plan how many
    repeats the next study needs.

    Parameters
    ----------
    difference : PairedDifference
        At least two pairs that are not all alike; NaN otherwise.
    level : float, default=0.05
        One less the share of the cases in which the interval holds the truth.

    Returns
    -------
    tuple of float
        The effect, the lower and the upper bound of its interval.

    See Also
    --------
    paired_difference : The difference in the unit of the score.
    repeats_needed : How many repeats detect an effect.

    Examples
    --------
    >>> from skal_deep.evaluation import effect_size, paired_difference
    >>> difference = paired_difference([0.82, 0.91, 0.86], [0.71, 0.81, 0.77])
    >>> effect, low, high = effect_size(difference)
    >>> round(effect, 3)
    10.0
    """
    check_level(level)
    if not isinstance(difference, PairedDifference):
        raise TypeError(
            "difference must be what paired_difference returns, not a "
            f"{type(difference).__name__}: pass paired_difference(first, second)."
        )
    if not difference.has_statement or difference.sd == 0:
        return np.nan, np.nan, np.nan
    effect = difference.mean / difference.sd
    factor = error_factor(difference.n, difference.overlap)
    low, high = (
        factor * _noncentrality(difference.n - 1, share, effect / factor)
        for share in (1 - level / 2, level / 2)
    )
    return effect, low, high


def _noncentrality(df: int, share: float, t: float) -> float:
    """Return the noncentrality under which a share of a noncentral t is below t."""
    if abs(t) < _FAR:
        return float(special.nctdtrinc(df, share, t))
    # A quantile of t * sqrt(chi2 / df) - z, in which the normal z counts for nothing.
    quantile = stats.chi2.isf if t > 0 else stats.chi2.ppf
    return float(t * np.sqrt(quantile(share, df) / df))


def penalty_matrix(
    curves: Sequence[NDArray[np.float64]], overlap: float = 0.0
) -> NDArray[np.float64]:
    """Return how often each strategy is beaten by each other.

    Use it to see at a glance which strategies are rarely beaten, in the form that the
    literature on Badge reports.

    Parameters
    ----------
    curves : sequence of ndarray of shape (n_repeats, n_stages)
        Paired curves of each strategy; the first stage, which all share, is left out.
    overlap : float, default=0.0
        See :func:`paired_difference`.

    Returns
    -------
    ndarray of shape (n_strategies, n_strategies)
        Entry (i, j) is the share of stages at which strategy i is significantly
        better than strategy j (paired t-test, 5 %, not corrected). A column of small
        numbers is a strategy that is rarely beaten. With one test for each stage and
        pair some are significant by chance: this explores, and is no verdict. NaN
        where some stage has a repeat without a score.

    See Also
    --------
    Comparison.penalty_matrix : The same for a comparison.
    verdicts : Corrected tests of whole curves.

    References
    ----------
    J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch Active
    Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import penalty_matrix
    >>> low = np.array([[0.5, 0.61, 0.72], [0.5, 0.62, 0.73], [0.5, 0.63, 0.74]])
    >>> high = low + [[0.0, 0.1, 0.09], [0.0, 0.11, 0.1], [0.0, 0.1, 0.1]]
    >>> penalty_matrix([high, low])
    array([[0., 1.],
           [0., 0.]])
    """
    curves = [real_numbers(curve, "curves") for curve in curves]
    shapes = {curve.shape for curve in curves}
    if len(shapes) != 1 or curves[0].ndim != 2:
        raise ValueError(
            "penalty_matrix needs the same repeats and stages of every strategy, not "
            f"curves of shapes {[curve.shape for curve in curves]}."
        )
    n_stages = curves[0].shape[1]
    matrix = np.zeros((len(curves), len(curves)))
    for i, j in combinations(range(len(curves)), 2):
        differences = [
            paired_difference(curves[i][:, stage], curves[j][:, stage], overlap)
            for stage in range(1, n_stages)
        ]
        words = [difference.wording for difference in differences]
        if any(difference.n_missing for difference in differences):
            matrix[i, j] = matrix[j, i] = np.nan
        elif words:
            matrix[i, j] = words.count("better") / len(words)
            matrix[j, i] = words.count("worse") / len(words)
    return matrix
