"""Small heads beside a net, that read its hidden features and train with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor, nn

from skal_deep._devices import computable
from skal_deep.classifier.net._answers import evaluation_step, first_output
from skal_deep.classifier.net._batches import batches
from skal_deep.classifier.net._precision import chosen_precision
from skal_deep.modules import eval_mode, isolated_rng
from skal_deep.modules._taps import tapped_features


@contextmanager
def trained_beside(net: NeuralNet, head: nn.Module) -> Iterator[None]:
    """Let the net's optimiser train a head, too, for a while.

    The head is in train mode meanwhile and in eval mode after.
    """
    optimizer = net.optimizer_
    optimizer.add_param_group({"params": list(head.parameters())})
    head.train()
    try:
        yield
    finally:
        head.eval()
        optimizer.param_groups.pop()  # the fitted net knows nothing of the head
        for weight in head.parameters():
            optimizer.state.pop(weight, None)


def output_and_features(
    net: NeuralNet, X: NDArray[Any], taps: list[str] | None
) -> tuple[Tensor, list[Tensor]]:
    """Return what the module returns in eval mode, and hidden features (N, D) by tap.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    X : ndarray of shape (N, ...)
        Rows.
    taps : list of str or None
        As in :func:`tapped_features`.
    """
    step, outputs, parts = evaluation_step(net), [], []
    with (
        isolated_rng(),
        eval_mode(net.module_),
        chosen_precision(net),
        tapped_features(net.module_, taps) as features,
    ):
        for batch in batches(net, X):
            outputs.append(first_output(step(batch)))
            parts.append([part.detach().float() for part in features.latest])
    by_tap = [torch.cat(part) for part in zip(*parts, strict=True)]
    return computable(torch.cat(outputs)), by_tap
