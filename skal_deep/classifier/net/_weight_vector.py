"""The weights of an optimiser's group as one vector: one update in place of many."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from skal_deep.classifier.net._adam_update import AdamUpdate, adam_update

# Weights begin where a cache line does, as tensors of their own do: products round by
# where their numbers lie.
_ALIGNED = 64
# What holds the numbers of a tensor that nothing else shares: it, and who asks.
_ALONE = 2


def weight_vectors(optimizer: Optimizer) -> "list[WeightVector]":
    """Return the weights of each group as one vector, if they can be one.

    Parameters
    ----------
    optimizer : Optimizer
        One that updates each weight by its own gradients alone, and has not begun.
    """
    groups = optimizer.param_groups
    everything = [p for group in groups for p in group["params"]]
    are_alike = all(
        type(p) is nn.Parameter  # not a lazy one, which has no numbers yet
        and p.is_cpu
        and p.layout == torch.strided
        and p.is_contiguous()
        and p.dtype == torch.float32
        and p.data_ptr() % _ALIGNED == 0
        for p in everything
    )
    is_by_entry = not any(
        group.get(name)
        for group in groups
        for name in ("fused", "foreach", "differentiable")
    )
    # torch's loops disagree on the sign of a zero there, at the ends of tensors
    is_without_mean = any(group.get("betas", (1,))[0] == 0 for group in groups)
    if not (are_alike and is_by_entry) or is_without_mean:
        return []
    # not if weights are parts of one tensor, or a buffer or an attribute is a view
    if any(_n_holders(p) > _ALONE for p in everything):
        return []
    return [WeightVector(optimizer, group) for group in groups if group["params"]]


def _n_holders(weight: Tensor) -> int:
    storage = weight.untyped_storage()
    return int(torch._C._storage_Use_Count(storage._cdata))


class WeightVector:
    """The weights of a group as parts of one vector, which is updated in one go.

    Parameters
    ----------
    optimizer : Optimizer
        It is given the vector in the place of the weights by :meth:`gather`, until
        :meth:`dissolve`.
    group : dict
        The group of its parameters.
    """

    def __init__(self, optimizer: Optimizer, group: dict[str, Any]):
        self._optimizer, self._group, self.given = optimizer, group, group["params"]
        self.weights = [p for p in self.given if p.requires_grad]
        self._are_trained = [p.requires_grad for p in self.given]
        self._parts: list[slice] = []
        start = 0
        for weight in self.weights:
            end = start + weight.numel()
            self._parts.append(slice(start, end))
            start = end + -end % (_ALIGNED // weight.element_size())
        # of the weights' kind, whatever torch's defaults are
        self._vector = torch.zeros(start, dtype=torch.float32, device="cpu")
        self._gradient = torch.zeros_like(self._vector)
        self._gradients: list[Tensor] = []
        for weight, part in zip(self.weights, self._parts, strict=True):
            self._gradients.append(self._gradient[part].view_as(weight.detach()))
        self._places: list[int] = []
        self._update: AdamUpdate | None = None
        self._is_whole = False

    @torch.no_grad()
    def gather(self) -> None:
        """Give the optimiser the vector, of which the weights are then views."""
        if not self.weights:
            return
        self._is_whole = True  # first: what is cut short is dissolved
        for weight, part in zip(self.weights, self._parts, strict=True):
            self._vector[part] = weight.flatten()
            weight.data = self._vector[part].view_as(weight)
        self._places = [weight.data_ptr() for weight in self.weights]
        self._group["params"] = [self._vector]

    def collect(self) -> bool:
        """Bring the gradients together; return whether :meth:`step` may follow."""
        if not self._is_whole:
            return False
        gradients = [weight.grad for weight in self.weights]
        # the optimiser leaves out a weight without gradient
        is_full = all(g is not None and g.layout == torch.strided for g in gradients)
        if not (is_full and self._is_as_built()):
            self.dissolve()
            return False
        torch._foreach_copy_(self._gradients, gradients)
        self._vector.grad = self._gradient
        return self._update is not None

    def step(self) -> None:
        """Make the optimiser's step of this group, where :meth:`collect` allows it."""
        if self._update is not None:
            self._update.step(self._gradient)

    def begin_steps(self) -> None:
        """Let :meth:`step` make the steps to come, if it can."""
        if self._is_whole:
            self._update = adam_update(self._optimizer, self._group, self._vector)

    def end_steps(self) -> None:
        """Let the optimiser make the steps to come."""
        if self._update is not None:
            self._update.finish()
        self._update = None

    def _is_as_built(self) -> bool:
        """Return whether a pass has left its weights in place, and thawed no other."""
        return [p.requires_grad for p in self.given] == self._are_trained and [
            weight.data_ptr() for weight in self.weights
        ] == self._places

    @torch.no_grad()
    def dissolve(self) -> None:
        """Give the weights, and what the optimiser knows of them, back as they were.

        Where it is cut short, it may run again.
        """
        if not self._is_whole:
            return
        self.end_steps()
        states = self._optimizer.state.get(self._vector, {})
        for weight, part in zip(self.weights, self._parts, strict=True):
            weight.data = weight.detach().clone()
            if states:
                self._optimizer.state[weight] = {
                    key: self._part(value, part, weight)
                    for key, value in states.items()
                }
        self._group["params"] = self.given
        self._optimizer.state.pop(self._vector, None)
        self._is_whole = False

    def _part(self, value: Any, part: slice, weight: Tensor) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.shape == self._vector.shape:
            return value[part].view_as(weight).clone()
        return value.clone()
