"""Several tests at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    p_values = np.asarray(p_values, float)
    if p_values.ndim != 1 or ((p_values < 0) | (p_values > 1)).any():
        raise ValueError(f"p_values must lie between 0 and 1, not {p_values!r}.")
    order = np.argsort(p_values)
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty_like(p_values)
    corrected[order] = np.maximum.accumulate(factors * p_values[order])
    return np.minimum(corrected, 1)
