"""Hidden features of a module, read where they pass by."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from skal_deep.exceptions import CapabilityError
from skal_deep.modules._hooks import as_before
from skal_deep.modules._rng import one_thread_at_a_time

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class TappedFeatures:
    """Hidden features of the latest forward pass of a module.

    Attributes
    ----------
    latest : list of Tensor of shape (N, D)
        One for each tap, in the order in which the layers ran. Features of images and
        sequences are averages over positions.
    """

    def __init__(self) -> None:
        self.latest: list[Tensor] = []

    def start(self, *_: Any) -> None:
        """Forget an earlier pass."""
        self.latest = []

    def keep_input(self, layer: nn.Module, inputs: Any) -> None:
        """Keep what a layer is given."""
        self.latest.append(_pooled(inputs[0], isinstance(layer, _CONVOLUTIONS)))

    def keep_output(self, _layer: nn.Module, _inputs: Any, output: Any) -> None:
        """Keep what a layer returns."""
        self.latest.append(_pooled(output, output.dim() > 3))


def _pooled(features: Tensor, are_channels_second: bool) -> Tensor:
    """Return features (N, D), averaged over positions."""
    if features.dim() < 3:
        return features
    if are_channels_second:
        return features.flatten(2).mean(2)
    return features.flatten(1, -2).mean(1)


@contextmanager
def tapped_features(
    module: nn.Module, taps: list[str] | None
) -> Iterator[TappedFeatures]:
    """Read hidden features in each forward pass that happens inside.

    Parameters
    ----------
    module : nn.Module
        The module whose forward passes are watched.
    taps : list of str or None
        Names of the layers whose outputs are read. ``None`` reads what convolutions
        and linear layers are given, all but those that are given the inputs themselves.
    """
    features = TappedFeatures()
    with one_thread_at_a_time(), as_before(module):
        module.register_forward_pre_hook(features.start)
        if taps is None:
            for layer in _hidden_layers(module):
                layer.register_forward_pre_hook(features.keep_input)
        else:
            named = dict(module.named_modules())
            for name in taps:
                if name not in named:
                    names = ", ".join(other for other in named if other)
                    raise ValueError(f"taps: {name!r} is none of the layers: {names}.")
                named[name].register_forward_hook(features.keep_output)
        yield features


def _hidden_layers(module: nn.Module) -> list[nn.Module]:
    """Return convolutions and linear layers but the first; the only one if it is."""
    kinds = (*_CONVOLUTIONS, nn.Linear)
    layers: list[nn.Module] = [
        part for part in module.modules() if isinstance(part, kinds)
    ]
    if not layers:
        raise CapabilityError(
            f"{type(module).__name__} has no linear layer or convolution to read "
            "hidden features at. Name layers: taps=['...']."
        )
    return layers[1:] or layers
