"""ALFA-Mix: rows whose prediction a small move towards other classes flips."""

import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part
from skal_deep.functional._checks import (
    check_finite,
    check_no_gradient,
    check_rows,
)
from skal_deep.functional._chunks import chunks
from skal_deep.functional.neighbors import squared_distances


@plain_torch()
def flipping_mix(
    embeddings: Tensor, anchors: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """Return how much of an anchor must be mixed in for the prediction to flip.

    The paper mixes an embedding z with an anchor a, coordinate by coordinate, in
    shares that maximise the loss of the predicted label to first order, under a bound
    epsilon on their length. Put in, its closed form is the step

    ``z + epsilon |a - z| g / |g|``, with the gradient g of that loss in z,

    along a direction that no anchor changes. For a linear head each class overtakes
    the predicted one at most once along it, so that the farthest anchor decides and
    the smallest epsilon that flips the prediction is known:

    ``min_c (l_y - l_c) / (s_c - s_y) / max_a |a - z|``

    with logits l and their slopes s along the step, over classes c that gain on the
    predicted class y.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Inputs of the head.
    anchors : Tensor of shape (K, D)
        Mean embeddings of labelled classes, at least one.
    weight : Tensor of shape (C, D)
        Weights of the head.
    bias : Tensor of shape (C,)
        Biases of the head.

    Returns
    -------
    Tensor of shape (N,)
        The prediction flips where the bound is larger than this; infinity where it
        never does.

    See Also
    --------
    skal_deep.pool.AlfaMix : The strategy.

    References
    ----------
    A. Parvaneh, E. Abbasnejad, D. Teney, R. Haffari, A. van den Hengel, J. Q. Shi.
    Active Learning by Feature Mixing. CVPR, 2022.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import flipping_mix
    >>> anchors = torch.tensor([[0.0, 1.0]])
    >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.9]])
    >>> flipping_mix(embeddings, anchors, torch.eye(2), torch.zeros(2))
    tensor([0.5000, 0.0704])
    """
    given = {"embeddings": embeddings, "anchors": anchors}
    of_head = {"weight": weight, "bias": bias}
    check_no_gradient(**given, **of_head)
    check_rows(of_head, **given)
    gram_CC = weight @ weight.T
    epsilon_N = embeddings.new_empty(len(embeddings))

    def work_on(part: slice) -> None:
        rows = embeddings[part]
        logits = rows @ weight.T + bias
        predicted = logits.argmax(-1, keepdim=True)
        # p - onehot(y) over 1 - p_y, which a softmax would round to 0
        error = logits.scatter(1, predicted, -math.inf).softmax(-1)
        error = error.scatter(1, predicted, -1.0)
        slope = error @ gram_CC  # of the logits along the gradient
        length = (error * slope).sum(-1).clamp_min(0).sqrt()  # of the gradient
        reach = squared_distances(rows, anchors).amax(-1).sqrt()
        gap = logits.gather(1, predicted) - logits
        gain = slope - slope.gather(1, predicted)
        steps = torch.where(gain > 0, gap / gain, math.inf)
        steps.scatter_(1, predicted, math.inf)
        epsilon = steps.amin(-1) * length / reach
        epsilon_N[part] = epsilon.nan_to_num(math.inf, math.inf)

    parts = chunks(len(embeddings), max(weight.shape), embeddings.device)
    for_each_part(parts, lambda: work_on, embeddings.device)
    return epsilon_N


@plain_torch()
def disagreements(
    embeddings: Tensor, weight: Tensor, bias: Tensor, kept: Tensor, rate: float
) -> Tensor:
    """Return how often dropout on the input of a linear head changes the prediction.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Inputs of the head.
    weight : Tensor of shape (C, D)
        Weights of the head.
    bias : Tensor of shape (C,)
        Biases of the head.
    kept : Tensor of shape (M, N, D) or (M, 1, D)
        Which inputs each of M masks keeps, of each row or of all alike.
    rate : float
        Probability with which inputs were dropped; what is kept is divided by one
        minus it, as dropout does.

    Returns
    -------
    Tensor of shape (N,)
        Number of masks under which the prediction is another, 0 ... M.

    See Also
    --------
    skal_deep.pool.DropQuery : The strategy.

    References
    ----------
    S. R. Gupte, J. Aklilu, J. J. Nirschl, S. Yeung-Levy. Revisiting Active Learning in
    the Era of Vision Foundation Models. TMLR, 2024.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import disagreements
    >>> embeddings = torch.tensor([[1.0, 0.9]])
    >>> kept = torch.tensor([[[True, False]], [[False, True]]])
    >>> disagreements(embeddings, torch.eye(2), torch.zeros(2), kept, 0.5)
    tensor([1])
    """
    check_finite(embeddings=embeddings, weight=weight, bias=bias)
    counts_N = torch.zeros(len(embeddings), dtype=torch.long, device=embeddings.device)

    def work_on(part: slice) -> None:
        rows, counts = embeddings[part], counts_N[part]
        predicted = _likeliest(rows, weight, bias)
        for mask in kept:
            is_of_all = len(mask) == 1  # weights are fewer numbers to multiply by it
            factor = (mask if is_of_all else mask[part]).to(rows.dtype) / (1 - rate)
            if is_of_all:
                counts += _likeliest(rows, weight * factor, bias) != predicted
            else:
                counts += _likeliest(rows * factor, weight, bias) != predicted

    parts = chunks(len(embeddings), max(weight.shape), embeddings.device)
    for_each_part(parts, lambda: work_on, embeddings.device)
    return counts_N


def _likeliest(embeddings: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the class of the largest logit of each row, (N,)."""
    return torch.addmm(bias, embeddings, weight.T).argmax(-1)
