"""The penalty matrix: how often each strategy is beaten by each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skal_deep.evaluation._paired import LEVEL, error_factor


def penalty_matrix(
    curves: Sequence[NDArray[np.float64]], overlap: float = 0.0
) -> NDArray[np.float64]:
    """Return how often each strategy is beaten by each other.

    Parameters
    ----------
    curves : sequence of ndarray of shape (n_repeats, n_stages)
        Paired curves of each strategy; the first stage, which all share, is left out.
    overlap : float, default=0.0
        See :func:`paired_difference`.

    Returns
    -------
    matrix : ndarray of shape (n_strategies, n_strategies)
        Entry (i, j) is the share of stages at which strategy i is significantly
        better than strategy j (paired t-test, 5 %, not corrected). A column of small
        numbers is a strategy that is rarely beaten.

    References
    ----------
    J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch Active
    Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.
    """
    n_repeats, n_stages = curves[0].shape
    matrix = np.zeros((len(curves), len(curves)))
    if n_repeats < 2 or n_stages < 2:
        return matrix
    border = stats.t.isf(LEVEL / 2, n_repeats - 1) * error_factor(n_repeats, overlap)
    for i, better in enumerate(curves):
        for j, worse in enumerate(curves):
            difference = (better - worse)[:, 1:]
            lead = difference.mean(axis=0) - border * difference.std(axis=0, ddof=1)
            matrix[i, j] = np.mean(lead > 0)
    return matrix
