"""Falcun: uncertain predictions that are unlike each other."""

import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite, own_generator
from skal_deep.functional._picks import Picks
from skal_deep.functional.uncertainty import margin


@plain_torch()
def falcun(
    probas: Tensor,
    batch_size: int,
    *,
    gamma: float = 10.0,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Draw a batch by uncertainty and distance of predictions.

    The uncertainty u is one minus the gap of the two largest probabilities. The
    distance d starts as u and becomes the smallest ``sum_c |p_c - q_c|`` to a pick q.
    A pick is drawn with probability proportional to ``(d' + u) ** gamma``, with d'
    the distance scaled to 0 ... 1 over what is left. ``O(b N C)`` operations.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.
    batch_size : int
        Number of picks b.
    gamma : float, default=10.0
        0 is uniform, infinity the largest; the authors' 10.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t, 0 at earlier picks.

    See Also
    --------
    skal_deep.pool.Falcun : The strategy.
    badge : Distances of gradients.

    References
    ----------
    S. Gilhuber, A. Beer, Y. Ma, T. Seidl. FALCUN: A Simple and Efficient Deep Active
    Learning Strategy. ECML PKDD, 2024.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import falcun
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> generator = torch.Generator().manual_seed(0)
    >>> indices, _ = falcun(probas, 2, generator=generator)
    >>> len(indices)
    2
    """
    picks = Picks(probas, batch_size, with_utilities)
    check_finite(probas=probas)
    generator = own_generator(generator)
    proba_NC = probas.double()
    uncertainty_N = margin(proba_NC[None])
    distance_N = uncertainty_N
    left_N = picks.left_N
    for _ in range(batch_size):
        log_N = log_relevance(distance_N, uncertainty_N, distance_N[left_N], gamma)
        if torch.isneginf(log_N[left_N]).all():  # nothing is uncertain: uniform
            log_N = torch.zeros_like(log_N)
        proba_N = torch.where(left_N, log_N, -math.inf).softmax(0)
        pick = _draw(proba_N, generator)
        picks.add(pick, proba_N)
        to_pick_N = (proba_NC - proba_NC[pick]).abs().sum(-1)
        distance_N = torch.minimum(distance_N, to_pick_N)
    return picks.answer()


def log_relevance(
    distances: Tensor, uncertainties: Tensor, reference: Tensor, gamma: float
) -> Tensor:
    """Return ``gamma log(d' + u)``, with d' scaled to 0 ... 1 as the reference is.

    Parameters
    ----------
    distances : Tensor of shape (N,)
        Distances d.
    uncertainties : Tensor of shape (N,)
        Uncertainties u.
    reference : Tensor of shape (M,)
        Distances whose least becomes 0 and whose largest becomes 1; all become 0
        where these are equal.
    gamma : float
        Exponent of the relevance ``d' + u``.

    Returns
    -------
    log_weights : Tensor of shape (N,)
        Logarithms of weights of the draw; -inf where the relevance is 0.
    """
    low, spread = reference.min(), reference.max() - reference.min()
    scaled = (distances - low) / spread if spread > 0 else torch.zeros_like(distances)
    relevance = (scaled + uncertainties).clamp_min(0)  # rounding can go below
    log_weights: Tensor = torch.xlogy(gamma, relevance)
    return log_weights


def _draw(proba_N: Tensor, generator: torch.Generator) -> int:
    """Draw a position by the inverse of the distribution function."""
    cdf_N = proba_N.cumsum(0)
    uniform = torch.rand((), dtype=torch.float64, generator=generator)
    target = uniform.to(cdf_N.device) * cdf_N[-1]
    return min(int(torch.searchsorted(cdf_N, target, right=True)), len(cdf_N) - 1)
