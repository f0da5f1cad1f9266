"""How much the members of a committee disagree."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part
from skal_deep.functional._checks import check_finite, check_no_gradient
from skal_deep.functional._chunks import chunks
from skal_deep.functional.information import bald, entropy
from skal_deep.functional.uncertainty import vote_shares


@plain_torch()
def vote_entropy(samples: Tensor) -> Tensor:
    """Return the entropy of the votes.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Class probabilities by each member. A member votes for its most probable
        class, the first among equals.

    Returns
    -------
    Tensor of shape (N,)
        ``H[V / S]`` in nats with the numbers V of votes, between 0 and log min(S, C).

    See Also
    --------
    variation_ratio : The share of other votes.
    skal_deep.pool.VoteEntropy : The strategy.

    References
    ----------
    S. P. Engelson, I. Dagan. Minimizing Manual Annotation Cost in Supervised Training
    from Corpora. ACL, 1996.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import vote_entropy
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> vote_entropy(samples)
    tensor([0.6931, 0.0000])
    """
    return entropy(vote_shares(samples))


@plain_torch()
def consensus_kl(samples: Tensor, kind: str = "mean") -> Tensor:
    """Return how far the members are from their consensus, in Kullback-Leibler terms.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Class probabilities by each member.
    kind : {"mean", "max"}, default="mean"
        Average over the members, or the one that is furthest off. The mean is the
        mutual information of :func:`bald`, and computed by it.

    Returns
    -------
    Tensor of shape (N,)
        ``KL(p_s || mean_s p_s)`` in nats, mean or largest over s; between 0 and
        log S, the mean no larger than log C either.

    See Also
    --------
    bald : The same, where the mean is taken.
    skal_deep.pool.ConsensusKL : The strategy.

    References
    ----------
    A. McCallum, K. Nigam. Employing EM and Pool-Based Active Learning for Text
    Classification. ICML, 1998.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import consensus_kl
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> consensus_kl(samples)
    tensor([0.3681, 0.0000])
    """
    if kind == "mean":
        return bald(samples)
    if kind != "max":
        raise ValueError(f"kind must be 'mean' or 'max', not {kind!r}.")
    check_no_gradient(samples=samples)
    check_finite(samples=samples)
    n_members, n, n_classes = samples.shape
    divergence_N = samples.new_empty(n)

    def work_on(part: slice) -> None:
        sample_SBC = samples[:, part]
        # where the consensus is 0, so is every member, and so is 0 log 0
        cross_SB = -torch.special.xlogy(sample_SBC, sample_SBC.mean(0)).sum(-1)
        divergence_SB = cross_SB - torch.special.entr(sample_SBC).sum(-1)
        torch.amax(divergence_SB, 0, out=divergence_N[part])

    parts = chunks(n, n_members * n_classes, samples.device)
    for_each_part(parts, lambda: work_on, samples.device)
    return divergence_N.clamp_min_(0)
