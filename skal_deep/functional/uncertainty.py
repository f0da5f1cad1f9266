"""Uncertainty scores other than entropy."""

from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part
from skal_deep.functional._checks import check_finite, check_no_gradient
from skal_deep.functional._chunks import chunks


@plain_torch()
def least_confidence(samples: Tensor) -> Tensor:
    """Return one minus the largest mean probability.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        ``1 - max_c mean_s p_sc``, between 0 and 1 - 1/C.

    See Also
    --------
    margin : The gap to the second class.
    skal_deep.pool.LeastConfidence : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import least_confidence
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> least_confidence(samples)
    tensor([0.5000, 0.5000])
    """
    check_finite(samples=samples)
    return (1 - samples.mean(0).amax(-1)).clamp_min(0)


@plain_torch()
def margin(samples: Tensor) -> Tensor:
    """Return one minus the gap between the two largest mean probabilities.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        Between 0 and 1; 0 if there is one class only.

    See Also
    --------
    least_confidence : The largest probability alone.
    skal_deep.pool.MarginSampling : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import margin
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> margin(samples)
    tensor([1., 1.])
    """
    check_finite(samples=samples)
    if samples.shape[-1] == 1:
        return samples.new_zeros(samples.shape[1])
    first_two_N2 = samples.mean(0).topk(2, dim=-1).values
    return 1 - (first_two_N2[:, 0] - first_two_N2[:, 1])


@plain_torch()
def variation_ratio(samples: Tensor, kind: str = "proba") -> Tensor:
    """Return how little the draws agree on one class.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.
    kind : {"proba", "votes"}, default="proba"
        "proba" is ``1 - max_c mean_s p_sc``, as printed by Gal et al.; "votes" is the
        share of draws that do not vote for the commonest class, as in their code.

    Returns
    -------
    Tensor of shape (N,)
        Between 0 and 1 - 1/C.

    See Also
    --------
    vote_entropy : The entropy of the votes.
    skal_deep.pool.VariationRatio : The strategy.

    References
    ----------
    Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image Data.
    ICML, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import variation_ratio
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> variation_ratio(samples, kind="votes")
    tensor([0.5000, 0.0000])
    """
    if kind == "proba":
        return least_confidence(samples)
    if kind != "votes":
        raise ValueError(f"kind must be 'proba' or 'votes', not {kind!r}.")
    return 1 - vote_shares(samples).amax(-1)


def vote_shares(samples: Tensor) -> Tensor:
    """Return the share of draws that vote for each class.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities. A draw votes for its most
        probable class, the first among equals.

    Returns
    -------
    shares : Tensor of shape (N, C)
        Rows sum to 1.
    """
    check_finite(samples=samples)
    n_draws, n, n_classes = samples.shape
    count_NC = samples.new_zeros(n, n_classes)

    def work_on(part: slice) -> None:
        vote_BS = samples[:, part].argmax(-1).T
        count_NC[part].scatter_add_(1, vote_BS, samples.new_ones(vote_BS.shape))

    parts = chunks(n, n_draws * n_classes, samples.device)
    for_each_part(parts, lambda: work_on, samples.device)
    return count_NC / n_draws


@plain_torch()
def mean_std(samples: Tensor) -> Tensor:
    """Return the standard deviation over draws, averaged over classes.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        ``mean_c sqrt(mean_s (p_sc - mean_s p_sc)^2)``, between 0 and 1/2.

    See Also
    --------
    bald : Information in place of deviations.
    skal_deep.pool.MeanStd : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import mean_std
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> mean_std(samples)
    tensor([0.4000, 0.0000])
    """
    check_no_gradient(samples=samples)
    check_finite(samples=samples)
    n_draws, n, n_classes = samples.shape
    score_N = samples.new_empty(n)
    parts = list(chunks(n, n_draws * n_classes, samples.device))

    def begin() -> Callable[[slice], None]:
        room_SBC = torch.empty_like(samples[:, parts[0]])

        def work_on(part: slice) -> None:
            offset_SBC = room_SBC[:, : part.stop - part.start]
            # equal draws differ by 0, also where their mean is rounded
            torch.sub(samples[:, part], samples[:1, part], out=offset_SBC)
            offset_SBC -= offset_SBC.mean(0)
            score_N[part] = offset_SBC.square_().mean(0).sqrt_().mean(-1)

        return work_on

    for_each_part(parts, begin, samples.device)
    return score_N
