"""Outputs as strategies may read them: float32 or more, probabilities, checked."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from skorch import NeuralNet
from torch import Tensor, nn

_HALF = (torch.float16, torch.bfloat16)
# Sums of probabilities may be off by this much, which is far above the round-off of
# float32 and far below what is no distribution.
_ROUND_OFF = 1e-4
# A softmax in bfloat16, whose numbers have a relative round-off of 2**-8, and its sum.
_ROUND_OFF_OF_HALF = 2e-2


class NoProbabilitiesError(ValueError):
    """A model returns rows that are no probabilities; ``values`` holds them."""

    def __init__(self, message: str, values: Tensor):
        super().__init__(message)
        self.values = values

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.values)


# What skorch itself makes of the outputs of a net that is trained by cross-entropy.
SOFTMAX = partial(torch.softmax, dim=-1)


def as_float(tensor: Tensor) -> Tensor:
    """Return a tensor of half precision in float32, any other as it is."""
    return tensor.float() if tensor.dtype in _HALF else tensor


def let_skorch_read(net: NeuralNet) -> None:
    """Let skorch's own predictions, as callbacks ask for, be in float32.

    It hands outputs to NumPy, which knows no bfloat16.
    """
    if any(p.dtype == torch.bfloat16 for p in net.module_.parameters()):
        own = net._get_predict_nonlinearity()
        net.set_params(predict_nonlinearity=partial(_of_float32, own))


def _of_float32(nonlinearity: Callable[[Tensor], Tensor], output: Tensor) -> Tensor:
    return nonlinearity(as_float(output))


def as_proba(proba: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return probabilities in float32 or more, with the round-off of half undone.

    Parameters
    ----------
    proba : Tensor of shape (..., C)
        What is to be probabilities.
    dtype : torch.dtype, optional
        What they were computed in; ``None`` is their own.
    """
    if (proba.dtype if dtype is None else dtype) not in _HALF:
        return as_float(proba)
    proba = as_float(proba)
    sums = proba.sum(-1, keepdim=True)
    # Only what is almost a distribution is scaled to sum to 1. Scaling everything would
    # hide logits that are given as probabilities.
    is_rounded = (sums - 1).abs() <= _ROUND_OFF_OF_HALF
    return torch.where(is_rounded, proba / sums, proba)


def head_tolerance(logits_NC: Tensor, dtype: torch.dtype) -> float:
    """Return by how much probabilities may differ from the softmax of logits.

    A module that computes in half precision rounds each logit, and a probability moves
    by half as much as the logits at most.
    """
    if dtype not in _HALF or not logits_NC.numel():
        return _ROUND_OFF
    return torch.finfo(dtype).eps * max(1.0, logits_NC.abs().max().item())


def criterion_of(net: NeuralNet) -> Any:
    """Return the criterion of a net, the one inside if it is compiled."""
    criterion = getattr(net, "criterion_", None)
    return getattr(criterion, "_orig_mod", criterion)


def makes_softmax(net: NeuralNet) -> bool:
    """Return whether probabilities are the softmax of what the module returns."""
    choice = net.predict_nonlinearity
    if isinstance(choice, partial) and choice.func is _of_float32:
        choice = choice.args[0]
    if choice == "auto":
        return isinstance(criterion_of(net), nn.CrossEntropyLoss)
    return choice == "softmax" or (
        isinstance(choice, partial)
        and choice.func is torch.softmax
        and choice.keywords in ({"dim": -1}, {"dim": 1})
        and not choice.args
    )


def to_proba(net: NeuralNet) -> Callable[[Tensor], Tensor]:
    """Return the function that makes a module's output probabilities.

    Beside what skorch knows, ``predict_nonlinearity`` may be "softmax".
    """
    nonlinearity: Callable[[Tensor], Tensor] = SOFTMAX
    if net.predict_nonlinearity != "softmax":
        nonlinearity = net._get_predict_nonlinearity()

    def proba(output: Tensor) -> Tensor:
        return as_proba(nonlinearity(as_float(output)), output.dtype)

    return proba


def check_net_proba(net: NeuralNet, proba: Tensor, n_axes: int = 2) -> Tensor:
    """Return probabilities by a net, or say why they are none."""
    return check_proba(
        proba,
        f"{type(net.module_).__name__} with the criterion "
        f"{type(criterion_of(net)).__name__}",
        'If the module returns logits, give the net predict_nonlinearity="softmax" '
        "(skorch's own methods want functools.partial(torch.softmax, dim=-1)); if it "
        "returns one logit a row, use NeuralNetBinaryClassifier with "
        "BCEWithLogitsLoss. Otherwise pass a function that makes outputs "
        "probabilities.",
        n_axes,
    )


def check_proba(proba: Tensor, source: str, advice: str, n_axes: int = 2) -> Tensor:
    """Return probabilities, or say that they are none.

    Parameters
    ----------
    proba : Tensor of shape (N, C) or (S, N, C)
        What is to be probabilities.
    source : str
        What computed them, for the message.
    advice : str
        What to do, for the message.
    n_axes : int, default=2
        Number of axes that are wanted.
    """
    wanted = "(N, C)" if n_axes == 2 else "(S, N, C)"
    if proba.ndim != n_axes:
        raise ValueError(
            f"{source} predicts no probabilities: they have the shape "
            f"{tuple(proba.shape)} where {wanted} is wanted, one column a class. "
            f"{advice}"
        )
    sums = proba.sum(-1)
    if bool((proba >= 0).all() & ((sums - 1).abs() <= _ROUND_OFF).all()):
        return proba
    if not torch.isfinite(proba).all():
        raise NoProbabilitiesError(
            f"{source} predicts NaN or infinite values. If it is a net, its training "
            "has diverged: lower `net__lr` or scale the inputs.",
            proba,
        )
    raise NoProbabilitiesError(
        f"{source} predicts no probabilities: rows must be at least 0 and sum to 1; "
        f"the smallest entry is {proba.min().item():.3g}, and rows sum to "
        f"{sums.min().item():.3g} ... {sums.max().item():.3g}. {advice}",
        proba,
    )
