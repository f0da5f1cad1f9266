"""Scores of different kinds, made comparable and mixed."""

import torch
from torch import Tensor


def rescale(scores: Tensor, among: Tensor) -> Tensor:
    """Return scores on a scale on which those of some rows go from 0 to 1.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Scores.
    among : Tensor of shape (M,)
        The same scores of the rows that set the scale.

    Returns
    -------
    rescaled : Tensor of shape (N,)
        ``(s - min) / (max - min)``; 0 where there is no difference to scale.
    """
    low, high = among.min(), among.max()
    return torch.where(high > low, (scores - low) / (high - low), 0)


def stage_weights(early: Tensor, late: Tensor, progress: float) -> Tensor:
    """Return weights on the way from an early to a late stage.

    Parameters
    ----------
    early, late : Tensor of shape (J,)
        Weights of J scores; only their proportions matter.
    progress : float
        0 is early, 1 and more late.

    Returns
    -------
    weights : Tensor of shape (J,)
        Weights that sum to 1.
    """
    step = min(progress, 1.0)
    return (1 - step) * early / early.sum() + step * late / late.sum()
