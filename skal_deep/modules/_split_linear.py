"""A linear layer of several heads."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from skal_deep._put_back import put_back
from skal_deep.modules._rng import one_thread_at_a_time


class SplitLinear(nn.Linear):
    """Several linear heads side by side, each with its own initial weights.

    In training the answers of the heads are stacked as rows: row n of the input has
    the rows ``n * n_heads ... (n + 1) * n_heads - 1`` of the output, so that whatever
    treats rows one by one may follow. In eval mode the layer is the mean of its
    heads, which is one linear layer; :func:`heads_apart` stacks them there, too.

    Parameters
    ----------
    in_features : int
        Size of the input.
    head_features : int
        Size of the output of one head.
    n_heads : int
        Number of heads.
    bias : bool, default=True
        Whether heads have a bias.
    **factory : dict
        ``device`` and ``dtype`` of the weights.
    """

    def __init__(
        self,
        in_features: int,
        head_features: int,
        n_heads: int,
        bias: bool = True,
        **factory: Any,
    ):
        super().__init__(in_features, n_heads * head_features, bias, **factory)
        self.n_heads = n_heads
        self.apart = False

    def forward(self, input: Tensor) -> Tensor:
        """Return (N * n_heads, ...) where heads are apart, else (N, ...)."""
        if self.training or self.apart:
            output: Tensor = super().forward(input)
            heads: Tensor = output.unflatten(-1, (self.n_heads, -1))
            return heads.movedim(-2, 1).flatten(0, 1)
        weight = self.weight.unflatten(0, (self.n_heads, -1)).mean(0)
        bias = self.bias
        if bias is not None:
            bias = bias.unflatten(0, (self.n_heads, -1)).mean(0)
        return F.linear(input, weight, bias)


@contextmanager
def heads_apart(module: nn.Module) -> Iterator[None]:
    """Let the heads of a module in eval mode answer one by one, for a while.

    Other threads wait, which may want the mean of the heads.
    """
    layers = [part for part in module.modules() if isinstance(part, SplitLinear)]

    def together() -> None:
        for layer in layers:
            layer.apart = False

    with one_thread_at_a_time(), put_back(together):
        for layer in layers:
            layer.apart = True
        yield


def split_linear(module: nn.Module, name: str, n_heads: int) -> nn.Module:
    """Return the module with one of its linear layers replaced by several heads.

    Parameters
    ----------
    module : nn.Module
        It is changed, unless it is the layer itself.
    name : str
        Name of the layer in the module.
    n_heads : int
        Number of heads. Their initial weights are drawn from torch's generator.
    """
    layer: Any = module.get_submodule(name)
    heads = SplitLinear(
        layer.in_features,
        layer.out_features,
        n_heads,
        layer.bias is not None,
        device=layer.weight.device,
        dtype=layer.weight.dtype,
    )
    if not name:
        return heads
    parent, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(parent), attribute, heads)
    return module


def one_head(module: nn.Module, head: int) -> nn.Module:
    """Return a module with one of the heads alone, on the same trunk.

    Parameters
    ----------
    module : nn.Module
        A module of several heads. It is not changed; its weights are shared.
    head : int
        Which of them.
    """
    tensors = chain(module.parameters(), module.buffers())
    memo: dict[int, Any] = {id(tensor): tensor for tensor in tensors}
    for layer in module.modules():
        if isinstance(layer, SplitLinear):
            weight, bias = layer.weight, layer.bias
            alone = nn.Linear(1, 1, bias is not None, device="meta", dtype=weight.dtype)
            alone.in_features = layer.in_features
            alone.out_features = layer.out_features // layer.n_heads
            heads = weight.detach().unflatten(0, (layer.n_heads, -1))
            alone.weight = nn.Parameter(heads[head], weight.requires_grad)
            if bias is not None:
                biases = bias.detach().unflatten(0, (layer.n_heads, -1))
                alone.bias = nn.Parameter(biases[head], bias.requires_grad)
            memo[id(layer)] = alone.train(layer.training)
    return copy.deepcopy(module, memo)
