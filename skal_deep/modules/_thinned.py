"""Draws as thinner nets: what a mask drops is not computed."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from skal_deep._threads import for_each_part
from skal_deep.functional._chunks import memory_budget, slices
from skal_deep.modules._chain import (
    FLATTEN,
    WEIGHTED,
    Step,
    late_dropout,
    steps_from_dropout,
)
from skal_deep.modules._dropout import CoupledDropout
from skal_deep.modules._layout import ChannelsLast, channels_last
from skal_deep.modules._prefix import SharedPrefix

# Elements of the weights of all draws of a last layer: 64 MiB in float32.
_MEMORY_BUDGET = 2**24
# Nets with fewer weights after the first dropout are left whole: there is nothing to
# gain, and products of odd sizes round a row by its place among the others.
_MIN_WEIGHTS = 2**10
# Rows times weights times draws of a mini-batch, some milliseconds of work: less takes
# no longer than to wait for threads.
_MUCH = 2**25


class ThinnedDraws:
    """Runs a module for each draw without the units that the draw drops.

    All rows share the masks of a draw, so a draw is a narrower net: a dropped input
    needs no column of the next weights, a dropped output no row. At p = 1/2 a layer
    between two dropout layers costs a quarter. What comes before the first dropout is
    computed once, with the operations after it that commute with it (ReLU, pooling).
    With dropout right before the last layer, all draws are one matrix product.

    On a card many small products take longer than one large one: there, draws are whole
    passes, of all rows of many draws at once.

    Parameters
    ----------
    module : nn.Module
        A module in eval mode. From its first dropout on it is a chain of linear and
        convolutional layers, pooling, usual activations and dropout by unit or channel.
    shared : SharedPrefix, optional
        That of the module, where it is known.

    Raises
    ------
    ValueError
        If the module is something else.
    """

    def __init__(self, module: nn.Module, shared: SharedPrefix | None = None):
        name = type(module).__name__
        # for inputs whose axes are not as thought
        self._shared = SharedPrefix(module) if shared is None else shared
        nodes = self._shared.trace.nodes
        first, steps = steps_from_dropout(module, nodes)
        if steps[-1].kind not in WEIGHTED:
            raise ValueError(f"{name} ends in no layer with weights.")
        weights = (s.layer.weight.numel() for s in steps if s.kind in WEIGHTED)
        self._n_weights = sum(weights)
        if self._n_weights < _MIN_WEIGHTS:
            raise ValueError(f"{name} is too small to be worth it.")
        self._steps = late_dropout(steps)
        at = next(at for at, step in enumerate(self._steps) if step.drops)
        self._once, self._steps = self._steps[:at], self._steps[at:]
        # all before the first dropout, read or not: it may change what is read
        self._before, self._source = nodes[:first], nodes[first].all_input_nodes[0]
        self._prefix = ChannelsLast(self._run_before)

    @torch.no_grad()  # on only while it runs: Ctrl-C may leave its end to the collector
    def draws(self, x: Tensor, masks: CoupledDropout, n_draws: int) -> Iterator[Any]:
        """Yield what the module returns for each draw.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            A mini-batch; it is not changed.
        masks : CoupledDropout
            Holds the masks.
        n_draws : int
            Number of draws.
        """
        source = channels_last(self._prefix(x.clone()))
        if not self._fits(source.ndim):
            yield from self._shared.draws(x, masks, n_draws)
            return
        for step in self._once:
            source = step(source)
        source = source.contiguous()  # draws select channels
        if len(self._steps) == 2 and self._steps[1].kind is nn.Linear:
            yield from self._heads(source, masks, n_draws)
            return
        if _folds(source):
            yield from self._folded(source, masks, n_draws)
            return
        yield from self._passes(source, masks, n_draws)

    def _passes(
        self, source: Tensor, masks: CoupledDropout, n_draws: int
    ) -> Iterator[Tensor]:
        """Yield the outputs of thin passes, which threads share if they are long."""
        is_short = len(source) * self._n_weights * n_draws < _MUCH
        # autocast is this thread's alone
        if is_short or torch.is_autocast_enabled(source.device.type):
            for draw in range(n_draws):
                yield self._thin_pass(source, masks.of(draw))
            return
        outputs: dict[int, Tensor] = {}

        def work_on(draw: int) -> None:
            outputs[draw] = self._thin_pass(source, masks.of(draw))

        for_each_part(range(n_draws), lambda: work_on, source.device)
        yield from (outputs[draw] for draw in range(n_draws))

    def _folded(
        self, source: Tensor, masks: CoupledDropout, n_draws: int
    ) -> Iterator[Tensor]:
        """Yield the outputs of draws, whose rows go through the chain together."""
        # as many draws as keep what goes in and what comes out of a layer small
        size = max(1, memory_budget(source.device) // (8 * max(1, source.numel())))
        for draws in slices(n_draws, size):
            x, n_together = source, draws.stop - draws.start
            calls: Counter[str] = Counter()
            for step in self._steps:
                if step.drops:
                    kept = []
                    for draw in range(draws.start, draws.stop):
                        masks.use(draw, calls)
                        kept.append(masks.mask(step.layer, x))
                    calls[masks.name(step.layer)] += 1
                    mask = torch.stack(kept) * _scale(step.layer)
                    x_SN = x[None] if x is source else x.unflatten(0, (n_together, -1))
                    x = (x_SN * mask).flatten(0, 1)
                elif step.kind in WEIGHTED:
                    x = _apply(step.layer, x, step.layer.weight, step.layer.bias)
                else:
                    x = step(x)
            yield from x.unflatten(0, (n_together, -1)).unbind(0)

    def _run_before(self, x: Tensor) -> Tensor:
        """Run what comes before the first dropout."""
        values: dict[fx.Node, Any] = {}
        for node in self._before:
            is_input = node.op == "placeholder"
            values[node] = x if is_input else self._shared.trace.run(node, values)
        output: Tensor = values[self._source]
        return output

    def _fits(self, n_axes: int) -> bool:
        """Whether axis 1 is the channels of every layer, if the first has so many."""
        for step in (*self._once, *self._steps):
            n_axes = step.n_axes(n_axes)
        return n_axes > 0

    def _thin_pass(self, x: Tensor, masks: CoupledDropout) -> Tensor:
        """Run one draw; x holds the ``live`` of its channels, ``None`` is all.

        What is kept is scaled in the next weights, if they follow at once.
        """
        live: Tensor | None = None
        n_channels = x.shape[1]
        thinned: float | None = None  # scale of the next dropout, if x is thinned
        scale = 1.0
        for at, step in enumerate(self._steps):
            if step.drops:
                if thinned is None:
                    kept = _mask(masks, step.layer, x, n_channels)
                    at_kept, thinned = _live(kept if live is None else kept[live], step)
                    live = at_kept if live is None else live[at_kept]
                    x = x.index_select(1, at_kept)
                scale, thinned = scale * thinned, None
            elif step.kind in WEIGHTED:
                weight, bias = step.layer.weight, step.layer.bias
                n_channels = len(weight)
                seen, live = live, None
                if (dropout := self._dropout_after(at)) is not None:
                    kept = _mask(masks, dropout.layer, x, n_channels)
                    live, thinned = _live(kept, dropout)
                    weight = weight.index_select(0, live)
                    bias = None if bias is None else bias.index_select(0, live)
                if seen is not None:
                    weight = weight.index_select(1, seen)
                weight = weight * scale if scale != 1 else weight
                x, scale = _apply(step.layer, x, weight, bias), 1.0
            elif step.kind in FLATTEN:
                n_places = math.prod(x.shape[2:])
                n_channels *= n_places
                if live is not None:
                    place = torch.arange(n_places, device=x.device)
                    live = (live[:, None] * n_places + place).flatten()
                x = x.flatten(1)
            else:
                x, scale = step(x * scale if scale != 1 else x), 1.0
        return x

    def _dropout_after(self, at: int) -> Step | None:
        """Return the dropout that drops channels of a layer's output, if one does."""
        for step in self._steps[at + 1 :]:
            if step.drops:
                return step
            if step.kind in (*FLATTEN, *WEIGHTED):
                break
        return None

    def _heads(
        self, source: Tensor, masks: CoupledDropout, n_draws: int
    ) -> Iterator[Tensor]:
        """Yield the outputs of a last layer, many draws by one matrix product."""
        dropout, last = (step.layer for step in self._steps)
        size = max(1, _MEMORY_BUDGET // last.weight.numel())
        for start in range(0, n_draws, size):
            kept = []
            for draw in range(start, min(start + size, n_draws)):
                masks.use(draw)
                kept.append(masks.mask(dropout, source[:1]) * _scale(dropout))
            weight = (torch.stack(kept) * last.weight).flatten(0, 1)
            output = (source @ weight.T).unflatten(1, (len(kept), -1))
            if last.bias is not None:  # which under autocast is of another precision
                output += last.bias.to(output.dtype)
            yield from output.unbind(1)


def draw_passes(module: nn.Module) -> ThinnedDraws | SharedPrefix:
    """Return the fastest way to run a module once for each draw.

    Parameters
    ----------
    module : nn.Module
        A module in eval mode.

    Returns
    -------
    passes : ThinnedDraws or SharedPrefix
        Both yield the module's outputs by ``draws``.

    Raises
    ------
    ValueError
        If the module cannot be traced. Run it as a whole then.
    """
    shared = SharedPrefix(module)
    try:
        return ThinnedDraws(module, shared)
    except ValueError:
        return shared


def _folds(source: Tensor) -> bool:
    """Return whether rows of all draws at once take less than thin passes."""
    return not source.is_cpu


def _scale(dropout: Any) -> float:
    """Return what kept units are multiplied by."""
    return 1 / (1 - dropout.p) if dropout.p < 1 else 0.0


def _mask(masks: CoupledDropout, dropout: Any, x: Tensor, n_channels: int) -> Tensor:
    """Return which channels are kept, of shape (n_channels,)."""
    shape = [1, n_channels] + [1] * (x.ndim - 2)
    return masks.mask(dropout, x.new_empty(shape)).flatten()


def _live(kept: Tensor, dropout: Step) -> tuple[Tensor, float]:
    """Return the positions that are kept and what they are multiplied by."""
    live = kept.nonzero()[:, 0]
    if len(live):
        return live, _scale(dropout.layer)
    return live.new_zeros(1), 0.0  # nothing is kept: a channel of zeros stands in


def _apply(layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return a layer's output for given weights."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight, bias)
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous(memory_format=torch.channels_last)
    output: Tensor = layer._conv_forward(x, weight, bias)
    return output
