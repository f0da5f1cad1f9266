"""Lengths of the gradients that each label would cause in a fitted net."""

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from skal_deep.classifier.net._answers import first_output, last_linear
from skal_deep.classifier.net._logits import as_logits, seen_by_module
from skal_deep.classifier.net._output import as_float
from skal_deep.exceptions import CapabilityError
from skal_deep.modules._dropout import eval_mode
from skal_deep.modules._hooks import as_before
from skal_deep.modules._rng import one_thread_at_a_time

Inputs = Tensor | dict[str, Tensor]

# Elements of the gradients that exist at once: 64 MiB in float32.
_MEMORY_BUDGET = 2**24


def gradient_lengths(
    nets: list[NeuralNet], X: Any, words: bool | str = False
) -> Tensor:
    """Return the lengths of the gradients that each label would cause.

    Parameters
    ----------
    nets : list of skorch.NeuralNet
        Fitted nets. The weights of several count as the weights of one. Dropout is
        off.
    X : ndarray of shape (N, ...) or dict of arrays
        Rows.
    words : bool or str, default=False
        Whether to look at the vectors of a row's words instead of all weights; the
        name of the layer that holds them, where the module has several.

    Returns
    -------
    lengths : Tensor of shape (N, W, C)
        Of all weights (W = 1), or of the vector of the word at each place (W words).
    """
    each = []
    with one_thread_at_a_time():  # hooks of two threads would undo one another
        for net in nets:
            x = seen_by_module(net, X)
            each.append(
                _word_lengths(net, x, words) if words else _weight_lengths(net, x)
            )
    return torch.linalg.vector_norm(torch.stack(each), dim=0)


def _rows(x: Inputs, rows: slice | int) -> Inputs:
    """Return some rows of a module's one input, or of its several."""
    if isinstance(x, Tensor):
        return x[rows]
    return {name: part[rows] for name, part in x.items()}


def _chunks(x: Inputs, size: int) -> Iterator[Inputs]:
    n_rows = len(x) if isinstance(x, Tensor) else len(next(iter(x.values())))
    for start in range(0, n_rows, size):
        yield _rows(x, slice(start, start + size))


def has_bias(nets: list[NeuralNet], X: NDArray[Any]) -> bool:
    """Return whether the linear layer that runs last has a bias, in some net."""
    return any(
        net.module_.get_submodule(last_linear(net, X)).bias is not None for net in nets
    )


