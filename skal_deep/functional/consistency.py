"""How much predictions change with changes of a row."""

from torch import Tensor

from skal_deep.functional._checks import check_finite


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
