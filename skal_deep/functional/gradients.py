"""Badge: k-means++ seeding on the gradients of the last layer."""

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from skal_deep.functional._checks import check_batch_size, check_finite, own_generator
from skal_deep.functional.selection import without_earlier


def squared_gradient_norms(probas: Tensor, embeddings: Tensor) -> Tensor:
    """Return ``|p - onehot(argmax p)|^2 |h|^2``, the squared length of each gradient.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.
    embeddings : Tensor of shape (N, D)
        Inputs h of the last layer.

    Returns
    -------
    norms : Tensor of shape (N,)
        Squared norms of the gradient of the cross-entropy of the most probable label
        with respect to the weights of the last layer.
    """
    return _error(probas).square().sum(-1) * embeddings.square().sum(-1)


def _error(proba_NC: Tensor) -> Tensor:
    """Return ``p - onehot(argmax p)``."""
    return proba_NC - one_hot(proba_NC.argmax(-1), proba_NC.shape[1])


def badge(
    probas: Tensor,
    embeddings: Tensor,
    batch_size: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose a batch by k-means++ seeding on gradient embeddings.

    The gradient of row i is the outer product of ``a_i = p_i - onehot(argmax p_i)``
    and ``h_i``. It is never formed: distances need its factors only,

    ``|g_i - g_j|^2 = |a_i|^2 |h_i|^2 + |a_j|^2 |h_j|^2 - 2 (a_i . a_j)(h_i . h_j)``,

    so a pick costs N (C + D) operations instead of N C D. The first pick is the
    longest gradient, as in the authors' code; each later one is drawn with
    probability proportional to the squared distance to the nearest pick.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities.
    embeddings : Tensor of shape (N, D)
        Inputs of the last layer.
    batch_size : int
        Number of picks b.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order.
    utilities : Tensor of shape (b, N)
        Row 0 holds squared gradient norms over their sum; row t the probabilities of
        draw t, 0 at earlier picks. Each row sums to 1. Where all that is left
        coincides with a pick, the draw is uniform.

    References
    ----------
    J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch Active
    Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.
    """
    n = len(probas)
    check_batch_size(batch_size, n)
    check_finite(probas=probas, embeddings=embeddings)
    generator = own_generator(generator)
    error_NC, norm_N = _error(probas), squared_gradient_norms(probas, embeddings)
    left = torch.ones(n, dtype=torch.bool, device=probas.device)
    rows = [_shares(norm_N, left)]
    indices = [int(norm_N.argmax())]
    nearest_N = torch.full_like(norm_N, math.inf)
    for _ in range(1, batch_size):
        pick = indices[-1]
        left[pick] = False
        inner_N = (error_NC @ error_NC[pick]) * (embeddings @ embeddings[pick])
        distance_N = norm_N + norm_N[pick] - 2 * inner_N
        nearest_N = torch.minimum(nearest_N, distance_N.clamp_min(0))
        rows.append(_shares(nearest_N, left))
        indices.append(_draw(rows[-1], generator))
    picks = torch.tensor(indices, device=probas.device)
    return picks, without_earlier(torch.stack(rows), picks)


def _shares(weight_N: Tensor, left_N: Tensor) -> Tensor:
    """Return weights of what is left as probabilities; uniform if they are all 0."""
    weight_N = torch.where(left_N, weight_N, 0.0)
    if not weight_N.any():
        weight_N = left_N.to(weight_N.dtype)
    return weight_N / weight_N.sum()


def _draw(proba_N: Tensor, generator: torch.Generator) -> int:
    """Draw a position by the inverse of the distribution function.

    ``torch.multinomial`` takes no more than 2^24 categories.
    """
    cdf_N = proba_N.double().cumsum(0)
    uniform = torch.rand(1, dtype=torch.float64, generator=generator)
    target = uniform.to(cdf_N.device) * cdf_N[-1]
    return int(torch.searchsorted(cdf_N, target, right=True).clamp_max(len(cdf_N) - 1))
