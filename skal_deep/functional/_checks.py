"""Checks of what kernels are given."""

import math
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from skal_deep._threads import for_each_part
from skal_deep.functional._chunks import chunks

# Numbers whose extremes take longer to find than to wait for a thread.
_MANY = 2**22


def check_finite(**arrays: Tensor) -> dict[str, float]:
    """Raise ``ValueError`` naming the argument that is NaN or infinite.

    The largest absolute value of each is returned.
    """
    return _largest(arrays)


def check_rows(
    finite: dict[str, Tensor] | None = None, /, **arrays: Tensor
) -> dict[str, float]:
    """Raise ``ValueError`` unless squared distances of rows are numbers, too.

    Rows must be finite, and the squares of the largest values neither infinite nor 0.
    Others that must be finite are looked at with them. The largest absolute value of
    each is returned.
    """
    for name, values in arrays.items():
        if not values.is_floating_point():
            dtype = str(values.dtype).removeprefix("torch.")
            raise ValueError(f"{name} must be of a floating type, not {dtype}.")
    largest = _largest((finite or {}) | arrays)
    name = max(arrays, key=lambda name: largest[name])
    rows = arrays[name]
    limits, square = torch.finfo(rows.dtype), largest[name] * largest[name]
    n_dims = max(1, rows.shape[-1])
    if 8 * n_dims * square > limits.max or (largest[name] > 0 and square < limits.tiny):
        raise ValueError(
            f"The largest value of {name} is {largest[name]:.1e}: squared distances "
            f"are no numbers of {str(rows.dtype).removeprefix('torch.')}. Scale the "
            "rows, for instance by a StandardScaler."
        )
    return largest


def _largest(arrays: dict[str, Tensor]) -> dict[str, float]:
    """Return the largest absolute values, 0 of none; they must be finite."""
    filled = {name: values for name, values in arrays.items() if values.numel()}
    # both extremes propagate NaN, and no mask as large as the array is made
    extremes = [_extremes(some.detach()) for some in filled.values()]
    largest = dict.fromkeys(arrays, 0.0)
    kinds = {(some.device, some.dtype) for some in extremes}
    if len(kinds) == 1 < len(extremes):
        read = torch.stack(extremes).tolist()  # a card is waited for at each read
    else:
        read = [some.tolist() for some in extremes]
    for name, (lowest, highest) in zip(filled, read, strict=True):
        largest[name] = max(abs(lowest), abs(highest))
        if not math.isfinite(largest[name]):
            raise ValueError(f"{name} holds NaN or infinite values.")
    return largest


def _extremes(values: Tensor) -> Tensor:
    """Return the smallest and the largest number (2,), NaN if any number is."""
    if not values.is_cpu or values.numel() < _MANY:
        return torch.stack(values.aminmax())
    parts = list(chunks(len(values), values.numel() // len(values), values.device))
    extreme_P2 = values.new_empty(len(parts), 2)

    def work_on(number: int) -> None:
        torch.stack(values[parts[number]].aminmax(), out=extreme_P2[number])

    for_each_part(range(len(parts)), lambda: work_on, values.device)
    return torch.stack(extreme_P2.aminmax())


def check_bandwidth(bandwidth: float, rows: Tensor) -> None:
    """Raise ``ValueError`` unless rows can be divided by the bandwidth of a kernel."""
    if not torch.finfo(rows.dtype).tiny <= bandwidth < math.inf:
        raise ValueError(f"bandwidth={bandwidth} must be above 0, and finite.")


def check_no_gradient(**arrays: Tensor) -> None:
    """Raise ``ValueError`` naming an array that gradients are asked of.

    For kernels that overwrite what they have computed, which cannot be differentiated.
    """
    for name, values in arrays.items():
        if values.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f"{name} requires gradients, and there are none of what is computed "
                f"here. Pass {name}.detach(), or call inside torch.no_grad()."
            )


def check_counts(least: float = 1, most: float = math.inf, **counts: Any) -> None:
    """Raise ``ValueError`` naming what is no whole number from least to most."""
    for name, count in counts.items():
        is_whole = isinstance(count, Integral) and not isinstance(count, bool)
        if not (is_whole and least <= int(count) <= most):
            ends = f", {least} or more" if least >= 0 else ""
            if most < math.inf:
                ends = f" from {least} to {most}"
            raise ValueError(f"{name} must be a whole number{ends}, not {count!r}.")


def check_batch_size(batch_size: int, n: int) -> None:
    """Raise ``ValueError`` unless 1 <= batch_size <= n."""
    check_counts(least=-math.inf, batch_size=batch_size)
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size={batch_size} must lie in 1 ... {n} candidates.")


def own_generator(generator: torch.Generator | None) -> torch.Generator:
    """Return the generator, or a fresh one that leaves the global one alone."""
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    return generator
