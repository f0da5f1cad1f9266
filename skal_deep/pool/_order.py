"""Whether rows are the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.rows._contents import equal_rows
from skal_deep.rows._data import take


def same_rows(
    data: Any, rows: NDArray[np.intp], other: Any, other_rows: NDArray[np.intp]
) -> bool:
    """Return whether rows of two inputs, both in one random order, hold the same."""
    if data is other:
        return np.array_equal(rows, other_rows)
    return len(rows) == len(other_rows) and all(
        equal_rows(
            take(data, rows[at : at + 1024]), take(other, other_rows[at : at + 1024])
        )
        for at in range(0, len(rows), 1024)
    )
