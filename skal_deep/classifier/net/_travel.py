"""Fitted classifiers that travel from a card to a machine without one."""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from skal_deep.classifier.net._batches import device_of


class _Stored:
    """What lies on a card, as bytes that are read to where the nets are then."""

    def __init__(self, value: Any):
        stored = io.BytesIO()
        torch.save(value, stored)
        self._bytes = stored.getvalue()

    def read(self, device: torch.device) -> Any:
        stored = io.BytesIO(self._bytes)
        return torch.load(stored, map_location=device, weights_only=False)


def without_card(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a fitted classifier to be pickled.

    Nets of skorch take care of themselves: where the card they were trained on is
    missing, they are read to the processor. So is the rest, such as a posterior.
    """
    return {
        name: value if all(t.is_cpu for t in _tensors(value)) else _Stored(value)
        for name, value in state.items()
    }


def beside_nets(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state that was pickled, with all of it where the nets are."""
    if not any(isinstance(value, _Stored) for value in state.values()):
        return state
    device = device_of(state["nets_"][0])
    return {
        name: value.read(device) if isinstance(value, _Stored) else value
        for name, value in state.items()
    }


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of modules and containers."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
        yield from value.buffers()
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
