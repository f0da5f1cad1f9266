"""Traced chains of layers, and where dropout may move in them."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from skal_deep.modules._dropout import dropout_layers

# f(a x) = a f(x) for a >= 0, channel by channel: dropout may as well come after.
HOMOGENEOUS = (
    nn.Identity,
    nn.ReLU,
    nn.LeakyReLU,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    F.relu,
    torch.relu,
    F.max_pool2d,
    F.avg_pool2d,
    "relu",
)
# f(0) = 0, element by element: what is dropped stays dropped.
_ZERO_AT_ZERO = (nn.Tanh, nn.GELU, nn.SiLU, nn.ELU, torch.tanh, F.gelu, F.silu, "tanh")
FLATTEN = (nn.Flatten, torch.flatten, "flatten")
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
# Numbers of axes with which axis 1 is the features or channels of a layer.
_N_AXES: dict[Any, int] = {
    nn.Linear: 2,
    nn.Dropout: 2,
    nn.Conv1d: 3,
    nn.Dropout1d: 3,
    nn.Conv2d: 4,
    nn.Dropout2d: 4,
}


class Step:
    """One operation of a chain."""

    def __init__(self, node: fx.Node, root: nn.Module):
        self.layer: Any = None
        self.kind: Any = node.target
        self._node = node
        if node.op == "call_module":
            self.layer = root.get_submodule(str(node.target))
            self.kind = type(self.layer)
            if self.kind in _DROPOUT and self.layer.p == 0:
                self.kind = nn.Identity

    @property
    def drops(self) -> bool:
        """Whether it is dropout."""
        return self.kind in _DROPOUT

    @property
    def is_known(self) -> bool:
        """Whether a thinner net can run it."""
        if self.kind in FLATTEN:
            start = getattr(self.layer, "start_dim", self._argument("start_dim"))
            return start == 1 and getattr(self.layer, "end_dim", -1) == -1
        if self.layer is not None and (
            self.layer._forward_hooks or self.layer._forward_pre_hooks
        ):
            return self.drops  # whose hooks are those that apply the masks
        return self.kind in (*HOMOGENEOUS, *_ZERO_AT_ZERO, *WEIGHTED, *_DROPOUT) and (
            getattr(self.layer, "groups", 1) == 1
        )

    def n_axes(self, before: int) -> int:
        """Return the number of axes after it, 0 where axis 1 is not its channels."""
        if self.kind in FLATTEN:
            return min(before, 2)
        wanted = _N_AXES.get(self.kind, before)
        return before if before == wanted else 0

    def __call__(self, x: Tensor) -> Tensor:
        """Run it as it is."""
        node, run = self._node, self.layer
        if node.op == "call_method":
            run = getattr(Tensor, str(node.target))
        elif node.op == "call_function":
            run = node.target
        output: Tensor = run(x, *node.args[1:], **node.kwargs)
        return output

    def _argument(self, name: str) -> Any:
        """Return the second argument."""
        return dict(zip((name,), self._node.args[1:], strict=False)).get(
            name, self._node.kwargs.get(name)
        )


def steps_from_dropout(
    module: nn.Module, nodes: list[fx.Node]
) -> tuple[int, list[Step]]:
    """Return the operations of a module from its first dropout on, which are a chain.

    Parameters
    ----------
    module : nn.Module
        The module.
    nodes : list of fx.Node
        Its trace.

    Returns
    -------
    first : int
        Position of the first dropout in the trace.
    steps : list of Step
        It and what comes after. Each takes what the one before returns, and nothing
        else, row by row.

    Raises
    ------
    ValueError
        If they are no chain, or one of other operations.
    """
    name, layers = type(module).__name__, set(dropout_layers(module))
    ours = [at for at, node in enumerate(nodes) if node.target in layers]
    if {nodes[at].target for at in ours} != layers or not layers:
        raise ValueError(f"{name} has dropout inside of layers.")
    chain = nodes[ours[0] : -1]
    source = chain[0].all_input_nodes[0]
    for node, before in zip([*chain, nodes[-1]], [source, *chain], strict=True):
        if node.all_input_nodes != [before] or node.args[:1] != (before,):
            raise ValueError(f"{name} is no chain after its first dropout.")
    steps = [Step(node, module) for node in chain]
    if not all(step.is_known for step in steps):
        raise ValueError(f"{name} has other layers after its first dropout.")
    return ours[0], steps


def late_dropout(steps: list[Step]) -> list[Step]:
    """Return the steps with dropout after the operations that commute with it."""
    steps = list(steps)
    for at in reversed(range(len(steps) - 1)):
        while steps[at].drops and steps[at + 1].kind in HOMOGENEOUS:
            steps[at], steps[at + 1] = steps[at + 1], steps[at]
            at += 1
    return steps
