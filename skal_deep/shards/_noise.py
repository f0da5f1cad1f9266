"""Random numbers that belong to a row, wherever it is stored.

Philox is a generator by counters: the numbers of rows 1,000 to 2,000 are made without
those before. So a row has the same noise in each sharding of a pool.
"""

import numpy as np
from numpy.typing import NDArray

# Numbers that one count of Philox makes.
_A_COUNT = 4


def uniform(seed: int, stream: int, start: int, n: int) -> NDArray[np.float64]:
    """Return numbers between 0 and 1, neither of them, for rows from ``start`` on.

    Parameters
    ----------
    seed : int
        Seed of the query.
    stream : int
        Different streams are independent.
    start, n : int
        Which rows.
    """
    counted = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64))
    counted.advance(start // _A_COUNT)
    skipped = start % _A_COUNT
    numbers = np.random.Generator(counted).random(n + skipped)[skipped:]
    return numbers + 2.0**-54  # 0 has no logarithm


def gumbel(seed: int, stream: int, start: int, n: int) -> NDArray[np.float64]:
    """Return standard Gumbel noise for rows from ``start`` on."""
    noise: NDArray[np.float64] = -np.log(-np.log(uniform(seed, stream, start, n)))
    return noise