def _weight_lengths(net: NeuralNet, x: Inputs) -> Tensor:
    """Return lengths (N, 1, C) over all weights, row by row in one pass a label."""
    places = _places(net.module_)
    weights = {name: net.module_.get_parameter(name).detach() for name in places}

    def loss(weights: dict[str, Tensor], x: Inputs, label: Tensor) -> Tensor:
        at = {place: weights[name] for name in places for place in places[name]}
        args, kwargs = _as_arguments(x)
        output = functional_call(net.module_, at, args, kwargs, tie_weights=False)
        return cross_entropy(as_logits(net, first_output(output)), label[None])

    def lengths(x: Inputs, label: Tensor) -> Tensor:
        try:
            gradients = vmap(grad(loss), in_dims=(None, 0, None))(weights, x, label)
        except RuntimeError as error:
            raise CapabilityError(
                f"{type(net.module_).__name__} cannot be differentiated for one row at "
                f"a time: {error}"
            ) from error
        squared = [as_float(g).flatten(1).square().sum(-1) for g in gradients.values()]
        return torch.stack(squared).sum(0).sqrt()

    size = max(1, _MEMORY_BUDGET // sum(w.numel() for w in weights.values()))
    with eval_mode(net.module_):
        logit_NC = as_logits(net, first_output(net.infer(_rows(x, slice(1)))))
        labels = torch.arange(logit_NC.shape[1]).to(logit_NC.device)
        return torch.cat(
            [
                torch.stack([lengths(part, c) for c in labels], dim=-1)
                for part in _chunks(x, size)
            ]
        )[:, None]


def _as_arguments(x: Inputs) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return the one row that `forward` is given, by place or by name."""
    if isinstance(x, Tensor):
        return (x[None],), {}
    return (), {name: part[None] for name, part in x.items()}


def _places(module: nn.Module) -> dict[str, list[str]]:
    """Return, for each trained weight by name, all names of places that hold it.

    A layer that stands under two names is one place: torch would exchange its weight
    twice, and put back what it found the second time.
    """
    of_weight: dict[int, list[str]] = {}
    for prefix, part in module.named_modules():
        for name, weight in part.named_parameters(prefix, recurse=False):
            if weight.requires_grad:
                of_weight.setdefault(id(weight), []).append(name)
    return {names[0]: names for names in of_weight.values()}


def _word_lengths(net: NeuralNet, x: Inputs, words: bool | str) -> Tensor:
    """Return lengths (N, L, C) over the vectors of the words at L places.

    The gradients of all places that hold the same word are added up. Padding is no
    word: its length is 0.
    """
    layer, name = _word_layer(net.module_, words), type(net.module_).__name__
    made: list[tuple[Tensor, Tensor]] = []

    def watch(_layer: nn.Module, inputs: Any, vector_NLD: Tensor) -> Tensor:
        made.append((inputs[0], vector_NLD.detach().requires_grad_()))
        return made[-1][1]

    parts = [x] if isinstance(x, Tensor) else list(x.values())
    length = max((part.shape[1] for part in parts if part.ndim > 1), default=1)
    size = max(1, _MEMORY_BUDGET // (length * max(length, layer.embedding_dim)))
    lengths = []
    with as_before(net.module_), eval_mode(net.module_), torch.enable_grad():
        layer.register_forward_hook(watch)
        for part in _chunks(x, size):
            made.clear()
            logit_NC = as_logits(net, first_output(net.infer(part)))
            if len(made) != 1 or made[0][0].shape[:-1] != logit_NC.shape[:-1]:
                raise CapabilityError(
                    f"The gradient of words needs an nn.Embedding layer of {name} that "
                    "is given the numbers of a row's words once, (rows, words); it was "
                    f"given {[tuple(w.shape) for w, _ in made]}. Name another layer."
                )
            [(word_NL, vector_NLD)] = made
            length_NLC = _lengths_by_word(logit_NC, word_NL, vector_NLD)
            if layer.padding_idx is not None:
                length_NLC[word_NL == layer.padding_idx] = 0
            lengths.append(length_NLC)
    return torch.cat(lengths)


def _word_layer(module: nn.Module, words: bool | str) -> nn.Embedding:
    """Return the layer of word vectors: the named one, or the only one."""
    layers = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, nn.Embedding)
    }
    if isinstance(words, str) and words in layers:
        return layers[words]
    if words is True and len(layers) == 1:
        return next(iter(layers.values()))
    raise CapabilityError(
        f"{type(module).__name__} has {len(layers)} nn.Embedding layers "
        f"({', '.join(layers) or 'none'}). The gradient of words needs one: name it as "
        "EGL's `word_layer`."
    )


def _lengths_by_word(logit_NC: Tensor, word_NL: Tensor, vector_NLD: Tensor) -> Tensor:
    """Return lengths (N, L, C) by the vectors that logits were computed from."""
    # Entry (i, j) says whether places i and j hold the same word: the product with it
    # adds up the gradients of a word over its places.
    same_NLL = (word_NL[:, :, None] == word_NL[:, None]).to(vector_NLD)
    lengths = []
    for label in range(logit_NC.shape[1]):
        label_N = word_NL.new_full((len(word_NL),), label)
        loss = cross_entropy(logit_NC, label_N, reduction="sum")
        [gradient_NLD] = torch.autograd.grad(loss, vector_NLD, retain_graph=True)
        of_word_NLD = as_float(same_NLL) @ as_float(gradient_NLD)
        lengths.append(torch.linalg.vector_norm(of_word_NLD, dim=-1))
    return torch.stack(lengths, dim=-1)
