"""A frozen model that turns a batch of rows into vectors, whatever kind it is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def loaded(backbone: Any) -> Any:
    """Return a backbone: what was given, or the model that ``"timm:NAME"`` names."""
    if not isinstance(backbone, str):
        return backbone
    library, _, name = backbone.partition(":")
    if library != "timm" or not name:
        raise ValueError(
            f"backbone={backbone!r} names no model: write 'timm:NAME', or pass a torch "
            "module, an object with `encode`, or a function."
        )
    return _timm(name)


@lru_cache(maxsize=4)
def _timm(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            f"backbone='timm:{name}' needs timm: pip install 'skal-deep[vision]'."
        ) from error
    model: nn.Module = timm.create_model(name, pretrained=True, num_classes=0)
    return model


def check_backbone(backbone: Any) -> None:
    """Raise unless a backbone can be asked."""
    if isinstance(backbone, type):
        raise TypeError(
            f"backbone must be an object, not the class {backbone.__name__}: write "
            f"{backbone.__name__}(...)."
        )
    if not callable(backbone) and not callable(getattr(backbone, "encode", None)):
        raise TypeError(
            "backbone must be a torch module, an object with `encode`, a function or "
            f"'timm:NAME', not {type(backbone).__name__}."
        )


def as_device(device: str, backbone: Any) -> torch.device:
    """Return where to compute: ``"auto"`` is a GPU if there is one.

    Parameters
    ----------
    device : str
        A name of torch's, or "auto".
    backbone : object
        A module that is on another device than the CPU already stays there.
    """
    if device != "auto":
        return torch.device(device)
    if isinstance(backbone, nn.Module):
        first = next(backbone.parameters(), None)
        if first is not None and first.device.type != "cpu":
            return first.device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def frozen(backbone: Any, device: torch.device) -> Iterator[Callable[[Any], Any]]:
    """Yield the backbone as a function, in eval mode and without gradients.

    The module is on its device, in its modes and unchanged when the block ends.

    Parameters
    ----------
    backbone : object
        A module, an object with ``encode`` or a function.
    device : torch.device
        Where to compute.
    """
    if not isinstance(backbone, nn.Module) or callable(
        getattr(backbone, "encode", None)
    ):
        with torch.inference_mode():
            yield getattr(backbone, "encode", None) or backbone
        return
    modes = {module: module.training for module in backbone.modules()}
    first = next(backbone.parameters(), None)
    home = torch.device("cpu") if first is None else first.device
    try:
        backbone.eval()
        if home != device:
            backbone.to(device)
        with torch.inference_mode():
            yield backbone
    finally:
        if home != device:
            backbone.to(home)
        for module, mode in modes.items():
            module.training = mode


def to_device(batch: Any, device: torch.device) -> Any:
    """Return a batch with its tensors on a device: a tensor or a dict of them."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: to_device(part, device) for name, part in batch.items()}
    return batch


def call(model: Callable[[Any], Any], batch: Any) -> Any:
    """Return what a model makes of a batch; the parts of a dict go by name."""
    if isinstance(batch, Mapping) and isinstance(model, nn.Module):
        return model(**batch)
    return model(batch)


def as_vectors(output: Any, batch: Any, n_rows: int) -> NDArray[np.float32]:
    """Return one vector a row, of shape (n_rows, n_features).

    Maps of features (n, d, h, w) are averaged over h and w. Of a transformer's output
    the last hidden states are averaged over the tokens that the attention mask of the
    batch keeps.

    Parameters
    ----------
    output : Tensor, array-like or mapping
        What the model returned.
    batch : object
        What it was given.
    n_rows : int
        How many rows that were.
    """
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None and isinstance(output, Mapping):
        hidden = output.get("last_hidden_state")
    if hidden is not None:  # a convolutional net of transformers has maps there
        output = _mean_over_tokens(hidden, batch) if hidden.ndim == 3 else hidden
    elif isinstance(output, tuple | list) and output and isinstance(output[0], Tensor):
        output = output[0]
    if not isinstance(output, Tensor):
        output = torch.from_numpy(np.asarray(output))
    output = output.float()
    if output.ndim == 4:
        output = output.mean((2, 3))
    if output.ndim != 2 or len(output) != n_rows:
        raise ValueError(
            f"The backbone returned shape {tuple(output.shape)} for {n_rows} rows, "
            "where one vector a row, (n, d), or maps of features, (n, d, h, w), are "
            "wanted: wrap it in a module that pools its output."
        )
    return output.cpu().numpy()


def _mean_over_tokens(hidden_NTD: Tensor, batch: Any) -> Tensor:
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    if mask is None:
        return hidden_NTD.float().mean(1)
    mask_NT1 = mask.to(hidden_NTD.device)[..., None].float()
    return (hidden_NTD.float() * mask_NT1).sum(1) / mask_NT1.sum(1).clamp_min(1)
