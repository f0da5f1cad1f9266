"""Scores of how new a row looks, and how uncertain the classifier is of it."""

import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite
from skal_deep.functional.information import entropy


@plain_torch()
def uncertainty_indicator(proba: Tensor) -> Tensor:
    """Return the online uncertainty indicator of SRAAL.

    ``1 - m V(m) / Var(p)`` with the largest probability m, the variance of the
    probabilities over the classes, and the smallest variance V(m) that probabilities
    with the maximum m can have. Where all are equal, the ratio is 1.

    It is no monotone function of the entropy: with four classes, (1/2, 1/2, 0, 0) has
    .833 and equal probabilities have .75.

    Parameters
    ----------
    proba : Tensor of shape (N, C)
        Class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        Between 0, all on one class, and 1.

    See Also
    --------
    skal_deep.pool.SRAAL : The strategy.

    References
    ----------
    B. Zhang, L. Li, S. Yang, S. Wang, Z.-J. Zha, Q. Huang. State-Relabeling Adversarial
    Active Learning. CVPR, 2020, eq. 6.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import uncertainty_indicator
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> uncertainty_indicator(probas)
    tensor([0.1000, 0.4000])
    """
    check_finite(proba=proba)
    n_classes = proba.shape[1]
    if n_classes == 1:
        return proba.new_zeros(len(proba))
    top_N = proba.amax(1)
    variance_N = proba.var(1, correction=0)
    # (C - 1) (1/C - (1 - m)/(C - 1))^2 + (1/C - m)^2, over C, in short
    flattest_N = (top_N - 1 / n_classes).square() / (n_classes - 1)
    ratio_N = torch.where(variance_N > 0, flattest_N / variance_N, 1.0)
    return (1 - top_N * ratio_N.clamp_max(1)).clamp(0, 1)


@plain_torch()
def novelty_and_entropy(novelty: Tensor, proba: Tensor, rule: str) -> Tensor:
    """Return how new a row looks times how uncertain the classifier is of it.

    Parameters
    ----------
    novelty : Tensor of shape (N,)
        Logits of "unlabelled" by a discriminator.
    proba : Tensor of shape (N, C)
        Class probabilities.
    rule : {"product", "odds"}
        With U the sigmoid of the logits and H the entropy over log C, "product" is
        ``U H``, between 0 and 1; "odds" is ``U / (1 - U) H``.

    Returns
    -------
    Tensor of shape (N,)
        At least 0.

    See Also
    --------
    uncertain_among_new : Novelty first, entropy then.
    skal_deep.pool.DAAL : The strategy.

    References
    ----------
    J.-C. Su, Y.-H. Tsai, K. Sohn, B. Liu, S. Maji, M. Chandraker. Active Adversarial
    Domain Adaptation. WACV, 2020: "odds".

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import novelty_and_entropy
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> novelty_and_entropy(torch.tensor([0.9, 0.9]), probas, "product")
    tensor([0.3334, 0.6903])
    """
    check_finite(novelty=novelty, proba=proba)
    share_N = entropy(proba) / math.log(max(2, proba.shape[1]))
    if rule == "product":
        return novelty.sigmoid().to(share_N) * share_N
    if rule == "odds":
        return novelty.to(share_N).exp() * share_N
    raise ValueError(f"rule must be 'product' or 'odds', not {rule!r}.")


@plain_torch()
def uncertain_among_new(novelty: Tensor, proba: Tensor) -> Tensor:
    """Return the entropy of rows that look unlabelled, and all others below them.

    Parameters
    ----------
    novelty : Tensor of shape (N,)
        Logits of "unlabelled" by a discriminator.
    proba : Tensor of shape (N, C)
        Class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        Where the logit is above 0, 1 plus the entropy over log C; elsewhere the
        probability of "unlabelled", which is at most 1/2.

    See Also
    --------
    novelty_and_entropy : Their product.
    skal_deep.pool.MAL : The strategy.

    References
    ----------
    S. Ebrahimi, W. Gan, D. Chen, G. Biamby, K. Salahi, M. Laielli, S. Zhu, T. Darrell.
    Minimax Active Learning. arXiv:2012.10467, 2020.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import uncertain_among_new
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> uncertain_among_new(torch.tensor([2.0, -2.0]), probas)
    tensor([1.4690, 0.1192])
    """
    check_finite(novelty=novelty, proba=proba)
    share_N = entropy(proba) / math.log(max(2, proba.shape[1]))
    return torch.where(novelty > 0, 1 + share_N, novelty.sigmoid().to(share_N))


@plain_torch()
def wasserstein_score(
    proba: Tensor, novelty: Tensor, novelty_weight: float = 10.0
) -> Tensor:
    """Return the score of WAAL: uncertainty, and how unlabelled a critic finds a row.

    ``w g - |log p|_2 / 2 - |log p|_1 / 2``. Both norms are smallest where all classes
    are equally probable.

    Parameters
    ----------
    proba : Tensor of shape (N, C)
        Class probabilities. Those that round to 0 count as the smallest number there
        is.
    novelty : Tensor of shape (N,)
        The critic g.
    novelty_weight : float, default=10.0
        Its weight w.

    Returns
    -------
    Tensor of shape (N,)
        Finite.

    See Also
    --------
    skal_deep.pool.WAAL : The strategy.

    References
    ----------
    C. Shui, F. Zhou, C. Gagné, B. Wang. Deep Active Learning: Unified and Principled
    Method for Query and Training. AISTATS, 2020.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import wasserstein_score
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> wasserstein_score(probas, torch.tensor([0.1, 0.5]))
    tensor([-1.3565,  3.7619])
    """
    check_finite(proba=proba, novelty=novelty)
    surprise_NC = -proba.clamp_min(torch.finfo(proba.dtype).tiny).log()
    uncertainty_N: Tensor = (surprise_NC.norm(dim=1) + surprise_NC.sum(1)) / 2
    return novelty_weight * novelty.to(uncertainty_N) - uncertainty_N
