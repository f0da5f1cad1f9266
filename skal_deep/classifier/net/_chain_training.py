"""Ordinary nets that are chains of layers, trained without autograd's graph."""

import torch
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from skal_deep.classifier.net._answers import predicts_by_skorch
from skal_deep.modules import MLP
from skal_deep.modules._linear_chain import ChainPass, LinearChain, linear_chain

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


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
    module, criterion = net.module_, net.criterion_
    layers = module.layers if type(module) is MLP else module
    chain = linear_chain(layers)
    is_plain = (
        chain is not None
        and predicts_by_skorch(net)
        and type(layers[-1]) is nn.Linear
        # one that others have written may look at the module's weights
        and type(criterion).__module__ == "torch.nn.modules.loss"
        and not any(_is_watched(part) for part in (*module.modules(), criterion))
        and not any(getattr(torch_module, f"_global{name}") for name in _HOOKS)
    )
    if chain is None or not is_plain:
        return None
    weights = [part for pair in chain.parameters for part in pair]
    are_trained = {id(part) for part in weights} == {id(part) for part in trained}
    are_free = all(
        part.requires_grad
        and part._backward_hooks is None
        and part._post_accumulate_grad_hooks is None
        for part in weights
    )
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
            and not torch.is_autocast_enabled("cpu")
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


def _is_watched(part: nn.Module) -> bool:
    """Return whether something but its class decides what a module does."""
    return (
        any(getattr(part, name) for name in _HOOKS)
        or "forward" in vars(part)
        or part._compiled_call_impl is not None
    )
