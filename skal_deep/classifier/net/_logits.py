"""Logits of a fitted net as a differentiable function of tensors."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.dataset import unpack_data
from skorch.utils import to_tensor
from torch import Tensor, nn
from torch.nn.functional import log_softmax, pad

from skal_deep.classifier.net._answers import first_output
from skal_deep.classifier.net._batches import batches
from skal_deep.classifier.net._output import (
    as_float,
    criterion_of,
    makes_softmax,
    to_proba,
)
from skal_deep.exceptions import CapabilityError
from skal_deep.modules import eval_mode, isolated_rng


def differentiable_logits(
    nets: list[NeuralNet], X: NDArray[Any]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return rows as the nets see them, and the logits as a function of such rows.

    Parameters
    ----------
    nets : list of skorch.NeuralNet
        Fitted nets. Several predict the mean of their probabilities, and the logits
        are its logarithms. Dropout is off.
    X : ndarray of shape (N, ...)
        Rows.
    """
    x = seen_by_module(nets[0], X)
    if not isinstance(x, Tensor):
        raise CapabilityError(
            f"{type(nets[0].module_).__name__} takes several inputs ({', '.join(x)}); "
            "steps of the input are known for modules that take one tensor of floats. "
            "Choose a strategy that needs no gradient with respect to inputs."
        )
    dtype = x.dtype
    if not x.is_floating_point():
        raise CapabilityError(
            f"{type(nets[0].module_).__name__} takes {x.dtype} as input, which "
            "cannot change by small steps. Choose a strategy that needs no gradient "
            "with respect to inputs."
        )

    def logits(x: Tensor) -> Tensor:
        each = []
        for net in nets:
            with eval_mode(net.module_):
                each.append(as_logits(net, first_output(net.infer(x.to(dtype)))))
        if len(each) == 1:
            return each[0]
        log_proba_SNC = log_softmax(torch.stack(each), -1)
        return log_proba_SNC.logsumexp(0) - math.log(len(each))

    return as_float(x), logits


def seen_by_module(net: NeuralNet, X: Any) -> Tensor | dict[str, Tensor]:
    """Return rows as the module sees them: a tensor, or several by name."""
    with isolated_rng():
        inputs = [
            to_tensor(unpack_data(b)[0], device=net.device) for b in batches(net, X)
        ]
    if isinstance(inputs[0], Mapping):
        names = list(inputs[0])
        return {name: torch.cat([part[name] for part in inputs]) for name in names}
    if not isinstance(inputs[0], Tensor):
        raise CapabilityError(
            f"{type(net.module_).__name__} takes several inputs; gradients are known "
            "for modules that take one tensor, or several by name."
        )
    return torch.cat(inputs)


def as_logits(net: NeuralNet, output: Tensor) -> Tensor:
    """Return logits (N, C) for what the module returns."""
    if makes_softmax(net):
        return as_float(output)
    if net.predict_nonlinearity == "auto" and isinstance(
        criterion_of(net), nn.BCEWithLogitsLoss
    ):  # of two classes, the first has 0
        return pad(as_float(output).reshape(-1, 1), (1, 0))
    proba_NC = to_proba(net)(output)
    return proba_NC.clamp_min(torch.finfo(proba_NC.dtype).tiny).log()
