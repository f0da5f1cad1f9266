"""Chains of linear layers and ReLUs: passes and gradients without autograd's graph."""

import torch
from torch import Tensor, nn


def linear_chain(layers: nn.Module) -> "LinearChain | None":
    """Return layers as a chain; ``None`` unless they are linear ones, ReLUs between.

    Layers that only reshape may stand first and last.
    """
    parts = list(layers.children()) if type(layers) is nn.Sequential else []
    if parts and type(parts[0]) is nn.Flatten:
        parts = parts[1:]
    if parts and type(parts[-1]) is nn.Unflatten:
        parts = parts[:-1]
    kinds = [nn.ReLU if at % 2 else nn.Linear for at in range(len(parts))]
    linear = [part for part in parts[::2] if isinstance(part, nn.Linear)]
    are_known = [type(part) for part in parts] == kinds
    if not (are_known and len(parts) % 2 and all(p.bias is not None for p in linear)):
        return None
    return LinearChain(linear)


class LinearChain:
    """A chain of linear layers with a ReLU between each two.

    A pass through a small net takes less time than autograd takes to note it. The
    numbers are those of autograd, operation by operation. Hooks are not called.

    Parameters
    ----------
    layers : list of nn.Linear
        Layers with biases. Their weights may change between calls.
    """

    def __init__(self, layers: list[nn.Linear]):
        self._layers = layers

    @torch.no_grad()
    def run(self, x: Tensor) -> list[Tensor]:
        """Return what each layer gets of rows (N, D), and last what the chain gives."""
        passed = [x]
        for layer in self._layers:
            out = torch.addmm(layer.bias, passed[-1], layer.weight.t())
            passed.append(out if layer is self._layers[-1] else out.relu_())
        return passed

    @torch.no_grad()
    def by_output(self, passed: list[Tensor], slope: Tensor) -> list[Tensor]:
        """Return the derivatives of a loss by what each layer gives, before its ReLU.

        Parameters
        ----------
        passed : list of Tensor
            From :meth:`run`.
        slope : Tensor of shape (N, C)
            Derivative of the loss by what the chain gives.
        """
        slopes = [slope]
        for layer, x in zip(self._layers[:0:-1], passed[-2:0:-1], strict=True):
            slope = slopes[-1].mm(layer.weight)
            # what a ReLU gave is positive where it let a number through
            slopes.append(torch.ops.aten.threshold_backward(slope, x, 0))
        return slopes[::-1]

    @torch.no_grad()
    def by_input(self, slopes: list[Tensor]) -> Tensor:
        """Return the derivative by the chain's input, from :meth:`by_output`."""
        return slopes[0].mm(self._layers[0].weight)

    @torch.no_grad()
    def by_parameters(self, passed: list[Tensor], slopes: list[Tensor]) -> list[Tensor]:
        """Return the derivatives by each layer's weight and bias, in order.

        Parameters
        ----------
        passed : list of Tensor
            From :meth:`run`.
        slopes : list of Tensor
            From :meth:`by_output`.
        """
        return [
            found
            for x, slope in zip(passed[:-1], slopes, strict=True)
            for found in (slope.t().mm(x), slope.sum(0))
        ]
