"""The permutation test of paired differences: flip their signs."""

import numpy as np
from numpy.typing import ArrayLike

from skal_deep.evaluation.statistics._area import checked_scores

_MAX_EXACT = 14  # 2**13 patterns of signs, a fraction of a second
_N_DRAWS = 9999


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
    difference = checked_scores(difference, "difference")
    n = len(difference)
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
    signs = rng.choice([-1.0, 1.0], size=(_N_DRAWS, n))
    n_far = np.count_nonzero(np.abs(signs @ difference) >= reach)
    return (n_far + 1) / (_N_DRAWS + 1)
