"""Scores for what a label costs."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from skal_deep.functional import per_cost
from skal_deep.pool._pool import Pool
from skal_deep.pool._selection import SelectionRule, TopK


class PerCost(SelectionRule):
    """Divide scores by what the labels cost, then apply a rule.

    Where labels cost differently, as long texts do, the best row is not the one that
    says most, but the one that says most for the money [1]_. Costs are given to the
    query, ``query(..., cost=cost)``, or to ``compare_strategies(cost=cost)``, which
    then has a curve over the cost, too: :meth:`Comparison.over_cost
    <skal_deep.evaluation.Comparison.over_cost>`.

    Use it where the dearest label costs several times the cheapest, and costs are known
    before the label is. It prefers cheap rows: see that these are no class of their
    own.

    Parameters
    ----------
    selection : SelectionRule, default=None
        The rule for the scores per cost. ``None`` is :class:`TopK`.

    See Also
    --------
    TopK : The highest scores, whatever they cost.
    Power : Draws by powers of the scores.

    Notes
    -----
    Scores that may be negative, such as margins, are taken from the lowest candidate's
    up, so that a dear row is never better for being dear.

    References
    ----------
    .. [1] B. Settles, M. Craven, L. Friedland. Active Learning with Real Annotation
       Costs. NIPS Workshop on Cost-Sensitive Learning, 2008.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import PerCost, PredictiveEntropy
    >>> X, y = [[-2.0], [-0.4], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> strategy = PredictiveEntropy(selection=PerCost())
    >>> strategy.query(X, y, LogisticRegression(), cost=[1, 1, 5, 1, 1])
    array([1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "selection": [SelectionRule, None],
    }

    def __init__(self, selection=None):
        self.selection = selection

    @property
    def _plans_batch(self) -> bool:  # type: ignore[override]
        return self.selection is not None and self.selection._plans_batch

    def _select(self, scores: Tensor, batch_size: int, pool: Pool) -> Any:
        if pool.cost is None:
            raise ValueError(
                "PerCost needs to know what each label costs: pass cost, one number a "
                "row, to query or compare_strategies."
            )
        rule = TopK() if self.selection is None else self.selection
        pool.score_whole = None  # other rows have no cost
        return rule.select(
            per_cost(scores, torch.as_tensor(pool.cost)), batch_size, pool
        )
