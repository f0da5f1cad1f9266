"""Nets whose criterion a classifier replaces by a loss of its own."""

from typing import Any

from numpy.typing import NDArray
from skorch import NeuralNet, NeuralNetBinaryClassifier
from torch import nn

from skal_deep.classifier.net._answers import module_output
from skal_deep.classifier.net._fit import is_proba


def check_replaceable_criterion(net: NeuralNet, name: str) -> None:
    """Refuse a criterion whose weights or smoothing would have no effect.

    Parameters
    ----------
    net : skorch.NeuralNet
        The user's net.
    name : str
        Name of the classifier, for the message.
    """
    asked = [f"criterion__{param}" for param in net.get_params_for("criterion")]
    if isinstance(net.criterion, nn.Module):
        asked += [
            f"criterion.{param}"
            for param, default in (("weight", None), ("label_smoothing", 0.0))
            if not _is(getattr(net.criterion, param, default), default)
        ]
    if asked:
        raise ValueError(
            f"{name} puts a loss of its own in the place of the net's criterion, so "
            f"{' and '.join(asked)} cannot act. Leave that out; to weigh classes, pass "
            "sample_weight to `fit`."
        )


def check_logits(net: NeuralNet, shown: NDArray[Any], name: str) -> None:
    """Refuse a module that does not return logits, one column a class."""
    is_binary = isinstance(net, NeuralNetBinaryClassifier)
    if is_binary or (len(shown) and is_proba(module_output(net, shown))):
        raise ValueError(
            f"{name} needs a module that returns logits, one column a class; "
            f"{type(net.module_).__name__} returns "
            f"{'a single logit' if is_binary else 'probabilities'}."
        )


def _is(value: Any, default: Any) -> bool:
    """Return whether a value, which may be a tensor, is the default."""
    return value is None or (default is not None and value == default)
