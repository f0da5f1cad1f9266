"""The compiled loop that hashes rows of numbers, in one reading of them."""

from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from skal_deep._compiled import cast, compile_loop, prefetch

_ZERO_32, _ZERO_64 = np.float32(0), np.float64(0)
_NAN = np.float32(np.nan).view(np.uint32)
_LOW = np.uint64(2**32 - 1)

_bits_32 = cast(types.float32, types.uint32)
_bits_64 = cast(types.float64, types.uint64)
_prefetch = prefetch()

# A number takes so many steps that a processor which looks ahead no further than its
# queue of them waits for memory most of the time. So rows, some numbers at a time, are
# asked for so many bytes before they are due, by the lines of a cache.
_TOGETHER, _AHEAD, _LINE = 256, 1024, 64


@njit(inline="always")
def _word(bits: Any) -> Any:
    """Return a word of 32 bits, with bits that differ brought to the low end."""
    bits = np.uint32(bits ^ np.uint32(bits >> np.uint32(16)))
    return np.uint64(np.uint32(bits ^ np.uint32(bits >> np.uint32(8))))


@njit(inline="always")
def _fetch(X: Any, start: int, n_numbers: int) -> None:
    """Ask for the numbers that stand some way behind these."""
    first = start + _AHEAD // X.itemsize
    for at in range(first, first + n_numbers, _LINE // X.itemsize):
        _prefetch(X, at)


@compile_loop()
def hash_rows(
    X: NDArray[Any], factors_KD: NDArray[np.uint64], hashes: NDArray[np.uint64]
) -> None:
    """Write the hashes of rows of float32 or float64.

    Sums are modulo 2^64, so that they do not hang on the order of summation.
    """
    if X.itemsize == 4:
        _of_singles(X, factors_KD, hashes)
    else:
        _of_doubles(X, factors_KD, hashes)


@njit(nogil=True)
def _of_singles(X: Any, factors_KD: Any, hashes: Any) -> None:
    n, n_numbers = X.shape
    factors = factors_KD[0]
    n_together = max(1, _TOGETHER // max(1, n_numbers))
    for i in range(n):
        if i % n_together == 0:
            _fetch(X, i * n_numbers, n_together * n_numbers)
        total = np.uint64(0)
        for d in range(n_numbers):
            value = np.float32(X[i, d]) + _ZERO_32  # 0.0 of -0.0
            bits = _bits_32(value) if value == value else _NAN
            total += _word(bits) * factors[d]
        hashes[i] = total


@njit(nogil=True)
def _of_doubles(X: Any, factors_KD: Any, hashes: Any) -> None:
    n, n_numbers = X.shape
    factors, of_low, of_high = factors_KD[0], factors_KD[1], factors_KD[2]
    n_together = max(1, _TOGETHER // max(1, n_numbers))
    for i in range(n):
        if i % n_together == 0:
            _fetch(X, i * n_numbers, n_together * n_numbers)
        total = np.uint64(0)
        for d in range(n_numbers):
            value = np.float64(X[i, d]) + _ZERO_64
            single = np.float32(value)
            bits = _bits_64(value)
            one = _word(_bits_32(single)) * factors[d]
            low = _word(np.uint32(bits & _LOW)) * of_low[d]
            high = _word(np.uint32(bits >> np.uint64(32))) * of_high[d]
            if value != value:
                total += _word(_NAN) * factors[d]
            elif np.float64(single) == value:
                total += one
            else:
                total += low + high
        hashes[i] = total
