"""Draws of a fitted skorch net under coupled dropout masks."""

import copy
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from skorch import NeuralNet
from skorch.dataset import unpack_data
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils._pytree import tree_map, tree_map_only

from skal_deep._devices import computable
from skal_deep.classifier.net._answers import (
    evaluation_step,
    first_output,
    predicts_by_skorch,
)
from skal_deep.classifier.net._batches import batches
from skal_deep.classifier.net._compiled import eager_net
from skal_deep.classifier.net._output import as_float, check_net_proba, to_proba
from skal_deep.classifier.net._plain_chain import plain_layers
from skal_deep.classifier.net._precision import chosen_precision
from skal_deep.modules import coupled_dropout, eval_mode, isolated_rng
from skal_deep.modules._dropout import CoupledDropout
from skal_deep.modules._hidden import parts_that_may_hide, random_pass
from skal_deep.modules._thinned import draw_passes

# Rows of a first mini-batch on which fast passes are compared with whole ones.
_N_COMPARED_ROWS = 4


def dropout_proba(net: NeuralNet, X: Any, n_samples: int, seed: int) -> Tensor:
    """Return class probabilities under coupled dropout masks, of shape (S, N, C)."""
    proba_SNC = _draws(net, X, n_samples, seed, to_proba(net))
    return check_net_proba(net, proba_SNC, n_axes=3)


def dropout_output(net: NeuralNet, X: Any, n_samples: int, seed: int) -> Tensor:
    """Return outputs under coupled dropout masks, of shape (S, N, ...)."""
    return _draws(net, X, n_samples, seed, as_float)


def _draws(
    net: NeuralNet,
    X: Any,
    n_samples: int,
    seed: int,
    answer: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return what answers make of outputs under coupled dropout masks.

    Each mini-batch is run through all draws before the next one is loaded.
    """
    net = eager_net(net)
    with isolated_rng(), chosen_precision(net):
        data = batches(net, X)
        first = next(data)
        is_plain = plain_layers(net) is not None
        attention = [] if is_plain else attention_parts(net, [first_rows(first, 2)])
        with coupled_dropout(net.module_, seed, attention) as masks:
            run = _draws_of_batch(
                net, masks, n_samples, None if is_plain else first, bool(attention)
            )
            chunks = [
                _answers([first_output(output) for output in run(batch)], answer)
                for batch in chain([first], data)
            ]
    return torch.cat(chunks, dim=1)


def _answers(outputs: list[Tensor], answer: Callable[[Tensor], Tensor]) -> Tensor:
    """Return answers to the rows of all draws at once, of shape (S, N, ...)."""
    shape = len(outputs), len(outputs[0])
    rows = computable(torch.stack(outputs).flatten(0, 1))
    return answer(rows).unflatten(0, shape)


def first_rows(batch: Any, n: int) -> Any:
    """Return the first rows of a mini-batch as the loader made it."""
    return tree_map_only(Tensor, lambda part: part[:n].clone(), batch)


def attention_parts(net: NeuralNet, data: list[Any]) -> list[str]:
    """Name the parts of a module that drop attention by a function."""
    parts = parts_that_may_hide(net.module_)
    try:
        seen = random_pass(net.module_, lambda: run_whole(net, data), parts)[0]
    except Exception:  # whatever train mode asks of a module; it was said at fit
        return []
    return list(dict.fromkeys(s.part for s in seen.sites if s.of_attention))


def _copied(batch: Any) -> Any:
    """Return a mini-batch of its own; a forward may change its input in place."""
    return tree_map(
        lambda part: part.clone() if isinstance(part, Tensor) else copy.deepcopy(part),
        batch,
    )


def run_whole(net: NeuralNet, data: list[Any]) -> Tensor:
    """Return what the module returns for mini-batches, which are not changed."""
    step = evaluation_step(net)
    return torch.cat([first_output(step(_copied(batch))) for batch in data])


def whole_draws(
    net: NeuralNet,
    data: list[Any],
    attention: list[str],
    n_draws: int = 2,
    only: str | None = None,
) -> tuple[Tensor, set[str]]:
    """Return draws (S, N, ...) of the output by whole passes, and the sites that ran.

    ``only`` names the one site that drops.
    """
    draws = []
    with coupled_dropout(net.module_, 0, attention) as masks, torch.no_grad():
        masks.drop_only(only)
        for draw in range(n_draws):
            masks.use(draw)
            draws.append(run_whole(net, data))
    return torch.stack(draws), masks.used


def draws_apart(
    net: NeuralNet, apart: list[list[Any]], attention: list[str], n_draws: int = 2
) -> list[Tensor]:
    """Return the draws of :func:`whole_draws` for each of several lists of batches.

    The module is prepared once for all of them.
    """
    draws = []
    with coupled_dropout(net.module_, 0, attention) as masks, torch.no_grad():
        for data in apart:
            masks.forget()  # their shapes are those of other rows
            parts = []
            for draw in range(n_draws):
                masks.use(draw)
                parts.append(run_whole(net, data))
            draws.append(torch.stack(parts))
    return draws


def whole_prediction(net: NeuralNet, data: list[Any]) -> Tensor:
    """Return what the module returns without dropout."""
    with eval_mode(net.module_), torch.no_grad():
        return run_whole(net, data)


def _draws_of_batch(
    net: NeuralNet, masks: CoupledDropout, n_samples: int, first: Any, is_hidden: bool
) -> Callable[[Any], Iterator[Any]]:
    """Return a function that yields the module's output of each draw for a batch.

    What a draw shares with others or drops is not computed again, where the module
    can be traced, the net predicts in skorch's own way, and a few rows of the first
    mini-batch get the same from both ways; ``None`` of it are not asked, for a plain
    chain. ``is_hidden`` says that functions drop.
    """
    step = evaluation_step(net)

    def whole(batch: Any, n_draws: int = n_samples) -> Iterator[Any]:
        for draw in range(n_draws):
            masks.use(draw)
            yield step(_copied(batch))

    if is_hidden or not predicts_by_skorch(net):
        return whole
    try:
        passes = draw_passes(net.module_)
    except ValueError:
        return whole

    def split(batch: Any, n_draws: int = n_samples) -> Iterator[Any]:
        x = to_tensor(unpack_data(batch)[0], device=net.device)
        if not isinstance(x, Tensor):
            return whole(batch, n_draws)
        return passes.draws(x, masks, n_draws)

    for n_rows in () if first is None else (1, _N_COMPARED_ROWS):
        rows = first_rows(first, n_rows)
        agree = _agree(list(split(rows, 2)), list(whole(rows, 2)))
        masks.forget()  # their shapes are those of these rows
        if not agree:
            warnings.warn(
                f"The draws of {type(net.module_).__name__} are computed one by one, "
                "which takes longer: what its draws share cannot be kept from one to "
                "the next. Does its `forward` change tensors or state in place?",
                stacklevel=4,
            )
            return whole
    return split


def _agree(outputs: list[Any], expected: list[Any]) -> bool:
    """Return whether two ways to compute draws differ by no more than round-off."""
    for output, other in zip(
        map(first_output, outputs), map(first_output, expected), strict=True
    ):
        # numbers of another kind: a forward with autocast is more than its parts
        if output.shape != other.shape or output.dtype != other.dtype:
            return False
        if not other.numel():
            continue
        # half of the digits: round-off of a deep net is some of the last ones
        share = torch.finfo(other.dtype).eps ** 0.5
        bound = share * float(other.abs().nan_to_num(posinf=0).max())
        if not torch.allclose(output, other, share, bound, equal_nan=True):
            return False
    return True
