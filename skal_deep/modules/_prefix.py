"""Forward passes that share what comes before the first dropout."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from skal_deep.modules._dropout import CoupledDropout, dropout_layers
from skal_deep.modules._hooks import foreign_hooks
from skal_deep.modules._layout import ChannelsLast
from skal_deep.modules._trace import Trace


class SharedPrefix:
    """Runs a module once for each draw, and its deterministic part once for all.

    The module is traced; what depends on no dropout layer is computed in the first
    pass and kept. In a net with dropout at its end, a draw costs the last layers only.
    Where the module changes in place what was kept, its draws are whole passes.

    Parameters
    ----------
    module : nn.Module
        A module in eval mode.

    Raises
    ------
    ValueError
        If the module cannot be traced (its flow depends on values) or if hooks of the
        user's watch it. Run it as a whole then; the results are the same.
    """

    def __init__(self, module: nn.Module):
        name, layers = type(module).__name__, dropout_layers(module)
        if hooks := foreign_hooks(module):
            raise ValueError(f"{name} has hooks that want whole passes: {hooks}.")
        self.trace = Trace(module, set(layers))
        self._module = module
        parts = dict(module.named_modules())
        called = [n.target for n in self.trace.nodes if n.op == "call_module"]
        if not all(
            any(f"{name}.".startswith(f"{target}.") for target in called)
            for name in layers
        ):
            raise ValueError(f"{name} hides dropout from the trace.")
        random: set[fx.Node] = set()
        for node in self.trace.nodes:
            drops = node.op == "call_module" and bool(
                dropout_layers(parts[str(node.target)])
            )
            if (
                drops
                or node.op == "output"
                or random.intersection(node.all_input_nodes)
            ):
                random.add(node)
        self._random = random
        self._is_safe = True
        self._run = ChannelsLast(self._pass)

    @torch.no_grad()  # on only while it runs: Ctrl-C may leave its end to the collector
    def draws(self, x: Tensor, masks: CoupledDropout, n_draws: int) -> Iterator[Any]:
        """Yield what the module returns for each draw.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            A mini-batch; it is not changed.
        masks : CoupledDropout
            Holds the masks; its hooks are on the module.
        n_draws : int
            Number of draws.
        """
        kept: dict[fx.Node, Any] = {}
        owned = x.clone()
        for draw in range(n_draws):
            masks.use(draw)
            if self._is_safe:
                output, kept = self._run(owned, masks, kept)
            if not self._is_safe:  # a draw may have changed what others share
                masks.use(draw)
                output = self._module(x.clone())
            yield output

    def _pass(
        self, x: Tensor, masks: CoupledDropout, kept: dict[fx.Node, Any]
    ) -> tuple[Any, dict[fx.Node, Any]]:
        """Run what is not kept of a draw; return its output and what may be kept.

        Torch counts the changes in place of a tensor. What a draw has read must be
        as it was then when the draw is over: the next one reads it, too.
        """
        masks.start_pass()
        values, read = dict(kept), []
        for node in self.trace.nodes:
            if node in kept:
                continue
            if node in self._random:
                read += [
                    (values[source], _versions(values[source]))
                    for source in node.all_input_nodes
                    if source not in self._random
                ]
            is_input = node.op == "placeholder"
            values[node] = x if is_input else self.trace.run(node, values)
        self._is_safe = all(_versions(value) == before for value, before in read)
        output = values[self.trace.nodes[-1]]
        return output, {n: v for n, v in values.items() if n not in self._random}


def _versions(value: Any) -> list[int]:
    """Return how often the tensors of a value were changed in place."""
    return [
        part._version
        for part in tree_leaves(value)
        if isinstance(part, Tensor) and not part.is_inference()
    ]
