"""Ordinary nets that are chains of layers, trained without autograd's graph."""

import torch
from skorch import NeuralNet
from torch import Tensor, nn

from skal_deep.classifier.net._plain_chain import plain_layers
from skal_deep.classifier.net._watched import has_gradient_hooks, is_watched
from skal_deep.modules._linear_chain import ChainPass, LinearChain, linear_chain


def chain_training(
    net: NeuralNet, trained: list[nn.Parameter]
) -> "ChainTraining | None":
    """Return the passes of a net that is a chain; ``None`` if autograd makes them.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net whose steps, pass and loss are skorch's own.
    trained : list of nn.Parameter
        The weights that its optimiser has, on the processor in float32.
    """
    layers, criterion = plain_layers(net), net.criterion_
    chain = None if layers is None else linear_chain(layers)
    if (
        layers is None
        or chain is None
        # one that others have written may look at the module's weights
        or type(criterion).__module__ != "torch.nn.modules.loss"
        or is_watched(criterion)
    ):
        return None
    weights = [part for pair in chain.parameters for part in pair]
    are_trained = {id(part) for part in weights} == {id(part) for part in trained}
    are_free = all(p.requires_grad and not has_gradient_hooks(p) for p in weights)
    if not (are_trained and are_free and len(weights) == len(trained)):
        return None
    return ChainTraining(chain, weights, type(layers[0]) is nn.Flatten)


class ChainTraining:
    """Passes and gradients of a chain in training, in the numbers of autograd.

    Parameters
    ----------
    chain : LinearChain
        The layers.
    weights : list of Tensor
        Their weights and biases, in order.
    flattens : bool
        Whether rows may have any shape.
    """

    def __init__(self, chain: LinearChain, weights: list[Tensor], flattens: bool):
        self._chain, self._weights, self._flattens = chain, weights, flattens

    def takes(self, x: object) -> bool:
        """Return whether inputs are rows of numbers as the chain knows them."""
        return (
            type(x) is Tensor
            and x.is_cpu
            and x.dtype == torch.float32
            and x.layout == torch.strided
            and (x.ndim == 2 or (self._flattens and x.ndim > 2))
            and len(x) > 0
            and not torch.is_anomaly_enabled()
        )

    @torch.no_grad()
    def run(self, x: Tensor) -> ChainPass:
        """Return a pass whose output waits for the derivative of a loss."""
        passed = self._chain.run(x.flatten(1))
        passed.output.requires_grad_()
        return passed

    @torch.no_grad()
    def set_gradients(self, passed: ChainPass, loss: Tensor) -> None:
        """Give each weight its derivative of the loss."""
        [slope] = torch.autograd.grad(loss, [passed.output])
        slopes = self._chain.by_output(passed, slope)
        gradients = self._chain.by_parameters(passed, slopes)
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
