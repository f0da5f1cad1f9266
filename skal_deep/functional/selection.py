"""Batches from scores: the highest, or draws without replacement."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite, own_generator
from skal_deep.functional._picks import Picks


def top_k(
    scores: Tensor, batch_size: int, *, with_utilities: bool = True
) -> tuple[Tensor, Tensor]:
    """Choose the highest scores; the lowest position wins a tie.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Finite scores.
    batch_size : int
        Number of picks b.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks, the highest score first.
    utilities : Tensor of shape (b, N)
        Each row holds the scores; 0 at earlier picks.
    """
    check_batch_size(batch_size, len(scores))
    check_finite(scores=scores)
    order = torch.sort(scores, descending=True, stable=True)
    indices = order.indices[:batch_size]
    if not with_utilities:
        return indices, order.values[:batch_size]
    return indices, without_earlier(scores.repeat(batch_size, 1), indices)


def without_earlier(utilities: Tensor, indices: Tensor) -> Tensor:
    """Write 0 into row t at the picks before t; return the same tensor."""
    for step, pick in enumerate(indices[:-1].tolist()):
        utilities[step + 1 :, pick] = 0
    return utilities


def power_sample(
    scores: Tensor,
    batch_size: int,
    *,
    coldness: float = 1.0,
    epsilon: float = 0.0,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Draw a batch with probabilities proportional to ``scores ** coldness``.

    Candidates with score 0 are drawn, uniformly, once no other is left.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Scores; round-off below 0 counts as 0.
    batch_size : int
        Number of picks b.
    coldness : float, default=1.0
        0 is uniform, infinity the highest scores.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over what is left.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order of the draws.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t; 0 at earlier picks.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal.
    Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning.
    TMLR, 2023.
    """
    log_score = torch.log(scores.double().clamp_min(0))
    return _plackett_luce(
        scores, log_score, coldness, batch_size, generator, epsilon, with_utilities
    )


def softmax_sample(
    scores: Tensor,
    batch_size: int,
    *,
    coldness: float = 1.0,
    epsilon: float = 0.0,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Draw a batch with probabilities proportional to ``exp(coldness * scores)``.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Scores, of either sign.
    batch_size : int
        Number of picks b.
    coldness : float, default=1.0
        0 is uniform, infinity the highest scores.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over what is left.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order of the draws.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t; 0 at earlier picks.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal.
    Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning.
    TMLR, 2023.
    """
    log_score = scores.double()
    return _plackett_luce(
        scores, log_score, coldness, batch_size, generator, epsilon, with_utilities
    )


def softrank_sample(
    scores: Tensor,
    batch_size: int,
    *,
    coldness: float = 1.0,
    epsilon: float = 0.0,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Draw a batch with probabilities proportional to ``rank ** -coldness``.

    The highest score has rank 1; the lowest position wins a tie.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Scores, of either sign.
    batch_size : int
        Number of picks b.
    coldness : float, default=1.0
        0 is uniform, infinity the highest scores.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over what is left.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order of the draws.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t; 0 at earlier picks.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal.
    Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning.
    TMLR, 2023.
    """
    order = torch.sort(scores, descending=True, stable=True).indices
    rank = torch.empty_like(scores, dtype=torch.float64)
    rank[order] = torch.arange(1, len(scores) + 1, device=scores.device).double()
    return _plackett_luce(
        scores, -rank.log(), coldness, batch_size, generator, epsilon, with_utilities
    )


def _plackett_luce(
    scores: Tensor,
    log_score: Tensor,
    coldness: float,
    batch_size: int,
    generator: torch.Generator | None,
    epsilon: float,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Draw one after another without replacement, by the Gumbel top-k trick.

    Weights w are ``exp(coldness * log_score)``. The b largest of ``log w_i + Gumbel
    noise``, in descending order, have the law of b draws from ``w_i / sum of the w that
    are left``.
    """
    check_batch_size(batch_size, len(scores))
    check_finite(scores=scores)
    if not 0 <= epsilon <= 1:  # negative probabilities, otherwise
        raise ValueError(f"epsilon must lie between 0 and 1, not {epsilon!r}.")
    generator = own_generator(generator)
    log_weight = _log_weights(log_score, coldness)
    if log_weight is None or epsilon > 0:
        picks = Picks(scores, batch_size, with_utilities)
        if log_weight is None:
            shares = partial(_shares_of_highest, log_score)
        else:
            shares = partial(_shares, log_weight)
        return _mixed_draws(picks, shares, batch_size, epsilon, generator)
    gumbel = _gumbel(log_weight, generator)
    # weights of 0 come last, among themselves in the order of their noise
    by_noise = torch.sort(gumbel, descending=True).indices
    perturbed = (log_weight + gumbel)[by_noise]
    order = torch.sort(perturbed, descending=True, stable=True).indices
    indices = by_noise[order][:batch_size]
    if not with_utilities:
        return indices, _own_shares(log_weight, indices).to(scores.dtype)
    left_TN = torch.ones(batch_size, len(scores), dtype=torch.bool).to(scores.device)
    left_TN = without_earlier(left_TN, indices)
    return indices, _shares(log_weight, left_TN).to(scores.dtype)


def _log_weights(log_score: Tensor, coldness: float) -> Tensor | None:
    """Return ``coldness * log_score``, ``None`` if they are too large for a number."""
    if coldness == 0:  # 0 * -inf
        return torch.zeros_like(log_score)
    log_weight = coldness * log_score
    overflows = ~log_weight.isfinite() & log_score.isfinite()
    return None if overflows.any() else log_weight


def _mixed_draws(
    picks: Picks,
    shares: Callable[[Tensor], Tensor],
    batch_size: int,
    epsilon: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw one after another by the shares of what is left, mixed with even ones."""
    left = picks.left_N
    for _ in range(batch_size):
        even = left.to(torch.float64) / left.sum()
        proba = (1 - epsilon) * shares(left) + epsilon * even
        perturbed = proba.log() + _gumbel(proba, generator)
        picks.add(int(perturbed.argmax()), proba)
    return picks.answer()


def _gumbel(log_weight: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard Gumbel noise for each candidate."""
    uniform = torch.rand(len(log_weight), generator=generator, dtype=torch.float64)
    return -torch.log(-torch.log(uniform.to(log_weight.device)))


def _shares(log_weight: Tensor, left: Tensor) -> Tensor:
    """Return the shares of the weights that are left, even ones if all these are 0."""
    log_weight = torch.where(left, log_weight, -math.inf)
    exhausted = torch.isneginf(log_weight).all(-1, keepdim=True)
    return torch.where(exhausted & left, 0.0, log_weight).softmax(-1)


def _shares_of_highest(log_score: Tensor, left: Tensor) -> Tensor:
    """Return even shares of the highest scores left: those of infinite coldness."""
    highest = left & (log_score == log_score[left].max())
    return highest.to(torch.float64) / highest.sum()


def _own_shares(log_weight: Tensor, indices: Tensor) -> Tensor:
    """Return the share of each pick in the weights that were left for it, (b,)."""
    of_rest = log_weight.index_fill(0, indices, -math.inf).logsumexp(0, keepdim=True)
    own = log_weight[indices]
    left = torch.cat([own, of_rest]).flip(0).logcumsumexp(0).flip(0)[:-1]
    n_left = len(log_weight) - torch.arange(len(own), device=own.device)
    return torch.where(torch.isneginf(left), 1 / n_left, (own - left).exp())
