"""Gradients of a net by the weights of its linear layers, as features of rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from skorch import NeuralNet
from skorch.dataset import unpack_data
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from skal_deep._devices import computable
from skal_deep.classifier.net._answers import first_output
from skal_deep.classifier.net._batches import batches
from skal_deep.classifier.net._logits import as_logits
from skal_deep.classifier.net._output import as_float
from skal_deep.exceptions import CapabilityError
from skal_deep.functional.features import sketched_outer
from skal_deep.modules import eval_mode, isolated_rng
from skal_deep.modules._hooks import as_before


def net_weight_gradients(
    net: NeuralNet, X: NDArray[Any], n_features: int, seed: int
) -> Tensor:
    """Return features whose inner products are those of gradients, row by row.

    The gradient is that of the outputs of a regressor, and of a classifier's
    cross-entropy of the most probable label. In a linear layer it is the outer
    product of what comes back to its output and what enters it, so that it is never
    formed where it is sketched. Dropout is off, and several heads are the one linear
    layer that their mean is.

    Parameters
    ----------
    net : skorch.NeuralNet
        A fitted net.
    X : ndarray of shape (N, ...)
        Inputs.
    n_features : int
        Longest features that are wanted; longer gradients are sketched.
    seed : int
        Seed of the sketch; equal seeds sketch alike.

    Returns
    -------
    features : Tensor of shape (N, n_features or less)
        Features, see :func:`~skal_deep.functional.features.sketched_outer`.
    """
    features = []
    with (
        isolated_rng(),
        eval_mode(net.module_),
        torch.enable_grad(),
        _linear_calls(net.module_) as calls,
    ):
        for batch in batches(net, X):
            calls.clear()
            differentiated_NQ = _quantities(net, unpack_data(batch)[0])
            factors = _factors(net, differentiated_NQ, calls)
            generator = torch.Generator().manual_seed(seed)
            features.append(sketched_outer(factors, n_features, generator))
    return torch.cat(features)


def _quantities(net: NeuralNet, x: Any) -> Tensor:
    """Return the quantities of each row whose gradients are wanted, (N, Q)."""
    output = as_float(first_output(net.infer(x)))
    if isinstance(net, RegressorMixin):
        return output.flatten(1) if output.ndim > 1 else output[:, None]
    logit_NC = as_logits(net, output)
    return cross_entropy(logit_NC, logit_NC.argmax(-1), reduction="none")[:, None]


def _factors(
    net: NeuralNet, differentiated_NQ: Tensor, calls: list[tuple[Tensor, Tensor]]
) -> list[tuple[Tensor, Tensor]]:
    """Return what comes back to the outputs of layers, each with what entered it."""
    n = len(differentiated_NQ)
    name = type(net.module_).__name__
    if not calls:
        raise CapabilityError(
            f"No nn.Linear layer whose weights are trained ran in {name}."
        )
    if any(len(entered) != n for _, entered in calls):
        raise CapabilityError(
            f"A linear layer of {name} does not have the rows on the first axis of its "
            "input, so that their gradients cannot be told apart."
        )
    outputs = [output for output, _ in calls]
    return [
        (computable(as_float(back)), computable(as_float(entered)))
        for quantity_N in differentiated_NQ.T
        for back, (_, entered) in zip(
            # Rows do not depend on one another, so one backward pass of the sum gives
            # the gradient of every row. A layer that a quantity does not depend on has
            # the gradient 0 (materialize_grads), not None.
            torch.autograd.grad(
                quantity_N.sum(),
                outputs,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            ),
            calls,
            strict=True,
        )
    ]


@contextmanager
def _linear_calls(module: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Record the output and the input, with 1 for the bias, of each linear layer."""
    calls: list[tuple[Tensor, Tensor]] = []

    def keep(layer: nn.Linear, inputs: Any, output: Tensor) -> Tensor:
        entered = inputs[0].detach()
        if layer.bias is not None:
            entered = pad(entered, (0, 1), value=1.0)
        calls.append((output, entered))
        return output.clone()  # an activation may overwrite it

    with as_before(module):
        for layer in module.modules():
            if isinstance(layer, nn.Linear) and layer.weight.requires_grad:
                layer.register_forward_hook(keep)
        yield calls
