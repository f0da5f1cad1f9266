"""Forward passes that share what comes before the first dropout."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from skal_deep.modules._dropout import CoupledDropout, dropout_layers
from skal_deep.modules._layout import ChannelsLast


class SharedPrefix:
    """Runs a module once for each draw, and its deterministic part once for all.

    The module is traced; what depends on no dropout layer is computed in the first
    pass and kept. In a net with dropout at its end, a draw costs the last layers only.

    Parameters
    ----------
    module : nn.Module
        A module in eval mode.

    Raises
    ------
    ValueError
        If the module cannot be traced: its flow depends on values. Run it as a whole
        then; the results are the same.
    """

    def __init__(self, module: nn.Module):
        try:
            traced = fx.symbolic_trace(module)
        except Exception as error:  # tracing runs arbitrary code on stand-ins
            raise ValueError(f"{type(module).__name__} cannot be traced.") from error
        called = [n.target for n in traced.graph.nodes if n.op == "call_module"]
        if not all(
            any(f"{name}.".startswith(f"{target}.") for target in called)
            for name in dropout_layers(module)
        ):
            raise ValueError(f"{type(module).__name__} hides dropout from the trace.")
        random: set[fx.Node] = set()
        for node in traced.graph.nodes:
            drops = node.op == "call_module" and bool(
                dropout_layers(traced.get_submodule(node.target))
            )
            if (
                drops
                or node.op == "output"
                or random.intersection(node.all_input_nodes)
            ):
                random.add(node)
        self._random = random
        self._interpreter = fx.Interpreter(traced, garbage_collect_values=False)
        self._run = ChannelsLast(self._pass)

    def draws(self, x: Tensor, masks: CoupledDropout, n_draws: int) -> Iterator[Any]:
        """Yield what the module returns for each draw.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            A mini-batch.
        masks : CoupledDropout
            Holds the masks; its hooks are on the module.
        n_draws : int
            Number of draws.
        """
        kept: dict[fx.Node, Any] = {}
        with torch.no_grad():
            for draw in range(n_draws):
                masks.use(draw)
                yield self._run(x, masks, kept)
                if not kept:
                    kept = {
                        node: value
                        for node, value in self._interpreter.env.items()
                        if node not in self._random
                    }

    def _pass(self, x: Tensor, masks: CoupledDropout, kept: dict[fx.Node, Any]) -> Any:
        """Run what is not kept of a draw."""
        masks.start_pass()
        return self._interpreter.run(x, initial_env=dict(kept))
