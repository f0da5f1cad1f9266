"""The slopes of a net: how its outputs change with its inputs."""

import copy
from typing import Any

import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import unpack_data
from torch import Tensor, nn

from skal_deep._devices import for_scores
from skal_deep.classifier.net._answers import embedding_layers
from skal_deep.classifier.net._batches import batches, device_of
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.features import sketched_outer
from skal_deep.modules import isolated_rng


def net_jacobian(
    net: NeuralNet,
    X: NDArray[Any],
    n_features: int,
    seed: int,
    layer: str | None = None,
) -> Tensor:
    """Return the derivative of the last layer's output by the input, row by row.

    Parameters
    ----------
    net : skorch.NeuralNet
        A fitted net.
    X : ndarray of shape (N, ...)
        Inputs of d numbers a row.
    n_features : int
        Longest features that are wanted; longer derivatives are sketched.
    seed : int
        Seed of the sketch; equal seeds sketch alike.
    layer : str, optional
        Name of the layer whose C outputs are derived; ``None`` is the linear layer
        that runs last. Outputs before a softmax are piecewise linear, if the net is.

    Returns
    -------
    features : Tensor of shape (N, C * d or n_features)
        Derivatives, or sketches of them, in float32. They are computed in float64 and
        rounded, so that rows with equal derivatives get equal features.
    """
    parts = []
    with isolated_rng(), torch.enable_grad():
        # A copy, because double() would change the user's module in place; made in here
        # because another thread's draws may be in the module outside.
        place, module = for_scores(device_of(net)), copy.deepcopy(net.module_).eval()
        module = module.to(place).double().requires_grad_(False)
        outputs = _keep_last_output(module, layer)
        for batch in batches(net, X):
            x = unpack_data(batch)[0]
            if not isinstance(x, Tensor) or not x.is_floating_point():
                raise CapabilityError(
                    "The slopes of a net need inputs of one floating-point tensor; "
                    f"the data set of {type(net).__name__} gives others."
                )
            x = x.to(place).double().requires_grad_()
            module(x)
            parts.append(_features(outputs.pop().flatten(1), x, n_features, seed))
    return torch.cat(parts).float()


def _features(output_NC: Tensor, x: Tensor, n_features: int, seed: int) -> Tensor:
    """Return derivatives class by class, side by side or summed in a sketch."""
    n_classes = output_NC.shape[1]
    slopes = (
        torch.autograd.grad(column_N.sum(), x, retain_graph=True)[0].flatten(1)
        for column_N in output_NC.T
    )
    if n_classes * x[0].numel() <= n_features:
        return torch.cat(list(slopes), dim=1)
    features_NP = x.new_zeros(len(x), n_features)
    for unit_C, slope_ND in zip(torch.eye(n_classes).to(x), slopes, strict=True):
        # The same hash functions for each class: then the sum of the sketches is the
        # sketch of the whole derivative.
        generator = torch.Generator().manual_seed(seed)
        unit_NC = unit_C.expand(len(x), n_classes)
        features_NP += sketched_outer([(unit_NC, slope_ND)], n_features, generator)
    return features_NP


def _keep_last_output(module: nn.Module, layer: str | None) -> list[Tensor]:
    """Keep the output of the layer that runs last, of those an embedding enters.

    The hooks stay: the module is a copy that nobody else has.
    """
    last: list[Tensor] = []

    def keep(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        last[:] = [output]

    def finish(*_: Any) -> None:
        if not last:
            raise CapabilityError(f"No linear layer ran in {type(module).__name__}.")

    for part in embedding_layers(module, layer):
        part.register_forward_hook(keep)
    module.register_forward_hook(finish)
    return last
