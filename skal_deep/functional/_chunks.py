"""Rows in parts whose temporary arrays fit into memory."""

from collections.abc import Iterator

# Elements of the largest temporary array: 4 MiB in float32, which most caches hold.
_MEMORY_BUDGET = 2**20


def chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices of rows, each for a temporary array that fits into memory.

    Write results into an array that was there before. Results of their own would be
    small arrays among the large ones, and keep the freed memory of each from being
    used again.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    n_columns : int
        Number of columns of the temporary array.

    Yields
    ------
    part : slice
        The next rows.
    """
    size = max(1, _MEMORY_BUDGET // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
