"""Fitted classifiers that travel from a card to a machine without one."""

import copy
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from skorch import NeuralNet
from torch import Tensor, nn
from torch.serialization import default_restore_location

from skal_deep._devices import has_accelerator


class _OfCard:
    """What lies on a card, which is pickled so that it can be read without one."""

    def __init__(self, value: Any):
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self.value, memo)

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        stored = io.BytesIO()
        torch.save(self.value, stored)
        return _read, (stored.getvalue(),)


def without_card(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a classifier to be pickled.

    Fitted nets of skorch take care of themselves: where the card they were trained on
    is missing, they are read to the processor. So is the rest, such as a posterior.
    """
    if not has_accelerator():
        return state
    return {
        name: value if all(t.is_cpu for t in _tensors(value)) else _OfCard(value)
        for name, value in state.items()
    }


def with_card(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state that was given to :func:`without_card`, if it was not pickled.

    ``copy.copy`` hands it over as it is.
    """
    return {
        name: value.value if isinstance(value, _OfCard) else value
        for name, value in state.items()
    }


def _read(stored: bytes) -> Any:
    file = io.BytesIO(stored)
    return torch.load(file, map_location=_where_it_can_be, weights_only=False)


def _where_it_can_be(storage: Any, location: str) -> Any:
    """Return memory where it was, or on the processor if there is no such place."""
    try:
        return default_restore_location(storage, location)
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError:
        return storage


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of modules, of containers and of what an unfitted net takes."""
    left, seen = [value], set()
    while left:
        part = left.pop()
        if id(part) in seen:  # a container may hold itself
            continue
        seen.add(id(part))
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, nn.Module):
            left += [*part.parameters(), *part.buffers()]
        elif isinstance(part, NeuralNet) and not part.initialized_:
            left += part.get_params(deep=False).values()
        elif isinstance(part, Mapping):
            left += part.values()
        elif isinstance(part, list | tuple):
            left += part
