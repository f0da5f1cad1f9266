"""What a fitted skorch net answers: probabilities, coupled draws, embeddings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import unpack_data
from torch import Tensor, nn

from skal_deep._devices import computable
from skal_deep.classifier.net._batches import as_input, batches
from skal_deep.classifier.net._output import as_float, check_net_proba, to_proba
from skal_deep.classifier.net._precision import chosen_precision
from skal_deep.exceptions import CapabilityError
from skal_deep.modules import eval_mode, isolated_rng
from skal_deep.modules._hooks import as_before
from skal_deep.modules._layout import ChannelsLast, convolves
from skal_deep.modules._rng import one_thread_at_a_time
from skal_deep.modules._weights import batch_norms, refresh_batch_norm


def first_output(output: Any) -> Tensor:
    """Return the first output of a module that may return several, or its logits.

    Classifiers of transformers return an object with the logits among others.
    """
    first = (
        output[0] if isinstance(output, tuple) else getattr(output, "logits", output)
    )
    if not isinstance(first, Tensor):
        raise TypeError(
            f"The module returns an object of type {type(output).__name__}. Let it "
            "return a tensor, a tuple whose first entry is one, or an object with one "
            "in its attribute `logits`: the logits or probabilities."
        )
    return first


def readable_output(infer: Callable[..., Any], *args: Any, **params: Any) -> Any:
    """Return what a net infers as skorch and criteria read it: tensors or tuples."""
    output = infer(*args, **params)
    return output if isinstance(output, Tensor | tuple) else first_output(output)


def module_output(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return what the module returns in eval mode, of shape (N, ...)."""
    return as_float(own_output(net, X))


def own_output(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return what the module returns in the numbers that it computes in."""
    # Even a plain prediction needs the isolation: the DataLoader draws a seed from
    # torch's global generator each time.
    step = evaluation_step(net)
    with isolated_rng(), eval_mode(net.module_), chosen_precision(net):
        parts = [first_output(step(batch)) for batch in batches(net, X)]
        return computable(torch.cat(parts))


def evaluation_step(net: NeuralNet) -> Callable[[Any], Any]:
    """Return the net's step of a mini-batch, for images by channels_last."""
    if not (predicts_by_skorch(net) and convolves(net.module_)):
        return net.evaluation_step
    quick = ChannelsLast(lambda x, y: net.evaluation_step((x, y)))

    def step(batch: Any) -> Any:
        x, y = unpack_data(batch)
        return quick(x, y) if isinstance(x, Tensor) else net.evaluation_step(batch)

    return step


def predicts_by_skorch(net: NeuralNet) -> bool:
    """Return whether predictions are made in skorch's way, not the user's own."""
    own, skorchs = type(net), NeuralNet
    return (own.infer, own.evaluation_step) == (skorchs.infer, skorchs.evaluation_step)


def net_proba(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    """Return class probabilities of shape (N, C)."""
    return check_net_proba(net, to_proba(net)(own_output(net, X)))


def refresh_statistics(net: NeuralNet, X: NDArray[Any]) -> None:
    """Estimate batch normalisation anew from the mini-batches of training."""
    if not len(X) or not batch_norms(net.module_):
        return
    X = X[[0, 0]] if len(X) == 1 else X  # one row has no variance
    dataset = net.get_dataset(as_input(net, X))

    def run() -> None:
        for batch in net.get_iterator(dataset, training=True):
            x, y = unpack_data(batch)
            if len(y) > 1:  # the last one may be a single row, which has no variance
                net.infer(x)

    with isolated_rng(0), eval_mode(net.module_), torch.no_grad():
        refresh_batch_norm(net.module_, run)


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

    # A pass that failed halfway must not leave its embedding to the next one.
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
        recorded.append(computable(as_float(last[0])).flatten(1))

    with one_thread_at_a_time(), as_before(module):
        module.register_forward_pre_hook(start)
        for part in layers:
            part.register_forward_pre_hook(keep)
        module.register_forward_hook(finish)
        yield recorded


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
    if len(X):
        ran.clear()
        with one_thread_at_a_time(), as_before(net.module_):
            for name, layer in layers:
                layer.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
            module_output(net, X[:1])
    if not ran:
        raise CapabilityError(f"No linear layer ran in {type(net.module_).__name__}.")
    return ran[-1]
