"""What predictions did while a net was trained."""

import itertools
import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch


@plain_torch()
def label_dispersion(votes: Tensor) -> Tensor:
    """Return how much the predicted class of a row changed during training.

    ``1 - max_c n_c / T`` with the number n_c of checkpoints that predicted class c.

    Parameters
    ----------
    votes : Tensor of shape (T, N)
        Class that each of T checkpoints predicts, as whole numbers from 0.

    Returns
    -------
    Tensor of shape (N,)
        Between 0, always the same class, and 1 - 1/T.

    See Also
    --------
    prediction_switches : Counts changes.
    skal_deep.pool.LabelDispersion : The strategy.

    References
    ----------
    J. Zolfaghari Bengar, B. Raducanu, J. van de Weijer. When Deep Learners Change Their
    Mind: Learning Dynamics for Active Learning. CAIP, 2021.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import label_dispersion
    >>> label_dispersion(torch.tensor([[0, 1], [0, 2], [0, 1]]))
    tensor([0.0000, 0.3333])
    """
    # The commonest class of a row is its longest run once the votes are in order.
    ordered_TN = votes.sort(0).values
    run_N = torch.ones(votes.shape[1], device=votes.device)
    longest_N = run_N.clone()
    for before_N, after_N in itertools.pairwise(ordered_TN):
        run_N = torch.where(before_N == after_N, run_N + 1, 1)
        longest_N = torch.maximum(longest_N, run_N)
    return 1 - longest_N / len(votes)


@plain_torch()
def forgetting_events(correct: Tensor) -> Tensor:
    """Return how often a labelled row was forgotten during training.

    Parameters
    ----------
    correct : Tensor of shape (T, N)
        Whether each of T checkpoints predicts the row's label.

    Returns
    -------
    Tensor of shape (N,)
        Number of steps from right to wrong; infinity for rows that no checkpoint got
        right, which count as forgotten most.

    See Also
    --------
    prediction_switches : For rows without a label.
    skal_deep.pool.ForgettingEvents : The strategy.

    References
    ----------
    M. Toneva, A. Sordoni, R. Tachet des Combes, A. Trischler, Y. Bengio, G. J. Gordon.
    An Empirical Study of Example Forgetting during Deep Neural Network Learning. ICLR,
    2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import forgetting_events
    >>> forgetting_events(torch.tensor([[True, False], [False, False], [True, False]]))
    tensor([1., inf])
    """
    count_N = (correct[:-1] & ~correct[1:]).sum(0).float()
    return torch.where(correct.any(0), count_N, math.inf)


@plain_torch()
def prediction_switches(votes: Tensor) -> Tensor:
    """Return how often the predicted class of a row changed from step to step.

    It needs no label, and so it is another quantity than :func:`forgetting_events`.

    Parameters
    ----------
    votes : Tensor of shape (T, N)
        Class that each of T checkpoints predicts.

    Returns
    -------
    Tensor of shape (N,)
        Between 0 and T - 1.

    See Also
    --------
    label_dispersion : The share of the commonest class.
    skal_deep.pool.ForgettingEvents : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import prediction_switches
    >>> prediction_switches(torch.tensor([[0, 1], [0, 2], [0, 1]]))
    tensor([0., 2.])
    """
    return (votes[:-1] != votes[1:]).sum(0).float()
