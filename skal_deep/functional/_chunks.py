"""Rows in parts whose temporary arrays fit into memory."""

import math
from collections.abc import Iterator
from functools import cache

import torch

# Elements of the largest temporary array on a processor: 4 MiB in float32, which most
# caches hold. Larger ones cost a way to memory and back for each operation on them.
_MEMORY_BUDGET = 2**20
# Elsewhere an operation must be large enough to outweigh its start, about as long as a
# card takes for 40 MB. One array takes this share of a card's memory, in float32: 2^28
# elements where there are 80 GB.
_SHARE_OF_CARD = 1 / 64
# A block of both sides has so many times as many columns as rows: enough rows that the
# columns are read seldom, and rows so long that looking for their smallest is quick.
_ASPECT = 16


def memory_budget(device: torch.device) -> int:
    """Return how many elements the largest temporary array of a kernel may have.

    Parameters
    ----------
    device : torch.device
        Where the array is to be.
    """
    if device.type == "cpu":
        return _MEMORY_BUDGET
    return max(_MEMORY_BUDGET, int(_SHARE_OF_CARD * _memory(device)) // 4)


@cache
def _memory(device: torch.device) -> int:
    """Return how many bytes a device has, 8 GiB where it does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return 2**33


def slices(n_rows: int, size: int) -> Iterator[slice]:
    """Yield slices of so many rows, the last one of what is left."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def chunks(n_rows: int, n_columns: int, device: torch.device) -> Iterator[slice]:
    """Yield slices of rows, each for a temporary array that fits into memory.

    Write results into an array that was there before. Results of their own would be
    small arrays among the large ones, and keep the freed memory of each from being
    used again.

    Use it where a row needs all its columns at once. Where it does not,
    :func:`block_shape` cuts both sides: with many columns a chunk is few rows, and a
    product with few rows reads all columns for each of them.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    n_columns : int
        Number of columns of the temporary array.
    device : torch.device
        Where the array is to be.

    Yields
    ------
    part : slice
        The next rows.
    """
    return slices(n_rows, max(1, memory_budget(device) // max(1, n_columns)))


def block_shape(
    n_rows: int, n_columns: int, device: torch.device, aspect: int = _ASPECT
) -> tuple[int, int]:
    """Return how many rows and columns a block of a large array may have.

    With many of both, 256 rows and 4,096 columns on a processor. What one side lacks
    the other gets.

    Parameters
    ----------
    n_rows, n_columns : int
        Shape of the array, which never exists.
    device : torch.device
        Where blocks are to be.
    aspect : int, optional
        How many times as many columns as rows a block has if there are many of both.

    Returns
    -------
    height, width : int
        At least 1 each.
    """
    budget = memory_budget(device)
    height = max(1, min(n_rows, math.isqrt(budget // aspect)))
    width = max(1, min(n_columns, budget // height))
    return max(1, min(n_rows, budget // width)), width
