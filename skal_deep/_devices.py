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
def has_card() -> bool:
    """Return whether scores may be computed elsewhere than on the processor."""
    if not hasattr(torch, "accelerator"):  # since torch 2.6
        return torch.cuda.is_available()
    device = torch.accelerator.current_accelerator()
    if device is None or not torch.accelerator.is_available():
        return False
    return for_scores(device).type != "cpu"


def computable(answer: Tensor) -> Tensor:
    """Return what a net answers where scores of it are computed.

    Parameters
    ----------
    answer : Tensor
        The answer.
    """
    return answer.to(for_scores(answer.device))
