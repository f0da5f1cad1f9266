"""Batches from scores: the highest, or draws without replacement."""

from functools import partial

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_batch_size, check_finite
from skal_deep.functional._picks import without_earlier
from skal_deep.functional._plackett_luce import plackett_luce


@plain_torch()
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


@plain_torch()
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
    return plackett_luce(
        scores,
        _log_scores,
        coldness,
        batch_size,
        generator,
        epsilon,
        population,
        with_utilities,
    )


@plain_torch()
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
    return plackett_luce(
        scores,
        lambda some, _: some.double(),
        coldness,
        batch_size,
        generator,
        epsilon,
        population,
        with_utilities,
    )


@plain_torch()
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
    return plackett_luce(
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
