"""What evidence says: the Dirichlet distribution with parameters evidence + 1."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite
from skal_deep.functional.information import entropy


@plain_torch()
def dirichlet_mean(evidence: Tensor) -> Tensor:
    """Return the expected class probabilities ``alpha / sum alpha``.

    Parameters
    ----------
    evidence : Tensor of shape (N, C)
        Evidence e >= 0 for each class; ``alpha = e + 1``.

    Returns
    -------
    Tensor of shape (N, C)
        Rows sum to 1.

    See Also
    --------
    dirichlet_information : What a label would tell.
    vacuity : How little evidence there is.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import dirichlet_mean
    >>> dirichlet_mean(torch.tensor([[0.0, 0.0], [8.0, 0.0]]))
    tensor([[0.5000, 0.5000],
            [0.9000, 0.1000]])
    """
    check_finite(evidence=evidence)
    alpha_NC = evidence + 1
    return alpha_NC / alpha_NC.sum(-1, keepdim=True)


@plain_torch()
def vacuity(evidence: Tensor) -> Tensor:
    """Return how little evidence there is, ``C / sum alpha``.

    Parameters
    ----------
    evidence : Tensor of shape (N, C)
        Evidence e >= 0 for each class; ``alpha = e + 1``.

    Returns
    -------
    Tensor of shape (N,)
        Between 0 and 1; 1 is no evidence at all.

    See Also
    --------
    dirichlet_information : What a label would tell.
    skal_deep.pool.DEAL : The strategy.

    References
    ----------
    M. Sensoy, L. Kaplan, M. Kandemir. Evidential Deep Learning to Quantify
    Classification Uncertainty. NeurIPS, 2018.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import vacuity
    >>> vacuity(torch.tensor([[0.0, 0.0], [8.0, 0.0]]))
    tensor([1.0000, 0.2000])
    """
    check_finite(evidence=evidence)
    return evidence.shape[-1] / (evidence + 1).sum(-1)


@plain_torch()
def dirichlet_information(evidence: Tensor) -> Tensor:
    """Return the mutual information between label and class probabilities.

    For p of a Dirichlet distribution both terms of BALD have a closed form,

    ``H[alpha / A] - { psi(A + 1) - sum_c alpha_c / A psi(alpha_c + 1) }``

    with ``A = sum_c alpha_c`` and the digamma function psi.

    Parameters
    ----------
    evidence : Tensor of shape (N, C)
        Evidence e >= 0 for each class; ``alpha = e + 1``.

    Returns
    -------
    Tensor of shape (N,)
        Information in nats, not negative; it vanishes as evidence grows.

    See Also
    --------
    vacuity : How little evidence there is.
    skal_deep.pool.DEAL : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import dirichlet_information
    >>> dirichlet_information(torch.tensor([[0.0, 0.0], [50.0, 50.0]]))
    tensor([0.1931, 0.0049])
    """
    check_finite(evidence=evidence)
    # both terms are of the order 1, their difference of the order C / A
    alpha_NC = evidence.double() + 1
    total_N = alpha_NC.sum(-1)
    proba_NC = alpha_NC / total_N[:, None]
    expected_N = torch.digamma(total_N + 1)
    expected_N = expected_N - (proba_NC * torch.digamma(alpha_NC + 1)).sum(-1)
    return (entropy(proba_NC) - expected_N).clamp_min(0).to(evidence.dtype)
