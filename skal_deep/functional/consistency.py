"""How much predictions change with changes of a row."""

from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite


@plain_torch()
def inconsistency(samples: Tensor) -> Tensor:
    """Return the variance of the predictions for views of a row.

    ``sum_c Var_v p_vc``, the variance over the views, not its estimate for more.

    Parameters
    ----------
    samples : Tensor of shape (V, N, C)
        Class probabilities of V views of each row.

    Returns
    -------
    Tensor of shape (N,)
        Between 0, where all views agree, and 1.

    See Also
    --------
    skal_deep.pool.ConsistencySampling : The strategy.

    References
    ----------
    M. Gao, Z. Zhang, G. Yu, S. Ö. Arik, L. S. Davis, T. Pfister. Consistency-based
    Semi-supervised Active Learning. ECCV, 2020, eq. 3.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import inconsistency
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> inconsistency(samples)
    tensor([0.3200, 0.0000])
    """
    check_finite(samples=samples)
    return samples.var(0, correction=0).sum(-1)


def logit_sensitivity(probas: Tensor) -> Tensor:
    """Return how much predictions move with their logits.

    ``sum_cd (dp_c / dz_d)^2 = |diag(p) - p p'|^2``: to first order the sum of variances
    of the probabilities for logits with independent noise of variance 1.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.

    Returns
    -------
    Tensor of shape (N,)
        Between 0, where a prediction is certain, and 1/4.
    """
    check_finite(probas=probas)
    square_NC = probas.square()
    square_N = square_NC.sum(-1)
    cube_N = (square_NC * probas).sum(-1)
    return (square_N - 2 * cube_N + square_N.square()).clamp_min_(0)
