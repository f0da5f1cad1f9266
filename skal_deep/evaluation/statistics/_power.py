"""What a number of repeats can detect."""

from numbers import Integral

import numpy as np
from scipy import optimize, stats

from skal_deep.evaluation.statistics._numbers import real_number
from skal_deep.evaluation.statistics._paired import LEVEL, check_level, error_factor

POWER = 0.8
_MAX_REPEATS = 10_000


def paired_power(
    effect: float, n: int, level: float = LEVEL, overlap: float = 0.0
) -> float:
    """Return the chance that the paired t-test detects an effect.

    Use it to judge a study that found no difference: with a low power it could hardly
    find one.

    Parameters
    ----------
    effect : float
        True mean difference in standard deviations.
    n : int
        Number of pairs, at least two.
    level : float, default=0.05
        Two-sided level of the test.
    overlap : float, default=0.0
        See :func:`paired_difference`.

    Returns
    -------
    float
        The power, between ``level`` and 1.

    See Also
    --------
    detectable_effect : The effect that has a power of 80 %.
    repeats_needed : The repeats that give a power of 80 %.

    Examples
    --------
    >>> from skal_deep.evaluation import paired_power
    >>> round(paired_power(effect=1.0, n=10), 1)
    0.8
    """
    _check(effect, level)
    _check_pairs(n)
    if n < 2:
        raise ValueError(f"n must be two pairs or more, not {n}.")
    border = stats.t.isf(level / 2, n - 1)
    shift = abs(effect) / error_factor(n, overlap)
    far_side = stats.nct.cdf(-border, n - 1, shift)
    # Far out scipy's tail of the noncentral t is NaN: there it is zero.
    return float(stats.nct.sf(border, n - 1, shift) + np.nan_to_num(far_side))


def detectable_effect(n: int, level: float = LEVEL, overlap: float = 0.0) -> float:
    """Return the smallest effect that the test detects with a power of 80 %.

    Use it before a study, to see what the repeats you can pay for would show.

    Parameters
    ----------
    n : int
        Number of pairs; with one pair nothing is detected: infinity.
    level : float, default=0.05
        Two-sided level of the test.
    overlap : float, default=0.0
        See :func:`paired_difference`.

    Returns
    -------
    float
        Mean difference in standard deviations.

    See Also
    --------
    repeats_needed : How many repeats detect a given effect.
    paired_power : The chance to detect a given effect.

    Examples
    --------
    >>> from skal_deep.evaluation import detectable_effect
    >>> round(detectable_effect(5), 1), round(detectable_effect(20), 1)
    (1.7, 0.7)
    """
    _check(0.0, level)
    _check_pairs(n)
    if n < 2:
        return np.inf
    factor = error_factor(n, overlap)
    far = 3 * float(stats.t.isf(level / 2, n - 1)) + 3
    return float(
        optimize.brentq(
            lambda effect: paired_power(effect, n, level, overlap) - POWER,
            0,
            far * factor,
        )
    )


def repeats_needed(
    effect: float, level: float = LEVEL, overlap: float = 0.0
) -> int | None:
    """Return how many pairs detect an effect with a power of 80 %.

    Use it to plan a study: a pilot of few repeats gives the effect, this gives the
    number of repeats.

    Parameters
    ----------
    effect : float
        True mean difference in standard deviations.
    level : float, default=0.05
        Two-sided level of the test.
    overlap : float, default=0.0
        See :func:`paired_difference`. With any overlap there is a limit to what more
        repeats of the same data can show.

    Returns
    -------
    int or None
        Number of pairs; ``None`` if 10 000 are too few.

    See Also
    --------
    detectable_effect : The effect that a number of repeats detects.
    effect_size : The effect of a pilot.

    Examples
    --------
    >>> from skal_deep.evaluation import repeats_needed
    >>> repeats_needed(1.0), repeats_needed(0.5)
    (10, 34)
    """
    _check(effect, level)
    low, high = 1, _MAX_REPEATS
    if detectable_effect(high, level, overlap) > abs(effect):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if detectable_effect(middle, level, overlap) > abs(effect):
            low = middle
        else:
            high = middle
    return high


def _check(effect: float, level: float) -> None:
    real_number(effect, "effect")
    check_level(level)


def _check_pairs(n: int) -> None:
    if not isinstance(n, Integral):
        raise TypeError(f"n must be a whole number of pairs, not {n!r}.")
    real_number(n, "n")


def fewest_repeats(n_tests: int = 1, level: float = LEVEL) -> int:
    """Return the number of pairs from which a permutation test can detect anything.

    The smallest p-value of n pairs is ``2 / 2**n``; Holm's correction multiplies it by
    the number of tests.

    Parameters
    ----------
    n_tests : int, default=1
        Number of strategies compared with random sampling.
    level : float, default=0.05
        Two-sided level.
    """
    return int(np.ceil(np.log2(2 * n_tests / level)))
