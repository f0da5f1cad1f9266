"""The compiled loop of the kernels of information.

Logarithms are what these kernels spend their time on. One reading of the probabilities
does without the temporary arrays that one operation after another writes and reads.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from skal_deep._compiled import cast, compile_loop, prefetch

Numbers = NDArray[np.float32]

# Columns that are summed at once: their sums take 256 KiB, which caches hold.
_N_COLUMNS = 2**15
# Rows that are summed before their sum is added to that of the others: the round-off of
# many small numbers would add up.
_N_ROWS = 256
# Products may be fused with sums. Sums keep their order: equal rows get equal scores
# wherever they stand. NaN and infinity keep their meaning.
_FAST = {"contract", "nsz"}

# log m = f - f^2 / 2 + f^3 P(f) for f = m - 1 and m between sqrt(1/2) and sqrt(2): the
# coefficients of P, from f^0 up, have the smallest relative error, 6e-9 (minimax).
_P = tuple(
    np.array(
        [
            0.3333333134651184,
            -0.2500081956386566,
            0.20001226663589478,
            -0.16623356938362122,
            0.14201757311820984,
            -0.13160182535648346,
            0.1276157796382904,
            -0.07634497433900833,
        ],
        dtype=np.float32,
    )
)
_ONE, _HALF, _LOG_2 = np.array([1, 0.5, np.log(2)], dtype=np.float32)
_TINY = np.finfo(np.float32).tiny
_BITS_OF_SQRT_HALF = np.sqrt(np.float32(0.5)).view(np.int32)
_MANTISSA_BITS = np.int32(23)


# 2^f for f between -1/2 and 1/2: the coefficients, from f^0 up, have the smallest
# relative error, 8e-8, among those that are exact at 0 (minimax).
_E = tuple(
    np.array(
        [
            1,
            0.6931470632553101,
            0.24022234976291656,
            0.055506784468889236,
            0.009671961888670921,
            0.0013274633092805743,
        ],
        dtype=np.float32,
    )
)
# What is added to it loses all but whole numbers, which are the last bits of the sum.
_TO_WHOLE = np.float32(1.5 * 2**23)
# Smaller powers of 2 are 0 here: they are below the normal numbers.
_LEAST_EXPONENT = np.float32(-126)
# Columns that are compared at once with what is kept.
_N_COMPARED = 32
# Columns that are summed in single precision before they are added to the others.
_N_SUMMED = 512


# Numbers of rows here and there that are asked for at once; a processor waits for one
# after another. They come by lines of a cache, of so many bytes.
_N_FETCHED, _LINE = 2**13, 64


_prefetch = prefetch()
_as_int = cast(types.float32, types.int32)
_as_float = cast(types.int32, types.float32)


@njit(inline="always", fastmath=_FAST)
def _plogp(p: Any) -> Any:
    """Return p log p, with a relative error below 3e-7 above 1e-30, and 0 at 0."""
    bits = _as_int(p + _TINY)
    exponent = np.int32(np.int32(bits - _BITS_OF_SQRT_HALF) >> _MANTISSA_BITS)
    f = _as_float(np.int32(bits - np.int32(exponent << _MANTISSA_BITS))) - _ONE
    square = f * f
    low = _P[0] + f * _P[1] + square * (_P[2] + f * _P[3])
    high = _P[4] + f * _P[5] + square * (_P[6] + f * _P[7])
    cubic = low + square * square * high
    log = (f + square * (f * cubic - _HALF)) + np.float32(exponent) * _LOG_2
    return p * log


@compile_loop(fastmath=_FAST)
def divergence(
    weight_R: Numbers,
    proba_RNC: Numbers,
    divergence_N: Numbers,
    begin: int,
    stop: int,
) -> None:
    """Write the divergences of :func:`skal_deep.functional.information.divergence`.

    Of the rows N from begin to stop.
    """
    n_rows, n, n_classes = proba_RNC.shape
    proba_RF = proba_RNC.reshape(n_rows, n * n_classes)
    n_together = max(1, min(stop - begin, _N_COLUMNS // n_classes))
    mean = np.empty(n_together * n_classes, dtype=np.float32)
    plogp, some_mean, some_plogp = np.empty_like(mean), mean.copy(), mean.copy()
    for first in range(begin, stop, n_together):
        last = min(first + n_together, stop)
        start, end = first * n_classes, last * n_classes
        _sum(weight_R, proba_RF, 0, min(_N_ROWS, n_rows), start, end, mean, plogp)
        for low in range(_N_ROWS, n_rows, _N_ROWS):
            high = min(low + _N_ROWS, n_rows)
            _sum(weight_R, proba_RF, low, high, start, end, some_mean, some_plogp)
            mean += some_mean
            plogp += some_plogp
        for f in range(end - start):
            plogp[f] -= _plogp(mean[f])
        for i in range(last - first):
            total = 0.0
            for c in range(n_classes):
                total += plogp[i * n_classes + c]
            divergence_N[first + i] = total


# A row is summed by several sums at once, all rows in the same way.
@compile_loop(fastmath=_FAST | {"reassoc"})
def add_plogp(
    proba_FG: Numbers, weight_G: Numbers, total_F: NDArray[np.float64]
) -> None:
    """Add ``sum_g w_g p_fg log p_fg``, also of numbers above 1."""
    n_columns = len(weight_G)
    for f in range(len(total_F)):
        total = np.float32(0)
        for g in range(n_columns):
            total += weight_G[g] * _plogp(proba_FG[f, g])
        total_F[f] += total


@compile_loop(fastmath=_FAST)
def ratios(
    weight_S: NDArray[np.float64],
    proba_SF: Numbers,
    ratio_SF: Numbers,
    mean_F: NDArray[np.float64],
) -> None:
    """Write the mean of draws, and draws over it: 0 where it is 0."""
    n_draws, n_columns = proba_SF.shape
    mean_F[:] = 0.0
    for s in range(n_draws):
        for f in range(n_columns):
            mean_F[f] += weight_S[s] * proba_SF[s, f]
    for s in range(n_draws):
        for f in range(n_columns):
            mean = mean_F[f]
            # of the smallest numbers there are, the inverse may be none
            ratio_SF[s, f] = proba_SF[s, f] / (mean if mean > 0 else 1.0)


# Not inlined before it is compiled: the loop around may reorder sums, this must not.
@njit(fastmath=_FAST)
def _exp2(x: Any) -> Any:
    """Return 2^x for x below 127, exact at 0, else with a relative error below 3e-7.

    Numbers below 2^-126 are 0.
    """
    shifted = x + _TO_WHOLE
    f = x - (shifted - _TO_WHOLE)
    square = f * f
    high = _E[2] + f * _E[3] + square * (_E[4] + f * _E[5])
    power = (_E[0] + f * _E[1]) + square * high
    exponent = np.int32(_as_int(shifted) << _MANTISSA_BITS)
    power = _as_float(np.int32(_as_int(power) + exponent))
    return np.float32(0) if x < _LEAST_EXPONENT else power


# A row is summed by several sums at once, all rows in the same way.
@compile_loop(fastmath=_FAST | {"reassoc"})
def clamped_powers(
    product_NM: Numbers,
    factor: np.float32,
    exponent_N: Numbers,
    exponent_M: Numbers,
    given: tuple[Numbers, ...] | None,
    total_N: NDArray[np.float64],
) -> None:
    """Write ``sum_m w_m (min(max(k_nm, low_m), high_m) - low_m)``.

    With ``k_nm = 2^(factor * product_nm + exponent_n + exponent_m)``, and low, high and
    weight of each column as given, or 0, 1 and 1.
    """
    n, n_columns = product_NM.shape
    one = np.float32(1)
    for i in range(n):
        exponent_n = exponent_N[i]
        total = np.float64(0)
        for start in range(0, n_columns, _N_SUMMED):
            end = min(start + _N_SUMMED, n_columns)
            product, exponent_m = product_NM[i, start:end], exponent_M[start:end]
            some = np.float32(0)
            if given is None:
                for m in range(end - start):
                    power = _exp2(factor * product[m] + (exponent_m[m] + exponent_n))
                    some += min(power, one)
            else:
                low, high = given[0][start:end], given[1][start:end]
                weight = given[2][start:end]
                for m in range(end - start):
                    power = _exp2(factor * product[m] + (exponent_m[m] + exponent_n))
                    some += weight[m] * (min(max(power, low[m]), high[m]) - low[m])
            total += some
        total_N[i] = total


@njit(nogil=True, error_model="numpy")
def _look_along_lanes(value_P: Any, lowest_L: Any) -> None:
    """Write the L lowest of many values, each among every L-th of them."""
    n_lanes = len(lowest_L)
    lowest_L[:] = value_P[:n_lanes]
    for begin in range(n_lanes, len(value_P), _N_COMPARED):
        at = begin % n_lanes
        some, lowest = value_P[begin : begin + _N_COMPARED], lowest_L[at:]
        for lane in range(len(some)):
            lowest[lane] = min(lowest[lane], some[lane])


@njit(nogil=True, error_model="numpy")
def _enough(lowest_L: Any, k: int) -> Any:
    """Return the k-th smallest of some values, which at least k do not exceed."""
    n_lanes = len(lowest_L)
    enough = -lowest_L.dtype.type(np.inf)
    for lane in range(n_lanes):
        n_lower = np.int32(0)
        for other in range(n_lanes):
            n_lower += np.int32(lowest_L[other] < lowest_L[lane])
        if n_lower < k:
            enough = max(enough, lowest_L[lane])
    return enough


@njit(nogil=True, error_model="numpy")
def _keep(
    value_P: Any, n_columns: int, lowest_L: Any, start: int, kept: Any, position: Any
) -> None:
    """Bring the smallest values of a row up to date with those of more columns."""
    k = len(kept)
    n_kept, n_smaller = min(start, k), n_columns
    limit = value_P.dtype.type(np.inf)
    if n_kept == k:
        limit, n_smaller = kept[k - 1], 0
        for m in range(len(value_P)):
            n_smaller += value_P[m] < limit
        if not n_smaller:
            return
    if n_smaller > 3 * k and n_columns >= 2 * len(lowest_L):
        _look_along_lanes(value_P, lowest_L)
        limit = min(limit, _enough(lowest_L, k))
    for begin in range(0, n_columns, _N_COMPARED):
        some, is_any_within = value_P[begin : begin + _N_COMPARED], False
        for m in range(len(some)):
            is_any_within |= some[m] <= limit
        if not is_any_within:
            continue
        for m in range(begin, min(begin + _N_COMPARED, n_columns)):
            value = value_P[m]
            if value <= limit and (n_kept < k or value < kept[k - 1]):
                place = min(n_kept, k - 1)
                while place > 0 and value < kept[place - 1]:
                    kept[place], position[place] = kept[place - 1], position[place - 1]
                    place -= 1
                kept[place], position[place] = value, start + m
                n_kept = min(n_kept + 1, k)


@njit(nogil=True, error_model="numpy")
def _row_and_lanes(like: Any, n_columns: int, k: int) -> Any:
    """Return memory for the values of a row, and for the lowest of at least 2k lanes.

    What is behind the last column is infinite: it never is among the smallest.
    """
    n_lanes = _N_COMPARED
    while n_lanes < 2 * k:
        n_lanes *= 2
    n_padded = max(n_lanes, -(-n_columns // _N_COMPARED) * _N_COMPARED)
    value_P = np.full(n_padded, np.inf, dtype=like.dtype)
    return value_P, np.empty(n_lanes, dtype=like.dtype)


@compile_loop()
def keep_smallest(
    value_NM: NDArray[Any],
    start: int,
    kept_NK: NDArray[Any],
    position_NK: NDArray[np.int64],
) -> None:
    """Bring the K smallest values of each row up to date with M more columns.

    Their positions are counted from ``start``, and all columns before were looked at.
    What is kept ascends, the lowest position first where values are equal.

    Where many values are smaller than what is kept, as in any first columns, few of
    them are inserted: those up to a value that enough others do not exceed.
    """
    n, n_columns = value_NM.shape
    value_P, lowest_L = _row_and_lanes(kept_NK, n_columns, kept_NK.shape[1])
    for i in range(n):
        value_P[:n_columns] = value_NM[i]
        _keep(value_P, n_columns, lowest_L, start, kept_NK[i], position_NK[i])


@compile_loop(fastmath=_FAST)
def keep_nearest(
    product_NM: NDArray[Any],
    norm_N: NDArray[Any],
    norm_M: NDArray[Any],
    start: int,
    kept_NK: NDArray[Any],
    position_NK: NDArray[np.int64],
) -> None:
    """Do what :func:`keep_smallest` does with ``norm_m - 2 product_nm + norm_n``."""
    n, n_columns = product_NM.shape
    value_P, lowest_L = _row_and_lanes(kept_NK, n_columns, kept_NK.shape[1])
    two = product_NM.dtype.type(2)
    for i in range(n):
        product, norm_n = product_NM[i], norm_N[i]
        for m in range(n_columns):
            value_P[m] = (norm_M[m] - two * product[m]) + norm_n
        _keep(value_P, n_columns, lowest_L, start, kept_NK[i], position_NK[i])


@compile_loop(fastmath=_FAST)
def nearest_of(
    product_NK: NDArray[Any],
    norm_K: NDArray[Any],
    start: int,
    offset_N: NDArray[Any],
    nearest_N: NDArray[np.int64],
) -> None:
    """Bring the least ``norm_k - 2 product_nk`` up to date, and where that is.

    Positions are counted from ``start``. The first wins a tie.
    """
    n_columns, two = len(norm_K), product_NK.dtype.type(2)
    value_P, lowest_L = _row_and_lanes(product_NK, n_columns, 1)
    for i in range(len(product_NK)):
        product = product_NK[i]
        for k in range(n_columns):
            value_P[k] = norm_K[k] - two * product[k]
        lowest = value_P[:n_columns]
        if n_columns > 4 * _N_COMPARED:
            _look_along_lanes(value_P, lowest_L)
            lowest = lowest_L
        least = lowest[0]
        for k in range(1, len(lowest)):
            least = min(least, lowest[k])
        if least < offset_N[i]:
            nearest = 0
            while value_P[nearest] != least:
                nearest += 1
            offset_N[i], nearest_N[i] = least, start + nearest


@compile_loop(fastmath=_FAST | {"reassoc"})
def differences_to(
    rows_ND: NDArray[Any],
    others_MD: NDArray[Any],
    other_N: NDArray[np.int64],
    squared_N: NDArray[Any],
) -> None:
    """Write squared distances of rows to others, one of them each."""
    for i in range(len(rows_ND)):
        squared_N[i] = _squared(rows_ND[i], others_MD[other_N[i]])


@compile_loop(fastmath=_FAST | {"reassoc"})
def look_again(
    rows_ND: NDArray[Any],
    data_MD: NDArray[Any],
    sure_N: NDArray[Any],
    kept_NK: NDArray[Any],
    position_NK: NDArray[np.int64],
) -> None:
    """Take differences in the place of squared distances that are not sure.

    The others are sure. Distances ascend again at the end, the lowest position first
    where they are equal.
    """
    for i in range(len(rows_ND)):
        kept, position = kept_NK[i], position_NK[i]
        for k in range(len(kept)):
            if kept[k] < sure_N[i]:
                kept[k] = _squared(rows_ND[i], data_MD[position[k]])
        for k in range(1, len(kept)):
            value, at, place = kept[k], position[k], k
            while place > 0 and (
                value < kept[place - 1]
                or (value == kept[place - 1] and at < position[place - 1])
            ):
                kept[place], position[place] = kept[place - 1], position[place - 1]
                place -= 1
            kept[place], position[place] = value, at


@compile_loop(fastmath=_FAST | {"reassoc"})
def squared_lengths(
    rows_ND: NDArray[Any], origin_D: NDArray[Any], squared_N: NDArray[Any]
) -> None:
    """Write squared distances of rows to an origin."""
    n_dims = len(origin_D)
    for i in range(len(rows_ND)):
        row, total = rows_ND[i], rows_ND.dtype.type(0)
        for d in range(n_dims):
            difference = row[d] - origin_D[d]
            total += difference * difference
        squared_N[i] = total


@njit(inline="always")
def _fetch_row(rows_ND: Any, i: int) -> None:
    """Ask for the numbers of a row."""
    n_dims = rows_ND.shape[1]
    for at in range(i * n_dims, (i + 1) * n_dims, _LINE // rows_ND.itemsize):
        _prefetch(rows_ND, at)


# Not inlined before it is compiled: the loop around would take the square of what is
# shared first, which may be 0 or infinite.
@njit(fastmath=_FAST)
def _left(variance: Any, scale: Any, shared: Any) -> Any:
    """Return a variance without what is explained, but not below 0."""
    left = variance - scale * shared * shared
    return 0.0 if left < 0 else left  # NaN stays


@njit(inline="always", fastmath=_FAST | {"reassoc"})
def _explained(variance: Any, row_D: Any, toward_D: Any, scale: Any) -> Any:
    """Return a variance without the scaled square of a product with a vector."""
    total = row_D.dtype.type(0)
    for d in range(len(toward_D)):
        total += row_D[d] * toward_D[d]
    return _left(variance, scale, np.float64(total))


@compile_loop(fastmath=_FAST | {"reassoc"})
def explain(
    rows_ND: NDArray[Any],
    toward_D: NDArray[Any],
    scale: float,
    variance_N: NDArray[np.float64],
) -> None:
    """Take scaled squares of products with a vector from variances, but not below 0."""
    for i in range(len(rows_ND)):
        variance_N[i] = _explained(variance_N[i], rows_ND[i], toward_D, scale)


@compile_loop(fastmath=_FAST | {"reassoc"})
def explain_largest(
    rows_ND: NDArray[Any],
    toward_KD: NDArray[Any],
    scale_K: NDArray[np.float64],
    seen_N: NDArray[np.int64],
    variance_N: NDArray[np.float64],
    are_all: bool,
    largest_1: NDArray[np.float64],
    at_1: NDArray[np.int64],
) -> None:
    """Do what :func:`explain` does, with several vectors, to find the largest variance.

    Rows whose variance is not the largest even without that are left as they are.

    Parameters
    ----------
    rows_ND : ndarray of shape (N, D)
        Rows.
    toward_KD, scale_K : ndarray of shapes (K, D) and (K,)
        Vectors, and their scales: if some are negative or infinite, all rows must be
        brought up to date.
    seen_N : ndarray of shape (N,)
        With how many of the vectors, the first ones, a row is up to date. Written.
    variance_N : ndarray of shape (N,)
        Variances, -inf of rows that do not count. Written.
    are_all : bool
        Whether to bring all rows up to date.
    largest_1, at_1 : ndarray of shape (1,)
        The largest variance is written, and the first place where it is.
    """
    n_vectors, n_dims = toward_KD.shape
    largest, at = -np.inf, 0
    n_together = max(1, _N_FETCHED // n_dims)
    due = np.empty(n_together, dtype=np.int64)
    for begin in range(0, len(rows_ND), n_together):
        n_due = 0
        for i in range(begin, min(begin + n_together, len(rows_ND))):
            due[n_due] = i
            n_due += are_all or variance_N[i] > largest
        if 2 * n_due < n_together:  # many in a row a processor foresees by itself
            for i in due[:n_due]:
                _fetch_row(rows_ND, i)
        for i in due[:n_due]:
            variance = variance_N[i]
            if variance <= largest and not are_all:
                continue
            for k in range(seen_N[i], n_vectors):
                variance = _explained(variance, rows_ND[i], toward_KD[k], scale_K[k])
            variance_N[i], seen_N[i] = variance, n_vectors
            if variance > largest:
                largest, at = variance, i
    largest_1[0], at_1[0] = largest, at


@njit(inline="always", fastmath=_FAST | {"reassoc"})
def _squared(row_D: Any, other_D: Any) -> Any:
    """Return the squared distance of two rows, from differences."""
    total = row_D.dtype.type(0)
    for d in range(len(row_D)):
        difference = row_D[d] - other_D[d]
        total += difference * difference
    return total


@njit(inline="always", fastmath=_FAST | {"reassoc"})
def _join(rows_ND: Any, center_D: Any, squared_N: Any) -> None:
    """Bring squared distances to the nearest centre up to date with one more."""
    for i in range(len(rows_ND)):
        squared_N[i] = min(squared_N[i], _squared(rows_ND[i], center_D))


@compile_loop(fastmath=_FAST | {"reassoc"})
def farthest_first(
    rows_ND: NDArray[Any],
    centers_MD: NDArray[Any],
    squared_N: NDArray[Any],
    pick_B: NDArray[np.int64],
    squared_B: NDArray[Any],
) -> None:
    """Write the picks that are farthest from all centres, one after another.

    Parameters
    ----------
    rows_ND : ndarray of shape (N, D)
        Points.
    centers_MD : ndarray of shape (M, D)
        Centres whose distances are not known yet.
    squared_N : ndarray of shape (N,)
        Squared distances to the nearest of all other centres, -inf at points that are
        not to be picked. Brought up to date with these centres and the picks.
    pick_B, squared_B : ndarray of shape (B,)
        The picks, of which the first wins a tie, and their squared distances.
    """
    for m in range(len(centers_MD)):
        _join(rows_ND, centers_MD[m], squared_N)
    for step in range(len(pick_B)):
        at = 0
        for i in range(1, len(rows_ND)):
            if squared_N[i] > squared_N[at]:
                at = i
        pick_B[step], squared_B[step] = at, squared_N[at]
        squared_N[at] = -np.inf
        _join(rows_ND, rows_ND[at], squared_N)


@compile_loop(fastmath=_FAST | {"reassoc"})
def join_each(
    rows_ND: NDArray[Any],
    centers_RD: NDArray[Any],
    squared_RN: NDArray[Any],
    begin: int,
    stop: int,
) -> None:
    """Bring R squared distances of each row up to date with a centre each.

    Of the rows N from begin to stop.
    """
    for i in range(begin, stop):
        for r in range(len(centers_RD)):
            squared = _squared(rows_ND[i], centers_RD[r])
            squared_RN[r, i] = min(squared_RN[r, i], squared)


# Nothing is fused: these are the sums of one operation after another.
@compile_loop()
def draw_each(
    squared_RN: NDArray[Any],
    weight_N: NDArray[Any],
    place_R: NDArray[Any],
    drawn_R: NDArray[np.int64],
) -> None:
    """Write the first row at which sums of weight times squared distance reach a place.

    Of R squared distances of each row; the last row where none does.
    """
    for r in range(len(place_R)):
        total = weight_N.dtype.type(0)
        drawn_R[r] = len(weight_N) - 1
        for i in range(len(weight_N)):
            total += weight_N[i] * squared_RN[r, i]
            if total >= place_R[r]:
                drawn_R[r] = i
                break


# Nothing is fused here either.
@compile_loop()
def add_to_groups(
    data_MD: NDArray[Any],
    group_M: NDArray[np.int64],
    weight_M: NDArray[np.float64],
    sum_GD: NDArray[np.float64],
    begin: int,
    stop: int,
) -> None:
    """Add weighted rows to the sums of their groups.

    Of the columns D from begin to stop.
    """
    for m in range(len(data_MD)):
        row, weight = data_MD[m, begin:stop], weight_M[m]
        total = sum_GD[group_M[m], begin:stop]
        for d in range(len(row)):
            total[d] += row[d] * weight


@compile_loop(fastmath=_FAST | {"reassoc"})
def move_bounds(
    rows_ND: NDArray[Any],
    center_KD: NDArray[Any],
    move_K: NDArray[Any],
    largest_T: NDArray[Any],
    cluster_N: NDArray[np.int64],
    upper_N: NDArray[Any],
    lower_N: NDArray[Any],
    is_open_N: NDArray[np.bool_],
) -> None:
    """Bring bounds of distances up to date with how far centres have moved.

    Where those to the own centre and to the next one overlap, the first is computed;
    where they still do, a row is open.
    """
    for i in range(len(rows_ND)):
        own = cluster_N[i]
        is_first = move_K[own] == largest_T[0]
        lower_N[i] -= largest_T[-1] if is_first else largest_T[0]
        upper_N[i] += move_K[own]
        is_open_N[i] = False
        if upper_N[i] > lower_N[i]:
            upper_N[i] = np.sqrt(_squared(rows_ND[i], center_KD[own]))
            is_open_N[i] = upper_N[i] > lower_N[i]


@compile_loop(fastmath=_FAST)
def two_nearest(
    product_KL: NDArray[Any],
    norm_K: NDArray[Any],
    row_L: NDArray[np.int64],
    norm_N: NDArray[Any],
    squared_TL: NDArray[Any],
    place_L: NDArray[np.int32],
    cluster_N: NDArray[np.int64],
    upper_N: NDArray[Any],
    lower_N: NDArray[Any],
) -> None:
    """Write the nearest centre of some rows, and the distances to it and to the next.

    The first centre wins a tie. Room is given for two squared distances and a place.
    """
    n, two = len(row_L), product_KL.dtype.type(2)
    first, second, place = squared_TL[0, :n], squared_TL[1, :n], place_L[:n]
    first[:], second[:], place[:] = np.inf, np.inf, 0
    for k in range(len(product_KL)):
        product, norm, at = product_KL[k], norm_K[k], np.int32(k)
        for j in range(n):  # which a processor does for several j at once
            offset, least, before = norm - two * product[j], first[j], place[j]
            second[j] = min(second[j], max(least, offset))
            first[j] = min(least, offset)
            place[j] = at if offset < least else before
    for j in range(n):
        i = row_L[j]
        cluster_N[i] = place[j]
        upper_N[i] = np.sqrt(max(first[j] + norm_N[i], 0))
        lower_N[i] = np.sqrt(max(second[j] + norm_N[i], 0))


# Nothing is fused: these are the sums of scipy's product.
@compile_loop()
def flow_out(
    weight_E: NDArray[Any],
    column_E: NDArray[Any],
    start_N: NDArray[Any],
    x_N: NDArray[Any],
    alpha: Any,
    begin: int,
    stop: int,
    product_N: NDArray[Any],
) -> None:
    """Write ``x - alpha S x`` of the rows from begin to stop of a graph S.

    Its edges are in order of the rows. Places that cannot be below 0 need not be looked
    at for that, which takes half of the time.
    """
    for i in range(begin, stop):
        total = x_N.dtype.type(0)
        for e in range(np.uint64(start_N[i]), np.uint64(start_N[i + 1])):
            total += weight_E[e] * x_N[np.uint64(column_E[e])]
        product_N[i] = x_N[i] - alpha * total


@compile_loop(fastmath=_FAST | {"reassoc"})
def join_cluster(
    rows_ND: NDArray[Any],
    centers_MD: NDArray[Any],
    name: int,
    squared_N: NDArray[Any],
    owner_N: NDArray[np.int64],
    left_N: NDArray[np.bool_],
    begin: int,
    stop: int,
    size_K: NDArray[np.float64],
    farthest_K: NDArray[Any],
    at_K: NDArray[np.int64],
) -> None:
    """Add a centre to those that rows belong to, and look at the clusters.

    Of the rows N from begin to stop.

    Parameters
    ----------
    rows_ND : ndarray of shape (N, D)
        Points.
    centers_MD : ndarray of shape (M, D)
        The centre, or none, where M is 0.
    name : int
        Its number.
    squared_N, owner_N : ndarray of shape (N,)
        Squared distances to the nearest centre, and which it is: brought up to date.
    left_N : ndarray of shape (N,)
        Which rows are left.
    size_K : ndarray of shape (K,)
        Sums of the squared distances of the rows of each cluster are written here,
    farthest_K, at_K : ndarray of shape (K,)
        and the largest of those that are left, with the lowest row that has it; -1 is
        the row of none.
    """
    size_K[:] = 0
    farthest_K[:] = -1
    at_K[:] = -1
    for i in range(begin, stop):
        for m in range(len(centers_MD)):
            squared = _squared(rows_ND[i], centers_MD[m])
            if squared < squared_N[i]:
                squared_N[i], owner_N[i] = squared, name
        k, squared = owner_N[i], squared_N[i]
        size_K[k] += squared
        if left_N[i] and squared > farthest_K[k]:
            farthest_K[k], at_K[k] = squared, i


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _sum(
    weight_R: Numbers,
    proba_RF: Numbers,
    low: int,
    high: int,
    start: int,
    end: int,
    mean: Numbers,
    plogp: Numbers,
) -> None:
    """Write ``sum_r w_r p_rf`` and ``sum_r w_r p_rf log p_rf`` to the last two.

    Over rows from low to high, for columns from start to end; four rows at a time, as
    each addition reads and writes the sums.
    """
    mean[:] = 0
    plogp[:] = 0
    in_fours = low + (high - low) // 4 * 4
    for r in range(low, in_fours, 4):
        p0, p1 = proba_RF[r, start:end], proba_RF[r + 1, start:end]
        p2, p3 = proba_RF[r + 2, start:end], proba_RF[r + 3, start:end]
        w0, w1, w2, w3 = weight_R[r], weight_R[r + 1], weight_R[r + 2], weight_R[r + 3]
        for f in range(end - start):
            mean[f] += (w0 * p0[f] + w1 * p1[f]) + (w2 * p2[f] + w3 * p3[f])
            first = w0 * _plogp(p0[f]) + w1 * _plogp(p1[f])
            plogp[f] += first + (w2 * _plogp(p2[f]) + w3 * _plogp(p3[f]))
    for r in range(in_fours, high):
        p0, w0 = proba_RF[r, start:end], weight_R[r]
        for f in range(end - start):
            mean[f] += w0 * p0[f]
            plogp[f] += w0 * _plogp(p0[f])


@compile_loop(fastmath=_FAST | {"reassoc"})
def design_step(
    factor_NRK: NDArray[Any],
    form_NQK: NDArray[Any],
    inner_NRR: NDArray[np.float64],
    outer_NRR: NDArray[np.float64],
    change_N: NDArray[np.float64],
    diagonal: float,
    sign: int,
) -> None:
    """Do what :func:`skal_deep.functional._card.design_step` does.

    There may be no forms, Q = 0.
    """
    n, n_own, n_factors = factor_NRK.shape
    a, inverse = np.empty((n_own, n_own)), np.empty((n_own, n_own))
    b = np.empty_like(a)
    for i in range(n):
        inner, outer = inner_NRR[i], outer_NRR[i]
        if form_NQK.shape[1]:
            factor, form = factor_NRK[i], form_NQK[i]
            for r in range(n_own):
                for q in range(n_own):
                    first = second = factor_NRK.dtype.type(0)
                    for k in range(n_factors):
                        first += factor[r, k] * form[q, k]
                        second += factor[r, k] * form[n_own + q, k]
                    a[r, q], b[r, q] = first, second
            for r in range(n_own):
                for q in range(n_own):
                    own = other = 0.0
                    for k in range(n_own):
                        own += a[r, k] * a[q, k]
                        other += a[r, k] * b[q, k]
                    inner[r, q] -= sign * own
                    outer[r, q] -= 2 * sign * other
        change_N[i] = _trace_of_solved(inner, outer, diagonal, sign, inverse)


@njit(error_model="numpy", fastmath=_FAST | {"reassoc"})
def _trace_of_solved(
    inner: Any, outer: Any, diagonal: Any, sign: Any, inverse: Any
) -> Any:
    """Return ``tr[(diagonal 1 + sign inner)^-1 outer]``, NaN if there is no root.

    That is ``sum_r l_r' outer l_r`` with the rows l of the inverse of its root, which
    are written: each is a unit vector less its shares of those before.
    """
    total = 0.0
    for r in range(len(inner)):
        left, row = diagonal + sign * inner[r, r], inverse[r]
        row[:] = 0.0
        for before in range(r):
            share = 0.0
            for k in range(before + 1):
                share += inner[r, k] * inverse[before, k]
            share *= sign
            left -= share * share
            for k in range(before + 1):
                row[k] -= share * inverse[before, k]
        row[r] = 1.0
        for k in range(r + 1):
            row[k] /= np.sqrt(left)
        for k in range(r + 1):
            image = 0.0
            for q in range(r + 1):
                image += outer[k, q] * row[q]
            total += row[k] * image
    return total


# Nothing is fused: these are the merges of scipy's linkage.
@compile_loop()
def merge_nearest(
    squared_NN: NDArray[Any], pair_M2: NDArray[np.int64], height_M: NDArray[np.float64]
) -> None:
    """Write which clusters merge, M = N - 1 times, and their mean distance then.

    A chain leads from a cluster to its nearest one, and on from there until two are
    nearest to each other: these merge. So merges are not in order of their distances.

    Parameters
    ----------
    squared_NN : ndarray of shape (N, N)
        Squared distances of rows, finite; those above the diagonal are looked at, and
        negative ones are 0.
    pair_M2 : ndarray of shape (M, 2)
        Rows of the clusters that merge, one of each. The second one stands for both in
        later merges.
    height_M : ndarray of shape (M,)
        Mean distances of the rows of either.
    """
    n = len(squared_NN)
    distance_NN = np.empty((n, n))
    for i in range(n):
        distance_NN[i, i] = np.inf
        for j in range(i + 1, n):
            distance = np.sqrt(max(squared_NN[i, j], squared_NN.dtype.type(0)))
            distance_NN[i, j] = distance_NN[j, i] = distance
    size_N, handicap_N = np.ones(n), np.zeros(n)  # infinite of rows that are merged
    chain_N, length, first = np.empty(n, dtype=np.int64), 0, 0
    for k in range(n - 1):
        if length == 0:
            while size_N[first] == 0:
                first += 1
            chain_N[0], length = first, 1
        while True:
            x = chain_N[length - 1]
            y = chain_N[length - 2] if length > 1 else x
            known = distance_NN[x, y]
            y, closest = _nearest_to(distance_NN[x], handicap_N, y, known)
            if length > 1 and closest == known:
                break
            chain_N[length] = y
            length += 1
        length -= 2
        x, y = min(x, y), max(x, y)
        pair_M2[k, 0], pair_M2[k, 1], height_M[k] = x, y, closest
        n_x, n_y = size_N[x], size_N[y]
        size_N[x], size_N[y], handicap_N[x] = 0, n_x + n_y, np.inf
        from_x, from_y = distance_NN[x], distance_NN[y]
        for i in range(n):
            from_y[i] = (n_x * from_x[i] + n_y * from_y[i]) / (n_x + n_y)
        from_y[y] = np.inf
        for i in range(n):
            if size_N[i] > 0:
                distance_NN[i, y] = from_y[i]


@njit(nogil=True, error_model="numpy")
def _nearest_to(distance_N: Any, handicap_N: Any, y: int, closest: Any) -> Any:
    """Return which row is closer than all before it and than y, and how far it is."""
    for begin in range(0, len(distance_N), _N_COMPARED):
        some = distance_N[begin : begin + _N_COMPARED]
        handicaps, is_any_closer = handicap_N[begin : begin + _N_COMPARED], False
        for i in range(len(some)):
            is_any_closer |= some[i] + handicaps[i] < closest
        if not is_any_closer:
            continue
        for i in range(len(some)):
            if some[i] + handicaps[i] < closest:
                y, closest = begin + i, some[i] + handicaps[i]
    return y, closest


@compile_loop()
def name_merged(
    pair_M2: NDArray[np.int64], height_M: NDArray[np.float64], tree_M4: NDArray[Any]
) -> None:
    """Write merges, which are in order of their distances, as scipy's linkage does.

    Clusters are named by numbers from N on in the order in which they arise. A merge
    is the names of both, the lower one first, their distance and how many rows they
    have.
    """
    n_merges = len(pair_M2)
    n = n_merges + 1
    parent, size = np.arange(n + n_merges), np.ones(n + n_merges)
    for k in range(n_merges):
        x, y = pair_M2[k, 0], pair_M2[k, 1]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        parent[x] = parent[y] = n + k
        size[n + k] = size[x] + size[y]
        tree_M4[k, 0], tree_M4[k, 1] = min(x, y), max(x, y)
        tree_M4[k, 2], tree_M4[k, 3] = height_M[k], size[n + k]
