"""Batches from scores: the highest, or draws without replacement."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite, own_generator


def top_k(scores: Tensor, batch_size: int) -> Tensor:
    """Return the positions of the highest scores; the lowest position wins a tie.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Finite scores.
    batch_size : int
        Number of picks b.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks, the highest score first.
    """
    check_batch_size(batch_size, len(scores))
    check_finite(scores=scores)
    return torch.sort(scores, descending=True, stable=True).indices[:batch_size]


def without_earlier(utilities: Tensor, indices: Tensor) -> Tensor:
    """Write 0 into row t at the picks before t; return the same tensor."""
    for step, pick in enumerate(indices[:-1].tolist()):
        utilities[step + 1 :, pick] = 0
    return utilities


def power_sample(
    scores: Tensor,
    batch_size: int,
    coldness: float = 1.0,
    generator: torch.Generator | None = None,
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
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.

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
    if coldness == 0:  # 0 * -inf
        log_score = torch.zeros_like(log_score)
    return _plackett_luce(scores, coldness * log_score, batch_size, generator)


def softmax_sample(
    scores: Tensor,
    batch_size: int,
    coldness: float = 1.0,
    generator: torch.Generator | None = None,
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
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.

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
    return _plackett_luce(scores, coldness * scores.double(), batch_size, generator)


def softrank_sample(
    scores: Tensor,
    batch_size: int,
    coldness: float = 1.0,
    generator: torch.Generator | None = None,
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
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.

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
    return _plackett_luce(scores, -coldness * rank.log(), batch_size, generator)


def _plackett_luce(
    scores: Tensor,
    log_weight: Tensor,
    batch_size: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Draw one after another without replacement, by the Gumbel top-k trick.

    The b largest of ``log w_i + Gumbel noise``, in descending order, have the law of
    b draws from ``w_i / sum of the w that are left``.
    """
    check_batch_size(batch_size, len(scores))
    check_finite(scores=scores)
    uniform = torch.rand(
        len(scores), generator=own_generator(generator), dtype=torch.float64
    ).to(scores.device)
    gumbel = -torch.log(-torch.log(uniform))
    # weights of 0 come last, among themselves in the order of their noise
    by_noise = torch.sort(gumbel, descending=True).indices
    perturbed = (log_weight + gumbel)[by_noise]
    order = torch.sort(perturbed, descending=True, stable=True).indices
    indices = by_noise[order][:batch_size]
    left_TN = torch.ones(batch_size, len(scores), dtype=torch.bool).to(scores.device)
    left_TN = without_earlier(left_TN, indices)
    log_weight_TN = torch.where(left_TN, log_weight, -math.inf)
    exhausted_T = torch.isneginf(log_weight_TN).all(-1)
    log_weight_TN[exhausted_T[:, None] & left_TN] = 0.0
    return indices, log_weight_TN.softmax(-1).to(scores.dtype)
