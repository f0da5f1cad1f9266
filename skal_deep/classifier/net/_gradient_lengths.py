"""Lengths of the gradients that each label would cause in a fitted net."""

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

# Elements of the gradients that exist at once: 64 MiB in float32.
_MEMORY_BUDGET = 2**24


def gradient_lengths(
    nets: list[NeuralNet], X: NDArray[Any], words: bool = False
) -> Tensor:
    """Return the lengths of the gradients that each label would cause.

    Parameters
    ----------
    nets : list of skorch.NeuralNet
        Fitted nets. The weights of several count as the weights of one. Dropout is
        off.
    X : ndarray of shape (N, ...)
        Rows.
    words : bool, default=False
        Whether to look at the vectors of a row's words instead of all weights.

    Returns
    -------
    lengths : Tensor of shape (N, W, C)
        Of all weights (W = 1), or of the vector of the word at each place (W words).
    """
    of_one = _word_lengths if words else _weight_lengths
    with one_thread_at_a_time():  # hooks of two threads would undo one another
        lengths = torch.stack([of_one(net, seen_by_module(net, X)) for net in nets])
    return torch.linalg.vector_norm(lengths, dim=0)


def has_bias(nets: list[NeuralNet], X: NDArray[Any]) -> bool:
    """Return whether the linear layer that runs last has a bias, in some net."""
    return any(
        net.module_.get_submodule(last_linear(net, X)).bias is not None for net in nets
    )


def _weight_lengths(net: NeuralNet, x: Tensor) -> Tensor:
    """Return lengths (N, 1, C) over all weights, row by row in one pass a label."""
    places = _places(net.module_)
    weights = {name: net.module_.get_parameter(name).detach() for name in places}

    def loss(weights: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        at = {place: weights[name] for name in places for place in places[name]}
        output = functional_call(net.module_, at, (x[None],), tie_weights=False)
        return cross_entropy(as_logits(net, first_output(output)), label[None])

    def lengths(x: Tensor, label: Tensor) -> Tensor:
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
        labels = torch.arange(as_logits(net, first_output(net.infer(x[:1]))).shape[1])
        return torch.cat(
            [
                torch.stack([lengths(part, c) for c in labels.to(x.device)], dim=-1)
                for part in x.split(size)
            ]
        )[:, None]


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


def _word_lengths(net: NeuralNet, x: Tensor) -> Tensor:
    """Return lengths (N, L, C) over the vectors of the words at L places.

    The gradients of all places that hold the same word are added up. Padding is no
    word: its length is 0.
    """
    layers = [m for m in net.module_.modules() if isinstance(m, nn.Embedding)]
    if len(layers) != 1 or x.ndim != 2 or x.is_floating_point():
        raise CapabilityError(
            f"{type(net.module_).__name__} has {len(layers)} nn.Embedding layers and "
            f"rows of shape {tuple(x.shape[1:])}. The gradient of words needs one such "
            "layer, and rows that are their numbers."
        )
    [layer] = layers
    made: list[Tensor] = []

    def watch(_layer: nn.Module, _inputs: Any, vector_NLD: Tensor) -> Tensor:
        made[:] = [vector_NLD.detach().requires_grad_()]
        return made[0]

    size = max(1, _MEMORY_BUDGET // (x.shape[1] * max(x.shape[1], layer.embedding_dim)))
    lengths = []
    with as_before(net.module_), eval_mode(net.module_), torch.enable_grad():
        layer.register_forward_hook(watch)
        for word_NL in x.split(size):
            logit_NC = as_logits(net, first_output(net.infer(word_NL)))
            lengths.append(_lengths_by_word(logit_NC, word_NL, made[0]))
    length_NLC = torch.cat(lengths)
    if layer.padding_idx is not None:
        length_NLC[x == layer.padding_idx] = 0
    return length_NLC


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
