"""A bandit over strategies: shares of arms, picks dealt out by them, and gains."""

import math

import torch
from torch import Tensor

# A product such as 0.7 * 10 lies above 7 by round-off, which is no whole pick more.
_ROUND_OFF = 1e-9
# A prediction that excludes the true class would cost infinitely much, and a single row
# would decide: so much of each prediction is taken as uniform.
_DOUBT = 0.01


def exp3_shares(
    gain_K: Tensor,
    n_rounds: int,
    min_share: float = 0.0,
    learning_rate: float | None = None,
) -> Tensor:
    """Return the shares of arms by Exp3, exponential weights of their gains.

    Arm 0 keeps a share whatever happens, at the cost of the others in proportion.

    Parameters
    ----------
    gain_K : Tensor of shape (K,)
        Sums of the gains of K arms so far, each at most 1 a round.
    n_rounds : int
        Number of rounds that they are sums of.
    min_share : float, default=0.0
        Least share of arm 0.
    learning_rate : float, default=None
        Factor of the gains; ``None`` is ``sqrt(2 log K / (K n_rounds))``, that of the
        bound on the regret of Exp3.

    Returns
    -------
    share_K : Tensor of shape (K,)
        Shares that sum to 1: ``exp(rate * gain)`` over their sum, but for arm 0.
    """
    n_arms = len(gain_K)
    if learning_rate is None:
        learning_rate = math.sqrt(2 * math.log(n_arms) / (n_arms * max(1, n_rounds)))
    score_K = learning_rate * gain_K.double()
    first = torch.softmax(score_K, 0)[:1].clamp_min(min_share)
    return torch.cat([first, (1 - first) * torch.softmax(score_K[1:], 0)])


def deal_out(
    share_K: Tensor, owed_K: Tensor, n_picks: int, min_share: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return which arm has each pick of a batch, without any draw.

    Each pick adds its share to what an arm is owed, and goes to the arm that is owed
    most. So the number of picks of an arm follows the sum of its shares, over batches
    of any size, and the first picks of a batch are dealt out as a smaller batch is.

    Parameters
    ----------
    share_K : Tensor of shape (K,)
        Shares of K arms.
    owed_K : Tensor of shape (K,)
        Picks that the arms are owed from batches before; 0 at the start.
    n_picks : int
        Size of the batch.
    min_share : float, default=0.0
        Arm 0 has at least ``floor(min_share t)`` of the first t picks.

    Returns
    -------
    arms : Tensor of shape (n_picks,)
        Arms in the order of the picks.
    owed_K : Tensor of shape (K,)
        Picks that the arms are owed afterwards.
    """
    owed_K = owed_K.clone()
    arms = torch.empty(n_picks, dtype=torch.int64)
    n_first = 0
    for at in range(n_picks):
        owed_K += share_K
        has_too_few = n_first < math.floor(min_share * (at + 1) + _ROUND_OFF)
        is_due = has_too_few or owed_K[0] >= 1 - _ROUND_OFF
        arms[at] = 0 if is_due else owed_K.argmax()
        owed_K[arms[at]] -= 1
        n_first += int(arms[at] == 0)
    return arms, owed_K


def doubtful_log_loss(proba_N: Tensor, n_classes: int) -> Tensor:
    """Return the mean log loss of predictions that are mixed with a little doubt.

    Parameters
    ----------
    proba_N : Tensor of shape (N,)
        Predicted probabilities of the true classes.
    n_classes : int
        Number of classes.

    Returns
    -------
    loss : Tensor of shape ()
        ``mean(-log(0.99 p + 0.01 / C))`` in nats, between 0 and ``log(100 C)``.
    """
    mixed_N = (1 - _DOUBT) * proba_N.double() + _DOUBT / n_classes
    return -mixed_N.log().mean()


def relative_gain(loss: Tensor, reference: Tensor) -> Tensor:
    """Return how much lower a loss is than another, between -1 and 1.

    Parameters
    ----------
    loss, reference : Tensor of shape ()
        Losses, not negative.

    Returns
    -------
    gain : Tensor of shape ()
        ``(reference - loss) / (reference + loss)``; 0 where both are 0.
    """
    total = reference + loss
    return torch.where(total > 0, (reference - loss) / total, 0.0)
