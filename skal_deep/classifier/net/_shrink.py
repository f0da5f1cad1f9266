"""Shrunk and perturbed weights, from which a training goes on."""

import copy
from typing import Any

import torch

# The values of the paper's experiments.
SHRINK, NOISE = 0.6, 0.01


def shrink_weights(clf: Any, seed: int) -> Any:
    """Return a copy of a fitted classifier with shrunk and perturbed weights.

    Every parameter of its nets becomes ``0.6 * parameter + noise``, with Gaussian
    noise of standard deviation 0.01. Training that goes on from there keeps the speed
    of a warm start and most of the generalisation of a fresh one [1]_. Buffers, such
    as the statistics of batch normalisation, stay as they are.

    Parameters
    ----------
    clf : NetClassifier
        A fitted classifier of this package. It is not changed.
    seed : int
        Seed of the noise.

    References
    ----------
    .. [1] J. Ash, R. Adams. On Warm-Starting Neural Network Training. NeurIPS, 2020.
    """
    clf, generator = copy.deepcopy(clf), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for net in clf.nets_:
            for parameter in net.module_.parameters():
                # Drawn on the CPU, so that a seed means the same noise on every device.
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.mul_(SHRINK).add_(NOISE * noise.to(parameter))
    return clf
