"""Expected gradient length: how much a label would move the weights."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite, check_rows
from skal_deep.functional.gradients import errors_of_likeliest


@plain_torch()
def last_layer_gradient_lengths(
    probas: Tensor, embeddings: Tensor, has_bias: bool = True
) -> Tensor:
    """Return how long a gradient each label would cause in the last layer.

    The gradient of the cross-entropy of label c with respect to the weights and the
    bias of the last layer is the outer product of ``p - onehot(c)`` and ``(h, 1)``.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.
    embeddings : Tensor of shape (N, D)
        Inputs h of the last layer.
    has_bias : bool, default=True
        Whether the last layer has a bias, which the gradient is longer by.

    Returns
    -------
    Tensor of shape (N, C)
        ``sqrt(|h|^2 + 1) sqrt(1 - 2 p_c + |p|^2)``, without the 1 if there is no bias.

    See Also
    --------
    expected_gradient_length : Their mean.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import last_layer_gradient_lengths
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> last_layer_gradient_lengths(probas, torch.ones(2, 3))
    tensor([[0.2828, 2.5456],
            [1.1314, 1.6971]])
    """
    check_finite(probas=probas)
    check_rows(embeddings=embeddings)
    squared_NC = 1 - 2 * probas + probas.square().sum(-1, keepdim=True)
    # of a certain prediction, the difference would be nothing but round-off
    likeliest_N1 = probas.argmax(-1, keepdim=True)
    own_N1 = errors_of_likeliest(probas).square().sum(-1, keepdim=True)
    squared_NC = squared_NC.scatter(1, likeliest_N1, own_N1)
    input_N1 = embeddings.square().sum(-1, keepdim=True) + has_bias
    return squared_NC.sqrt() * input_N1.sqrt()


@plain_torch()
def expected_gradient_length(probas: Tensor, lengths: Tensor) -> Tensor:
    """Return the gradient length that is to be expected before the label is known.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.
    lengths : Tensor of shape (N, C) or (N, W, C)
        Length of the gradient for each label, of all weights or of W parts of them,
        such as the vectors of W words.

    Returns
    -------
    Tensor of shape (N,)
        ``sum_c p_c |g_c|``, the largest over the parts; not negative.

    See Also
    --------
    last_layer_gradient_lengths : Finds lengths.
    skal_deep.pool.EGL : The strategy.

    References
    ----------
    B. Settles, M. Craven, S. Ray. Multiple-Instance Active Learning. NeurIPS, 2007.
    Y. Zhang, M. Lease, B. C. Wallace. Active Discriminative Text Representation
    Learning. AAAI, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import expected_gradient_length
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> lengths = torch.tensor([[0.1, 2.0], [0.5, 1.0]])
    >>> expected_gradient_length(probas, lengths)
    tensor([0.2900, 0.7000])
    """
    check_finite(probas=probas, lengths=lengths)
    if lengths.ndim == 2:
        return (probas * lengths).sum(-1)
    expected_NW: Tensor = torch.einsum("nc,nwc->nw", probas, lengths.to(probas))
    return expected_NW.amax(-1)
