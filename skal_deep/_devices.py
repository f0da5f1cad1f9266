"""Devices that tensors lie on."""

from functools import cache

import torch
from torch import Tensor


@cache
def has_float64(device: torch.device) -> bool:
    """Return whether a device knows float64, which Apple's and some of Intel's do not.

    Parameters
    ----------
    device : torch.device
        The device.
    """
    if device.type == "cuda":  # without a word to the card, which takes a second
        return True
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def for_scores(device: torch.device) -> torch.device:
    """Return where scores of what lies on a device are computed.

    Parameters
    ----------
    device : torch.device
        The device, or the processor in place of it if it knows no float64.
    """
    is_known = device.type == "cpu" or has_float64(device)
    return device if is_known else torch.device("cpu")


@cache
def has_accelerator() -> bool:
    """Return whether another device than the processor may hold tensors."""
    if (
        torch.cuda.device_count()
    ):  # which leaves CUDA to processes that are forked later
        return True
    accelerator = getattr(torch, "accelerator", None)  # torch before 2.6 has none
    return accelerator is None or accelerator.is_available()


@cache
def has_card() -> bool:
    """Return whether scores may be computed elsewhere than on the processor."""
    if not has_accelerator():
        return False
    if not hasattr(torch, "accelerator"):
        return True
    device = torch.accelerator.current_accelerator()
    return device is not None and for_scores(device).type != "cpu"


def computable(answer: Tensor) -> Tensor:
    """Return what a net answers where scores of it are computed.

    Parameters
    ----------
    answer : Tensor
        The answer.
    """
    return answer.to(for_scores(answer.device))
