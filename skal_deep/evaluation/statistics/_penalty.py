"""The penalty matrix: how often each strategy is beaten by each other."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation.statistics._paired import paired_difference


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
        pair some are significant by chance: use it to explore, not to conclude. NaN
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
    curves = [np.asarray(curve, float) for curve in curves]
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
