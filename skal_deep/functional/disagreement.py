"""How much the members of a committee disagree."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite
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
    check_finite(samples=samples)
    # where the consensus is 0, so is every member, and so is 0 log 0
    cross_SN = -torch.special.xlogy(samples, samples.mean(0)).sum(-1)
    divergence_SN: Tensor = cross_SN - entropy(samples)
    return divergence_SN.amax(0).clamp_min(0)
