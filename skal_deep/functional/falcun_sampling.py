"""Falcun: uncertain predictions that are unlike each other."""

import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import (
    check_finite,
    check_no_gradient,
    own_generator,
)
from skal_deep.functional._chunks import chunks
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
        0 is uniform, a large one prefers the largest; the authors' 10.
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
    check_no_gradient(probas=probas)
    check_finite(probas=probas)
    with threads_over_parts(probas.device):
        _draw_all(picks, probas.double(), batch_size, gamma, own_generator(generator))
    return picks.answer()


def _draw_all(
    picks: Picks,
    proba_NC: Tensor,
    batch_size: int,
    gamma: float,
    generator: torch.Generator,
) -> None:
    """Draw the picks one after another."""
    uncertainty_N = margin(proba_NC[None])
    distance_N = uncertainty_N.clone()
    left_N = picks.left_N
    for step in range(batch_size):
        low = torch.where(left_N, distance_N, math.inf).min()
        high = torch.where(left_N, distance_N, -math.inf).max()
        log_N = log_relevance(distance_N, uncertainty_N, low, high, gamma)
        log_N = torch.where(left_N, log_N, -math.inf)
        if torch.isneginf(log_N.max()):  # nothing is uncertain: uniform
            log_N = torch.where(left_N, 0.0, log_N)
        proba_N = log_N.softmax(0)
        pick = _draw(proba_N, generator)
        picks.add(pick, proba_N)
        if step + 1 < batch_size:
            _join(distance_N, proba_NC, pick)


def _join(distance_N: Tensor, proba_NC: Tensor, pick: int) -> None:
    """Bring distances to the nearest pick up to date with one more."""
    pick_BC = proba_NC[pick : pick + 1]

    def work_on(part: slice) -> None:
        to_pick_n = torch.cdist(proba_NC[part], pick_BC, p=1)[:, 0]
        torch.minimum(distance_N[part], to_pick_n, out=distance_N[part])

    parts = chunks(len(proba_NC), proba_NC.shape[1], proba_NC.device)
    for_each_part(parts, lambda: work_on, proba_NC.device)


def log_relevance(
    distances: Tensor, uncertainties: Tensor, low: Tensor, high: Tensor, gamma: float
) -> Tensor:
    """Return ``gamma log(d' + u)``, with d' scaled to 0 ... 1.

    Parameters
    ----------
    distances : Tensor of shape (N,)
        Distances d.
    uncertainties : Tensor of shape (N,)
        Uncertainties u.
    low, high : Tensor of shape ()
        Distances that become 0 and 1; all become 0 where these are equal.
    gamma : float
        Exponent of the relevance ``d' + u``.

    Returns
    -------
    log_weights : Tensor of shape (N,)
        Logarithms of weights of the draw; -inf where the relevance is 0.
    """
    if gamma == 0:  # also where the relevance is 0
        return torch.zeros_like(distances)
    spread = high - low
    scaled = (distances - low) / spread if spread > 0 else torch.zeros_like(distances)
    relevance = (scaled + uncertainties).clamp_min_(0)  # rounding can go below
    return relevance.log_().mul_(gamma)


def _draw(proba_N: Tensor, generator: torch.Generator) -> int:
    """Draw a position by the inverse of the distribution function."""
    cdf_N = proba_N.cumsum(0)
    uniform = torch.rand((), dtype=torch.float64, generator=generator)
    target = uniform.to(cdf_N.device) * cdf_N[-1]
    return min(int(torch.searchsorted(cdf_N, target, right=True)), len(cdf_N) - 1)
