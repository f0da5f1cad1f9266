"""A Gaussian over each weight of a module, trained by draws of it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from skal_deep._put_back import put_back
from skal_deep.functional import gaussian_divergence
from skal_deep.modules._rng import one_thread_at_a_time

_SUFFIX = "_spread"


class GaussianWeight(NamedTuple):
    """A weight of a module that has a distribution.

    Attributes
    ----------
    mean : nn.Parameter
        The weight itself.
    spread : nn.Parameter
        Its standard deviations, before the softplus.
    """

    mean: nn.Parameter
    spread: nn.Parameter

    @property
    def scale(self) -> Tensor:
        """Standard deviations."""
        return softplus(self.spread)

    @property
    def root_inputs(self) -> float:
        """Square root of the number of inputs that a unit has."""
        return math.sqrt(max(1, self.mean[0].numel()))


def spread_weights(module: nn.Module, initial_scale: float) -> None:
    """Give the weights of all layers a distribution around them.

    Each parameter of two axes or more gets another one beside it, of the same name with
    ``_spread`` at the end. Biases and the parameters of normalisations get none.

    Parameters
    ----------
    module : nn.Module
        It is changed; what it computes is not.
    initial_scale : float
        Standard deviation of the weights, times the square root of the number of
        inputs.
    """
    parents = dict(module.named_modules())
    for path, weight in list(module.named_parameters()):  # shared ones once
        if not weight.requires_grad or weight.dim() < 2:
            continue
        parent, _, name = path.rpartition(".")
        scale = initial_scale / math.sqrt(max(1, weight[0].numel()))
        spread = torch.full_like(weight, math.log(math.expm1(scale)))
        parents[parent].register_parameter(name + _SUFFIX, nn.Parameter(spread))


def gaussian_weights(module: nn.Module) -> list[GaussianWeight]:
    """Return the weights that have a distribution."""
    found = []
    for part in module.modules():
        own = part._parameters
        found += [
            GaussianWeight(own[name.removesuffix(_SUFFIX)], spread)  # type: ignore
            for name, spread in own.items()
            if name.endswith(_SUFFIX)
        ]
    return found


def weight_divergence(weights: list[GaussianWeight], prior_scale: float) -> Tensor:
    """Return the divergence of weights from their prior, in nats.

    The prior of a weight is a Gaussian around 0 with the standard deviation
    ``prior_scale``, over the square root of the number of inputs.
    """
    parts = [
        gaussian_divergence(w.mean, w.scale, prior_scale / w.root_inputs)
        for w in weights
    ]
    return torch.stack(parts).sum()


@contextmanager
def drawn_weights(weights: list[GaussianWeight], noise: list[Tensor]) -> Iterator[None]:
    """Let a module have drawn weights for a while; other threads wait.

    Parameters
    ----------
    weights : list of GaussianWeight
        The weights; their means are as before at the end, to the last bit.
    noise : list of Tensor
        Standard normal noise, of the shape of each.
    """
    with one_thread_at_a_time():
        means = [w.mean.detach().clone() for w in weights]

        def restore() -> None:
            with torch.no_grad():
                for w, mean in zip(weights, means, strict=True):
                    w.mean.copy_(mean)

        with put_back(restore):
            with torch.no_grad():
                for w, noise_w in zip(weights, noise, strict=True):
                    w.mean.addcmul_(w.scale, noise_w.to(w.mean))
            yield


def gradients_of_spreads(weights: list[GaussianWeight], noise: list[Tensor]) -> None:
    """Add the gradients by spreads that those by drawn weights imply.

    A drawn weight is ``mean + softplus(spread) * noise``.
    """
    for w, noise_w in zip(weights, noise, strict=True):
        if w.mean.grad is not None:  # the layer has run
            gradient = w.mean.grad * noise_w * w.spread.detach().sigmoid()
            before = w.spread.grad
            w.spread.grad = gradient if before is None else before + gradient
