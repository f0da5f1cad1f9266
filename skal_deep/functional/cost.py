"""Scores per cost of a label."""

from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite


@plain_torch()
def per_cost(scores: Tensor, cost: Tensor) -> Tensor:
    """Return scores over costs, ``(s_n - min(0, min s)) / c_n``, of shape (N,).

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Finite scores, high = query.
    cost : Tensor of shape (N,)
        Positive costs.

    Returns
    -------
    Tensor of shape (N,)
        Not negative; in the scores' unit over that of the costs.

    See Also
    --------
    skal_deep.pool.PerCost : The rule.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import per_cost
    >>> per_cost(torch.tensor([0.8, 0.6]), torch.tensor([2.0, 1.0]))
    tensor([0.4000, 0.6000])
    """
    check_finite(scores=scores, cost=cost)
    lowest = scores.min().clamp_max(0) if len(scores) else 0
    return (scores - lowest) / cost.to(scores)
