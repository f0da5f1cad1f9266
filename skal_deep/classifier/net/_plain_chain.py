"""Nets that are a chain of torch's own layers, in whose passes nothing else happens."""

import torch
from skorch import NeuralNet
from torch import nn

from skal_deep.classifier.net._answers import predicts_by_skorch
from skal_deep.classifier.net._watched import has_watched_parts
from skal_deep.modules import MLP
from skal_deep.modules._linear_chain import linear_chain


def plain_layers(net: NeuralNet) -> nn.Sequential | None:
    """Return the layers of a plain chain; ``None`` for any other net.

    They are linear layers, with ReLUs and dropout layers between, on the processor in
    float32. What is known of the classes holds for the net: a row does not see others,
    all dropout is in layers, and there is no code of the user's that could differ.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    """
    module = net.module_
    layers = module.layers if type(module) is MLP else module
    is_plain = (
        linear_chain(layers) is not None
        and type(layers[-1]) is nn.Linear
        and predicts_by_skorch(net)
        and not has_watched_parts(module)
        and all(p.is_cpu and p.dtype == torch.float32 for p in module.parameters())
        and not _is_changed()
    )
    return layers if is_plain else None


def _is_changed() -> bool:
    """Return whether the caller has changed what operations of torch do."""
    # torch before 2.8 cannot tell
    hooks_on_kept = getattr(
        torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: None
    )
    return bool(
        torch.is_autocast_enabled("cpu")
        or torch._C._len_torch_function_stack()
        or torch._C._len_torch_dispatch_stack()
        or hooks_on_kept(True)
    )
