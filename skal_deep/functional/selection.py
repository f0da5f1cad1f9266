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

    See Also
    --------
    skal_deep.pool.TopK : The rule.
    power_sample : Draws, by the scores.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import top_k
    >>> indices, _ = top_k(torch.tensor([0.2, 0.9, 0.5]), 2)
    >>> indices
    tensor([1, 2])
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
    population: Tensor | None = None,
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
    population : Tensor of shape (U,), optional
        Scores of the rows that row 0 of the utilities is relative to; ``None`` are the
        candidates.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order of the draws.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t; 0 at earlier picks. With a population,
        row 0 holds those of a draw from the population, at most 1.

    See Also
    --------
    softmax_sample : For scores that may be negative.
    skal_deep.pool.Power : The rule.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal.
    Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning.
    TMLR, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import power_sample
    >>> generator = torch.Generator().manual_seed(0)
    >>> scores = torch.tensor([0.0, 1.0, 3.0])
    >>> indices, utilities = power_sample(scores, 2, generator=generator)
    >>> utilities[0]
    tensor([0.0000, 0.2500, 0.7500])
    """
    return _plackett_luce(
        scores,
        _log_scores,
        coldness,
        batch_size,
        generator,
        epsilon,
        population,
        with_utilities,
    )


def softmax_sample(
    scores: Tensor,
    batch_size: int,
    *,
    coldness: float = 1.0,
    epsilon: float = 0.0,
    population: Tensor | None = None,
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
    population : Tensor of shape (U,), optional
        Scores of the rows that row 0 of the utilities is relative to; ``None`` are the
        candidates.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order of the draws.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t; 0 at earlier picks. With a population,
        row 0 holds those of a draw from the population, at most 1.

    See Also
    --------
    power_sample : For scores that are not negative.
    skal_deep.pool.Softmax : The rule.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal.
    Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning.
    TMLR, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import softmax_sample
    >>> generator = torch.Generator().manual_seed(0)
    >>> scores = torch.tensor([-1.0, 0.0, 1.0])
    >>> indices, utilities = softmax_sample(scores, 2, generator=generator)
    >>> utilities[0]
    tensor([0.0900, 0.2447, 0.6652])
    """
    return _plackett_luce(
        scores,
        lambda some, _: some.double(),
        coldness,
        batch_size,
        generator,
        epsilon,
        population,
        with_utilities,
    )


def softrank_sample(
    scores: Tensor,
    batch_size: int,
    *,
    coldness: float = 1.0,
    epsilon: float = 0.0,
    population: Tensor | None = None,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Draw a batch with probabilities proportional to ``rank ** -coldness``.

    The highest score has rank 1. Equal scores have equal probabilities: the mean of
    those of the ranks that they take up.

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
    population : Tensor of shape (U,), optional
        Scores of the rows that row 0 of the utilities is relative to; ``None`` are the
        candidates.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order of the draws.
    utilities : Tensor of shape (b, N)
        Row t holds the probabilities of draw t; 0 at earlier picks. With a population,
        row 0 holds those of a draw from the population, at most 1.

    See Also
    --------
    power_sample : By the scores themselves.
    skal_deep.pool.SoftRank : The rule.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal.
    Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning.
    TMLR, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import softrank_sample
    >>> generator = torch.Generator().manual_seed(0)
    >>> scores = torch.tensor([0.1, 0.2, 0.9])
    >>> indices, utilities = softrank_sample(scores, 2, generator=generator)
    >>> utilities[0]
    tensor([0.1818, 0.2727, 0.5455])
    """
    return _plackett_luce(
        scores,
        partial(_minus_log_ranks, coldness),
        coldness,
        batch_size,
        generator,
        epsilon,
        population,
        with_utilities,
    )


def _log_scores(scores: Tensor, _among: Tensor) -> Tensor:
    """Return logarithms of scores, in float64."""
    return scores.double().clamp_min(0).log()


def _minus_log_ranks(coldness: float, scores: Tensor, among: Tensor) -> Tensor:
    """Return minus the logarithms of the ranks that scores have among others.

    Equal scores share the mean of the weights ``rank ** -coldness`` that they take up.
    """
    value_V, count_V = among.unique(return_counts=True)
    log_first_V = (len(among) - count_V.cumsum(0) + 1).double().log()
    n_values = torch.arange(len(value_V), device=among.device)
    value_of_rank_N = n_values.repeat_interleave(count_V).flip(0)
    rank_N = torch.arange(1, len(among) + 1, device=among.device)
    excess_N = rank_N.double().log() - log_first_V[value_of_rank_N]
    # infinite times 0 is 0 here
    weight_N = torch.where(excess_N > 0, -coldness * excess_N, 0.0).exp()
    mean_V = torch.zeros_like(log_first_V).index_add_(0, value_of_rank_N, weight_N)
    mean_V /= count_V
    minus_log_rank_V = mean_V.log() / (coldness or 1.0) - log_first_V
    scores = scores.contiguous()
    at = torch.searchsorted(value_V, scores).clamp_max(len(value_V) - 1)
    n_above = len(among) - torch.searchsorted(among.sort().values, scores, right=True)
    return torch.where(
        value_V[at] == scores, minus_log_rank_V[at], -(n_above + 1).double().log()
    )


def _plackett_luce(
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
