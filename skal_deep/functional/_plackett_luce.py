"""Draws one after another, without replacement, by the logarithms of weights."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite, own_generator
from skal_deep.functional._picks import Picks, without_earlier


def plackett_luce(
    scores: Tensor,
    log_scores: Callable[[Tensor, Tensor], Tensor],
    coldness: float,
    batch_size: int,
    generator: torch.Generator | None,
    epsilon: float,
    population: Tensor | None,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Draw one after another, and compare the first draw with the population.

    Weights are ``exp(coldness * log_score)``, the logarithms those of scores among
    others.
    """
    check_batch_size(batch_size, len(scores))
    check_finite(scores=scores)
    if not coldness >= 0:
        raise ValueError(f"coldness must be 0 or more, not {coldness!r}.")
    if not 0 <= epsilon <= 1:  # negative probabilities, otherwise
        raise ValueError(f"epsilon must lie between 0 and 1, not {epsilon!r}.")
    generator = own_generator(generator)
    log_score = log_scores(scores, scores)
    picks, utilities = _draws(
        scores, log_score, coldness, batch_size, generator, epsilon, with_utilities
    )
    if population is not None:
        check_finite(population=population)
        first_N = _shares_among(
            log_scores(scores, population),
            log_scores(population, population),
            coldness,
            epsilon,
        )
        utilities[0] = first_N if with_utilities else first_N[picks[0]]
    return picks, utilities


def _draws(
    scores: Tensor,
    log_score: Tensor,
    coldness: float,
    batch_size: int,
    generator: torch.Generator,
    epsilon: float,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Draw one after another without replacement, by the Gumbel top-k trick.

    The b largest of ``log w_i + Gumbel noise``, in descending order, have the law of b
    draws from ``w_i / sum of the w that are left``.
    """
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


def _shares_among(
    log_score_N: Tensor, log_score_U: Tensor, coldness: float, epsilon: float
) -> Tensor:
    """Return the probabilities of the first of the draws from a population, (N,).

    Of rows that are not in the population, they are at most 1.
    """
    n_others = len(log_score_U)
    log_weight = _log_weights(torch.cat([log_score_N, log_score_U]), coldness)
    if log_weight is None:
        highest = log_score_U.max()
        n_highest = (log_score_U == highest).sum()
        share_N = (log_score_N >= highest).double() / n_highest
    else:
        log_weight_N, log_weight_U = log_weight.split([len(log_score_N), n_others])
        top = log_weight_U.max()
        total = (log_weight_U - top).exp().sum()
        # a difference of minus infinities is where all weights are 0
        share_N = ((log_weight_N - top).exp() / total).clamp_max(1)
        share_N = share_N.nan_to_num(1 / n_others)
    return (1 - epsilon) * share_N + epsilon / n_others


def _own_shares(log_weight: Tensor, indices: Tensor) -> Tensor:
    """Return the share of each pick in the weights that were left for it, (b,).

    Sums are kept relative to the largest weight in them: beside a logarithm of 1e17,
    that of the sum would be lost.
    """
    rest = log_weight.index_fill(0, indices, -math.inf)
    top = float(rest.max())
    total = 0.0 if top == -math.inf else float((rest - top).exp().sum())
    n_left, shares = len(log_weight) - len(indices), []
    for own in reversed(log_weight[indices].tolist()):
        n_left += 1
        if (highest := max(top, own)) == -math.inf:
            shares.append(1 / n_left)
            continue
        weight = math.exp(own - highest)
        total = total * math.exp(top - highest) + weight
        top = highest
        shares.append(weight / total)
    return torch.tensor(shares[::-1], dtype=torch.float64, device=log_weight.device)
