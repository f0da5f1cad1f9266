"""The weights of a module as one vector."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from skal_deep._devices import computable
from skal_deep._put_back import put_back
from skal_deep.modules._rng import one_thread_at_a_time


def trained_weights(module: nn.Module) -> Tensor:
    """Return a copy of all parameters that are trained, of shape (P,).

    Those of half precision are returned in float32, in which moments can be taken, and
    on the processor where their device knows no float64.
    """
    with torch.no_grad():
        weights_P = torch.cat([p.flatten() for p in _trained_parameters(module)])
    is_half = weights_P.dtype in (torch.float16, torch.bfloat16)
    return computable(weights_P.float() if is_half else weights_P)


def set_trained_weights(module: nn.Module, weights_P: Tensor) -> None:
    """Give a module the weights of a vector as :func:`trained_weights` returns."""
    parameters = _trained_parameters(module)
    parts = weights_P.split([p.numel() for p in parameters])
    with torch.no_grad():
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))


def _trained_parameters(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


@contextmanager
def restored_state(module: nn.Module) -> Iterator[None]:
    """Give a module its weights and buffers back at the end.

    Other threads wait: they would be answered with the weights of meanwhile, or keep
    them for those to give back.
    """
    with one_thread_at_a_time():
        state = {name: value.clone() for name, value in module.state_dict().items()}
        with put_back(lambda: module.load_state_dict(state)):
            yield


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return the batch normalisations that keep running statistics."""
    return [
        part
        for part in module.modules()
        if isinstance(part, _BatchNorm) and part.track_running_stats
    ]


def refresh_batch_norm(module: nn.Module, run: Callable[[], object]) -> None:
    """Estimate the running statistics anew, for weights that were never trained.

    Parameters
    ----------
    module : nn.Module
        A module in eval mode; it stays in it, but for its batch normalisations.
    run : callable
        Runs the module on the training rows. Mini-batches count equally.
    """
    layers = batch_norms(module)
    settings = [(layer, layer.momentum, layer.training) for layer in layers]
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a cumulative mean over mini-batches
            layer.train()
        run()
    finally:
        for layer, momentum, training in settings:
            layer.momentum = momentum
            layer.train(training)
