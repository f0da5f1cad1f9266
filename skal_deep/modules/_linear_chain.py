"""Chains of linear layers and ReLUs: passes and gradients without autograd's graph."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class ChainPass(NamedTuple):
    """What a pass through a chain leaves for the way back."""

    inputs: list[Tensor]  # of each layer
    gates: list[Tensor]  # what each ReLU gave
    noises: list[Tensor | None]  # factors of each dropout that is on
    output: Tensor


class LinearChain:
    """A chain of linear layers; a ReLU, and perhaps dropout, between each two.

    A pass through a small net takes less time than autograd takes to note it. The
    numbers are those of autograd, operation by operation. Hooks are not called.

    Use it with gradients off.

    Parameters
    ----------
    layers : list of nn.Linear
        Layers with biases. The numbers in their weights may change between calls.
    dropouts : list of nn.Dropout or None
        What stands between each two layers, after the ReLU.
    """

    def __init__(self, layers: list[nn.Linear], dropouts: list[nn.Dropout | None]):
        self.parameters = [(layer.weight, layer.bias) for layer in layers]
        self._dropouts = dropouts

    def run(self, x: Tensor) -> ChainPass:
        """Return a pass of rows (N, D); dropout reads torch's global generator."""
        inputs, gates, noises = [x], [], []
        for (weight, bias), dropout in zip(
            self.parameters, self._dropouts, strict=False
        ):
            x = torch.addmm(bias, x, weight.t()).relu_()
            gates.append(x)
            noise = None if dropout is None else _noise(x, dropout)
            noises.append(noise)
            x = x if noise is None else x * noise
            inputs.append(x)
        weight, bias = self.parameters[-1]
        return ChainPass(inputs, gates, noises, torch.addmm(bias, x, weight.t()))

    def by_output(self, passed: ChainPass, slope: Tensor) -> list[Tensor]:
        """Return the derivatives of a loss by what each layer gives, before its ReLU.

        Parameters
        ----------
        passed : ChainPass
            From :meth:`run`.
        slope : Tensor of shape (N, C)
            Derivative of the loss by what the chain gives.
        """
        slopes = [slope]
        ways = zip(self.parameters[1:], passed.gates, passed.noises, strict=True)
        for (weight, _), gate, noise in reversed(list(ways)):
            slope = _by_input(slopes[-1], weight)
            slope = slope if noise is None else slope.mul_(noise)
            # what a ReLU gave is positive where it let a number through
            slopes.append(torch.ops.aten.threshold_backward(slope, gate, 0))
        return slopes[::-1]

    def by_input(self, slopes: list[Tensor]) -> Tensor:
        """Return the derivative by the chain's input, from :meth:`by_output`."""
        return _by_input(slopes[0], self.parameters[0][0])

    def by_parameters(self, passed: ChainPass, slopes: list[Tensor]) -> list[Tensor]:
        """Return the derivatives by each layer's weight and bias, in order.

        Parameters
        ----------
        passed : ChainPass
            From :meth:`run`.
        slopes : list of Tensor
            From :meth:`by_output`.
        """
        return [
            found
            for x, slope in zip(passed.inputs, slopes, strict=True)
            for found in (slope.t().mm(x), slope.sum(0))
        ]


def linear_chain(layers: nn.Module) -> LinearChain | None:
    """Return layers as a chain; ``None`` unless they are one.

    Layers that only reshape may stand first and last.
    """
    parts = list(layers) if type(layers) is nn.Sequential else []
    first = parts[0] if parts else None
    if type(first) is nn.Flatten and (first.start_dim, first.end_dim) == (1, -1):
        parts = parts[1:]
    if parts and type(parts[-1]) is nn.Unflatten:
        parts = parts[:-1]
    linear: list[nn.Linear] = []
    dropouts: list[nn.Dropout | None] = []
    while parts:
        layer, *parts = parts
        if type(layer) is not nn.Linear or layer.bias is None:
            return None
        linear.append(layer)
        if not parts:
            return LinearChain(linear, dropouts)
        relu, *parts = parts
        if type(relu) is not nn.ReLU:
            return None
        after = parts[0] if parts else None
        if type(after) is nn.Dropout and not after.inplace:
            dropouts.append(after)
            parts = parts[1:]
        else:
            dropouts.append(None)
    return None


def _by_input(slope: Tensor, weight: Tensor) -> Tensor:
    """Return the derivative by what a layer takes, from that by what it gives."""
    if len(slope) == weight.shape[1] == 1:  # as autograd orders it there
        return weight.t().mm(slope.t())
    return slope.mm(weight)


def _noise(x: Tensor, dropout: nn.Dropout) -> Tensor | None:
    """Return the factors of dropout as torch draws them, on the processor."""
    if not dropout.training or dropout.p == 0:
        return None
    kept = 1 - dropout.p
    if not kept:
        return x.new_zeros(())
    return torch.empty_like(x).bernoulli_(kept).div_(kept)
