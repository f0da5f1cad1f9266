"""Images in the order in memory in which processors convolve them fastest."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def channels_last(x: Tensor) -> Tensor:
    """Return images with the channels of a pixel side by side; the same numbers.

    Convolutions and pooling on a processor are faster on them.

    Parameters
    ----------
    x : Tensor of shape (N, ...)
        Rows; only those of shape (N, C, H, W) are images.
    """
    if x.ndim == 4 and x.is_cpu:
        return x.to(memory_format=torch.channels_last)
    return x


class ChannelsLast:
    """Runs a function on images by :func:`channels_last`, until that fails once.

    ``Tensor.view``, for one, asks for the usual order in memory and raises RuntimeError
    else. Such a function is run again with the images as they are, and from then on.

    Parameters
    ----------
    run : callable
        Takes images first. A run that fails must leave nothing behind.
    """

    def __init__(self, run: Callable[..., Any]):
        self._run = run
        self._works = True

    def __call__(self, x: Tensor, *args: Any) -> Any:
        """Return what the function returns."""
        images = channels_last(x)
        if self._works and images is not x:
            try:
                return self._run(images, *args)
            except RuntimeError:  # with another cause it comes again below
                self._works = False
        return self._run(x, *args)


def convolves(module: nn.Module) -> bool:
    """Return whether a module has convolutions of images, on a processor."""
    return any(
        isinstance(part, nn.Conv2d) and part.weight.is_cpu for part in module.modules()
    )
