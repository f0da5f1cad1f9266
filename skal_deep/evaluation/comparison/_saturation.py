"""The stage from which on random sampling hardly improves."""

from dataclasses import replace

from skal_deep.evaluation.comparison._result import BASELINE, Comparison
from skal_deep.evaluation.statistics._area import checked_scores


def unsaturated(comparison: Comparison, share: float = 0.99) -> Comparison:
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
    >>> from skal_deep.evaluation import compare_strategies, unsaturated
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 4, "progress": False}
    >>> comparison = compare_strategies([None], GaussianNB(), X, y, **options)
    >>> len(unsaturated(comparison).curves) <= len(comparison.curves)
    True
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, not {share}.")
    scores = checked_scores(comparison.curve(BASELINE), "The curve of random sampling")
    mean = scores.mean(axis=0)
    is_saturated = mean >= mean[-1] - (1 - share) * abs(mean[-1])
    # At least one query is kept: with the start alone there is nothing to compare.
    last = max(1, int(is_saturated.argmax()))
    return replace(
        comparison,
        curves=[row for row in comparison.curves if row["stage"] <= last],
        picks=[row for row in comparison.picks if row["stage"] <= last],
    )
