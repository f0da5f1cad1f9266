"""The compiled loop that hashes rows of numbers, in one reading of them."""

from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from skal_deep._compiled import cast, compile_loop

_ZERO_32, _ZERO_64 = np.float32(0), np.float64(0)
_NAN = np.float32(np.nan).view(np.uint32)
_LOW = np.uint64(2**32 - 1)

_bits_32 = cast(types.float32, types.uint32)
_bits_64 = cast(types.float64, types.uint64)


@njit(inline="always")
def _word(bits: Any) -> Any:
    """Return a word of 32 bits, with bits that differ brought to the low end."""
    bits = np.uint32(bits ^ np.uint32(bits >> np.uint32(16)))
    return np.uint64(np.uint32(bits ^ np.uint32(bits >> np.uint32(8))))


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
    for i in range(n):
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
    for i in range(n):
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
