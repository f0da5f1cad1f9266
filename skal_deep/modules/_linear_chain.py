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
    def slopes(
        self,
        passed: list[Tensor],
        slope: Tensor,
        *,
        of_input: bool = True,
        of_weights: bool = True,
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Return derivatives of a loss by the chain's input and by its parameters.

        Parameters
        ----------
        passed : list of Tensor
            From :meth:`run`.
        slope : Tensor of shape (N, C)
            Derivative of the loss by what the chain gives.
        of_input : bool, default=True
            Whether to return the derivative by the input.
        of_weights : bool, default=True
            Whether to return those by the parameters.

        Returns
        -------
        by_input : Tensor of shape (N, D)
            ``None`` if not asked for.
        by_parameters : list of Tensor
            In the order of the layers, each weight before its bias.
        """
        by_parameters: list[Tensor] = []
        for at in reversed(range(len(self._layers))):
            if of_weights:
                by_parameters += [slope.sum(0), slope.t().mm(passed[at])]
            if at == 0 and not of_input:
                return None, by_parameters[::-1]
            slope = slope.mm(self._layers[at].weight)
            if at > 0:  # what a ReLU gave is positive where it let a number through
                slope = torch.ops.aten.threshold_backward(slope, passed[at], 0)
        return slope, by_parameters[::-1]
