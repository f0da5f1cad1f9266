"""Adam's steps of one vector: the numbers of torch's own, and less beside them."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

_FLAGS = ("amsgrad", "capturable", "differentiable", "foreach", "fused", "maximize")


def adam_update(
    optimizer: Optimizer, group: dict[str, Any], vector: Tensor
) -> "AdamUpdate | None":
    """Return the next steps of a vector; ``None`` if torch is to make them.

    Parameters
    ----------
    optimizer : Optimizer
        It has made a step, and makes no other while these are made.
    group : dict
        The group that has the vector as its only parameter.
    vector : Tensor of shape (n,)
        On the CPU.
    """
    kind: Any = type(optimizer)
    is_plain = (
        kind in (Adam, AdamW)
        and not any(group.get(name) for name in _FLAGS)
        and not any(isinstance(group[name], Tensor) for name in ("lr", "weight_decay"))
        and not any(isinstance(beta, Tensor) for beta in group["betas"])
        and "exp_avg" in optimizer.state.get(vector, {})
    )
    if not (is_plain and _rounds_as_torch(kind)):
        return None
    return AdamUpdate(optimizer, group, vector)


class AdamUpdate:
    """Steps of one vector as torch's Adam or AdamW makes them, operation by operation.

    Parameters
    ----------
    optimizer : Optimizer
        Its state is what the steps change.
    group : dict
        The settings, which are read at each step.
    vector : Tensor of shape (n,)
        What is updated.
    """

    def __init__(self, optimizer: Optimizer, group: dict[str, Any], vector: Tensor):
        self._group, self._vector = group, vector
        self._state = optimizer.state[vector]
        self._n_steps = self._state["step"].item()
        self._is_decoupled = type(optimizer) is AdamW  # unless the group says otherwise
        self._scratch = torch.empty_like(vector)

    def step(self, gradient: Tensor) -> None:
        """Make a step down a gradient of shape (n,), which is not kept."""
        group, vector, scratch = self._group, self._vector, self._scratch
        mean, square = self._state["exp_avg"], self._state["exp_avg_sq"]
        (beta1, beta2), lr = group["betas"], group["lr"]
        self._n_steps += 1
        if decay := group["weight_decay"]:
            if group.get("decoupled_weight_decay", self._is_decoupled):
                vector.mul_(1 - lr * decay)
            else:
                gradient = gradient.add(vector, alpha=decay)
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        torch.sqrt(square, out=scratch)
        scratch.div_((1 - beta2**self._n_steps) ** 0.5).add_(group["eps"])
        vector.addcdiv_(mean, scratch, value=-(lr / (1 - beta1**self._n_steps)))

    def finish(self) -> None:
        """Write the number of steps, which nobody reads meanwhile, into the state."""
        self._state["step"].fill_(self._n_steps)


@cache
def _rounds_as_torch(kind: Any) -> bool:
    """Return whether the installed torch orders the operations of Adam as here.

    Another version may compute the same otherwise, and round otherwise.
    """
    numbers = np.random.default_rng(0).standard_normal((4, 83), dtype=np.float32)
    start, *gradients = torch.from_numpy(numbers)  # 83: vectors of numbers, and a rest
    ends = []
    for is_torchs in (True, False):
        vector, update = start.clone(), None
        optimizer = kind([vector], lr=0.01, weight_decay=0.1)
        for gradient in gradients:
            if update is None or is_torchs:
                vector.grad = gradient.clone()
                optimizer.step()
                update = AdamUpdate(optimizer, optimizer.param_groups[0], vector)
            else:
                update.step(gradient)
        ends.append(vector)
    return torch.equal(*ends)
