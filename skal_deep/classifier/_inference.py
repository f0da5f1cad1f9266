"""What a fitted skorch net answers: probabilities, coupled draws, embeddings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import unpack_data
from skorch.utils import to_tensor
from torch import Tensor, nn

from skal_deep.classifier._batches import as_input, batches
from skal_deep.classifier._capabilities import CapabilityError
from skal_deep.classifier._output import as_float, check_net_proba, to_proba
from skal_deep.modules import (
    ChannelsLast,
    CoupledDropout,
    FunctionalDropout,
    batch_norms,
    convolves,
    coupled_dropout,
    draw_passes,
    dropout_layers,
    eval_mode,
    isolated_rng,
    refresh_batch_norm,
    unreachable_dropout,
)

# The largest number of draws that are looked at before a posterior is called dead:
# with p = 0.01 and ten units, 64 draws are all alike once in 600.
_N_PROBE_DRAWS = 64


def first_output(output: Any) -> Tensor:
    """Return the first output of a module that may return several."""
    return output[0] if isinstance(output, tuple) else output


def module_output(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return what the module returns in eval mode, of shape (N, ...)."""
    return as_float(_own_output(net, X))


def _own_output(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return what the module returns in the numbers that it computes in."""
    step = _evaluation_step(net)
    with isolated_rng(), eval_mode(net.module_):
        return torch.cat([first_output(step(batch)) for batch in batches(net, X)])


def _evaluation_step(net: NeuralNet) -> Callable[[Any], Any]:
    """Return the net's step of a mini-batch, for images by channels_last."""
    if not (_predicts_by_skorch(net) and convolves(net.module_)):
        return net.evaluation_step
    quick = ChannelsLast(lambda x, y: net.evaluation_step((x, y)))

    def step(batch: Any) -> Any:
        x, y = unpack_data(batch)
        return quick(x, y) if isinstance(x, Tensor) else net.evaluation_step(batch)

    return step


def _predicts_by_skorch(net: NeuralNet) -> bool:
    """Return whether predictions are made in skorch's way, not the user's own."""
    own, skorchs = type(net), NeuralNet
    return (own.infer, own.evaluation_step) == (skorchs.infer, skorchs.evaluation_step)


def net_proba(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return class probabilities of shape (N, C)."""
    return check_net_proba(net, to_proba(net)(_own_output(net, X)))


def refresh_statistics(net: NeuralNet, X: NDArray[Any]) -> None:
    """Estimate batch normalisation anew from the mini-batches of training."""
    if not len(X) or not batch_norms(net.module_):
        return
    X = np.repeat(X, 2, axis=0) if len(X) == 1 else X  # one row has no variance
    dataset = net.get_dataset(as_input(net, X))

    def run() -> None:
        for batch in net.get_iterator(dataset, training=True):
            x, y = unpack_data(batch)
            if len(y) > 1:  # the last one may be a single row, which has no variance
                net.infer(x)

    with isolated_rng(0), eval_mode(net.module_), torch.no_grad():
        refresh_batch_norm(net.module_, run)


def dropout_proba(net: NeuralNet, X: NDArray[Any], n_samples: int, seed: int) -> Tensor:
    """Return class probabilities under coupled dropout masks, of shape (S, N, C).

    Each mini-batch is run through all draws before the next one is loaded.
    """
    proba_of = to_proba(net)
    with isolated_rng(), coupled_dropout(net.module_, seed) as masks:
        run = _draws_of_batch(net, masks, n_samples)
        chunks = [
            torch.stack([proba_of(first_output(output)) for output in run(batch)])
            for batch in batches(net, X)
        ]
    return check_net_proba(net, torch.cat(chunks, dim=1), n_axes=3)


def _draws_of_batch(
    net: NeuralNet, masks: CoupledDropout, n_samples: int
) -> Callable[[Any], Iterator[Any]]:
    """Return a function that yields the module's output of each draw for a batch.

    What a draw shares with others or drops is not computed again, where the module
    can be traced and the net predicts in skorch's own way.
    """
    step = _evaluation_step(net)

    def whole(batch: Any) -> Iterator[Any]:
        for draw in range(n_samples):
            masks.use(draw)
            yield step(batch)

    if not _predicts_by_skorch(net):
        return whole
    try:
        passes = draw_passes(net.module_)
    except ValueError:
        return whole

    def split(batch: Any) -> Iterator[Any]:
        x = to_tensor(unpack_data(batch)[0], device=net.device)
        if not isinstance(x, Tensor):
            return whole(batch)
        return passes.draws(x, masks, n_samples)

    return split


def embedding_layers(module: nn.Module, name: str | None) -> list[nn.Module]:
    """Return the layer of a name; all linear ones, of which the last counts."""
    if name is None:
        return [m for m in module.modules() if isinstance(m, nn.Linear)]
    named = dict(module.named_modules())
    if name not in named:
        names = ", ".join(other for other in named if other)
        raise ValueError(f"embedding_layer={name!r} is none of: {names}.")
    return [named[name]]


@contextmanager
def recorded_inputs(module: nn.Module, layer: str | None) -> Iterator[list[Tensor]]:
    """Record the embedding of each forward pass that happens inside.

    Parameters
    ----------
    module : nn.Module
        The module whose forward passes are watched.
    layer : str or None
        Name of the layer whose input is the embedding; ``None`` is the linear layer
        that runs last.
    """
    layers = embedding_layers(module, layer)
    recorded: list[Tensor] = []
    last: list[Tensor] = []

    def start(*_: Any) -> None:
        last.clear()

    def keep(_layer: nn.Module, inputs: Any) -> None:
        last[:] = [inputs[0].detach()]

    def finish(*_: Any) -> None:
        if not last:
            raise CapabilityError(
                f"No linear layer ran in {type(module).__name__}. Name the layer whose "
                "input is the embedding: embedding_layer='...'."
            )
        recorded.append(as_float(last[0]).flatten(1))

    handles = [module.register_forward_pre_hook(start)]
    handles += [part.register_forward_pre_hook(keep) for part in layers]
    handles += [module.register_forward_hook(finish)]
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


def with_embeddings(
    predict: Callable[[], Any], module: nn.Module, layer: str | None
) -> tuple[Any, Tensor]:
    """Return what a prediction returns and the embeddings (N, D) it computed."""
    with recorded_inputs(module, layer) as recorded:
        answer = predict()
    return answer, torch.cat(recorded)


def net_answer(
    net: NeuralNet, X: NDArray[Any], layer: str | None, embeddings: bool
) -> tuple[Tensor, Tensor | None]:
    """Return probabilities (N, C) and, if asked, embeddings (N, D) of the same pass."""
    if not embeddings:
        return net_proba(net, X), None
    return with_embeddings(lambda: net_proba(net, X), net.module_, layer)


def last_linear(net: NeuralNet, X: NDArray[Any]) -> str:
    """Return the name of the linear layer that runs last.

    With no rows to run the module on, it is the one that stands last.
    """
    layers = [
        (name, layer)
        for name, layer in net.module_.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    ran = [name for name, _ in layers]
    handles = [
        layer.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        for name, layer in layers
    ]
    try:
        if len(X):
            ran.clear()
            module_output(net, X[:1])
    finally:
        for handle in handles:
            handle.remove()
    if not ran:
        raise CapabilityError(f"No linear layer ran in {type(net.module_).__name__}.")
    return ran[-1]


def check_dropout(net: NeuralNet, X: NDArray[Any]) -> None:
    """Refuse a net whose dropout is no posterior: dead, hidden or not coupled.

    Raises
    ------
    CapabilityError
        If draws are all alike, if some dropout cannot be sampled, or if equal rows
        of one draw differ. The message names the likely cause.
    """
    module, name = net.module_, type(net.module_).__name__
    if hidden := unreachable_dropout(module):
        raise CapabilityError(
            f"{name} has dropout that cannot be sampled: " + "; ".join(hidden) + "."
        )
    with FunctionalDropout(module) as functional:
        module_output(net, X[:1])
    if functional.n_calls:
        raise CapabilityError(
            f"{name} calls dropout as a function (F.dropout), which is off in "
            "predictions. Use nn.Dropout layers instead."
        )
    if not dropout_layers(module):
        raise CapabilityError(
            f"{name} has no dropout layer with p > 0, so all Monte Carlo samples would "
            "be equal. Add nn.Dropout to the module, or use DeepEnsembleClassifier."
        )
    X_twice = np.concatenate([X[:4], X[:4]])
    for n_draws in (2, _N_PROBE_DRAWS):
        proba_SNC = dropout_proba(net, X_twice, n_draws, seed=0)
        if (proba_SNC != proba_SNC[:1]).any():
            break
    else:
        raise CapabilityError(
            f"The dropout layers of {name} change nothing: {_N_PROBE_DRAWS} Monte "
            "Carlo samples are equal. Do they run in `forward`? Are all their inputs "
            "zero?"
        )
    first_SNC, second_SNC = proba_SNC.chunk(2, dim=1)
    if not torch.allclose(first_SNC, second_SNC, atol=1e-4):
        raise CapabilityError(
            f"Equal rows get different dropout masks in {name}, so its draws are no "
            "functions. Keep the rows on the first axis (batch_first=True)."
        )
