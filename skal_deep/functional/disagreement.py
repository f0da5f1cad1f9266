"""How much the members of a committee disagree."""

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite
from skal_deep.functional.information import bald, entropy
from skal_deep.functional.uncertainty import vote_shares


def vote_entropy(samples: Tensor) -> Tensor:
    """Return the entropy of the votes.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Class probabilities by each member. A member votes for its most probable
        class, the first among equals.

    Returns
    -------
    scores : Tensor of shape (N,)
        ``H[V / S]`` in nats with the numbers V of votes, between 0 and log min(S, C).

    References
    ----------
    S. P. Engelson, I. Dagan. Minimizing Manual Annotation Cost in Supervised Training
    from Corpora. ACL, 1996.
    """
    return entropy(vote_shares(samples))


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
    scores : Tensor of shape (N,)
        ``KL(p_s || mean_s p_s)`` in nats, mean or largest over s; between 0 and
        log S, the mean no larger than log C either.

    References
    ----------
    A. McCallum, K. Nigam. Employing EM and Pool-Based Active Learning for Text
    Classification. ICML, 1998.
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
