"""Checks of what kernels are given."""

import torch
from torch import Tensor


def check_finite(**arrays: Tensor) -> None:
    """Raise ``ValueError`` naming the argument that is NaN or infinite."""
    for name, values in arrays.items():
        # the extremes propagate NaN, and no mask as large as the array is made
        if values.numel() and not torch.stack(values.aminmax()).isfinite().all():
            raise ValueError(f"{name} holds NaN or infinite values.")


def check_batch_size(batch_size: int, n: int) -> None:
    """Raise ``ValueError`` unless 1 <= batch_size <= n."""
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size={batch_size} must lie in 1 ... {n} candidates.")


def own_generator(generator: torch.Generator | None) -> torch.Generator:
    """Return the generator, or a fresh one that leaves the global one alone."""
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    return generator
