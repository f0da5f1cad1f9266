"""Nearest rows: by products, and by differences where round-off could decide."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._chunks import block_shape, chunks, slices
from skal_deep.functional._distances import (
    TOLERANCE,
    Points,
    all_differences,
    differences,
    is_plain,
    least_sure,
    round_off,
)

# Neighbours beyond the wanted ones that products keep: they are looked at again.
_N_SPARE = 2
# The k smallest of M are kept by inserting each where k^2 is at most so many times M:
# each insertion takes steps for those that it comes before.
_INSERTED = 4
# Differences of a part of the rows from centres: fewer take no longer than to wait for
# a thread.
_NUMBERS_OF_A_PART = 2**23

# Says which of some columns of the data count for none of some points, (n, m).
Hide = Callable[[Tensor, slice], Tensor]


def nearest(points: Points, data: Points, hide: Hide | None = None) -> Tensor:
    """Return the squared distance of each point to the nearest of the data, (N,).

    Threads of a processor share the points.

    Parameters
    ----------
    points, data : Points
        Around one origin.
    hide : callable, optional
        ``hide(rows, columns)`` says which of some data count for none of some points,
        (n, m).
    """
    squared_N: Tensor = points.norm_N.new_full((len(points),), math.inf)
    data.keep_moved()
    height, width = block_shape(len(points), len(data), squared_N.device)

    def work_on(part: slice) -> None:
        some, squared_b = points.at(part), squared_N[part]
        for columns in slices(len(data), width):
            others = data.at(columns)
            offset_bm = torch.addmm(
                others.norm_N, some.moved_ND, others.moved_ND.T, alpha=-2
            )
            if hide is not None:
                offset_bm[hide(_numbers(points, part), columns)] = math.inf
            torch.minimum(squared_b, offset_bm.amin(-1), out=squared_b)

    with threads_over_parts(squared_N.device):
        for_each_part(slices(len(points), height), lambda: work_on, squared_N.device)
    squared_N += points.norm_N
    is_close_N = squared_N < least_sure(points.rows_ND) * points.norm_N
    if is_close_N.any():
        rows = is_close_N.nonzero()[:, 0]
        of_these = None if hide is None else lambda some, m: hide(rows[some], m)
        squared_N[rows] = nearest_k(points.at(rows), data, 1, of_these)[0][:, 0]
    return squared_N.clamp_min_(0)


def join_centers(rows_ND: Tensor, centers_RD: Tensor, squared_RN: Tensor) -> None:
    """Bring R squared distances of each row up to date with a centre each.

    Threads of a processor share the rows.

    Parameters
    ----------
    rows_ND : Tensor of shape (N, D)
        Rows.
    centers_RD : Tensor of shape (R, D)
        The next one of each of R sets of centres.
    squared_RN : Tensor of shape (R, N)
        Squared distances to the nearest centre of each set, infinite of none.
    """
    if not are_for_loops(rows_ND, centers_RD, squared_RN):
        for part in chunks(len(rows_ND), len(centers_RD), rows_ND.device):
            squared_Rn = all_differences(centers_RD, rows_ND[part])
            squared_RN[:, part] = squared_RN[:, part].minimum(squared_Rn)
        return
    from skal_deep.functional import _loops

    rows, centers = rows_ND.contiguous().numpy(), centers_RD.contiguous().numpy()
    size = max(1, _NUMBERS_OF_A_PART // max(1, centers_RD.numel()))

    def work_on(part: slice) -> None:
        _loops.join_each(rows, centers, squared_RN.numpy(), part.start, part.stop)

    for_each_part(slices(len(rows_ND), size), lambda: work_on, rows_ND.device)


def draw_rows(squared_RN: Tensor, weight_N: Tensor, share_R: Tensor) -> Tensor:
    """Return a row (R,) for each of R sets of centres, by weight and squared distance.

    Sums keep the order of the rows, which decides at which row a share is reached.

    Parameters
    ----------
    squared_RN : Tensor of shape (R, N)
        Squared distances of N rows to the nearest centre of each set.
    weight_N : Tensor of shape (N,)
        Weights of the rows.
    share_R : Tensor of shape (R,)
        Numbers from 0 to 1, in float64: at which share of all a row is drawn.
    """
    squared, weight = squared_RN.numpy(), weight_N.numpy()
    total_R = np.array([squared_N @ weight for squared_N in squared])
    place_R = share_R.numpy() * total_R
    drawn_R = np.empty(len(place_R), dtype=np.int64)
    if are_for_loops(squared_RN, weight_N):
        from skal_deep.functional import _loops

        _loops.draw_each(squared, weight, place_R, drawn_R)
    else:
        for r, (squared_N, place) in enumerate(zip(squared, place_R, strict=True)):
            drawn_R[r] = (weight * squared_N).cumsum().searchsorted(place)
        drawn_R.clip(None, len(weight) - 1, out=drawn_R)
    return torch.from_numpy(drawn_R)


def are_for_loops(*arrays: Tensor) -> bool:
    """Return whether compiled loops take all of some arrays, of one type."""
    are_plain = all(
        rows.is_cpu
        and rows.dtype in (torch.float32, torch.float64)
        and not (rows.requires_grad and torch.is_grad_enabled())
        for rows in arrays
    )
    is_one_type = len({rows.dtype for rows in arrays}) == 1
    return are_plain and is_one_type and are_compiled()


def nearest_k(
    points: Points,
    data: Points,
    k: int,
    hide: Hide | None = None,
    among: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return squared distances to the nearest k of the data, and which these are.

    More than k are found by products. Distances that round-off could have changed are
    computed again from differences, and all of them for points that round-off could
    have hidden a neighbour of.

    Parameters
    ----------
    points, data : Points
        Around one origin.
    k : int
        Number of neighbours.
    hide : callable, optional
        ``hide(rows, columns)`` says which of some data count for none of some points,
        (n, m).
    among : Tensor of shape (M,), optional
        Which of the data count at all, in ascending order; ``None`` are all.

    Returns
    -------
    squared : Tensor of shape (N, k)
        The smallest first.
    positions : Tensor of shape (N, k)
        Of the neighbours in the data.
    """
    n_data = len(data) if among is None else len(among)
    n_kept = min(k + _N_SPARE, n_data)
    squared_Nk = points.norm_N.new_empty(len(points), k)
    position_Nk = squared_Nk.new_empty(len(points), k, dtype=torch.long)
    is_unsure_N = torch.zeros_like(points.norm_N, dtype=torch.bool)
    height, width = block_shape(len(points), n_data, points.norm_N.device)
    if height < len(points) and among is None:
        data.keep_moved()

    def work_on(part: slice) -> None:
        some = points.at(part)
        kept = _Smallest(some, data, n_kept, n_data)
        for columns in slices(n_data, width):
            others = data.at(columns if among is None else among[columns])
            if hide is None:
                kept.add_products(others, columns.start)
                continue
            squared_Bm = some.products(others)
            squared_Bm[hide(_numbers(points, part), columns)] = math.inf
            kept.add(squared_Bm, columns.start)
        # what was left out is no closer than this
        floor_B = kept.largest() - 3 * round_off(points.rows_ND) * some.norm_N
        if n_kept == n_data:
            floor_B = torch.full_like(floor_B, math.inf)
        if among is not None:
            kept.are_among(among)
        kept.look_again()
        kept_Bn, position_Bn = kept.ascending()
        squared_Nk[part], position_Nk[part] = kept_Bn[:, :k], position_Bn[:, :k]
        is_unsure_N[part] = (1 - TOLERANCE) * kept_Bn[:, k - 1] > floor_B

    arrays = points.norm_N, data.norm_N
    for_each_row_part(slices(len(points), height), work_on, *arrays)
    again = is_unsure_N.nonzero()[:, 0]
    if len(again):
        some, others = points.at(again), data if among is None else data.at(among)
        of_these = None if hide is None else lambda rows, m: hide(again[rows], m)
        if some.rows_ND.dtype == torch.float64:
            squared, position = _by_differences(some, others, k, of_these)
        else:
            squared, position = nearest_k(some.double(), others.double(), k, of_these)
        squared_Nk[again] = squared.to(squared_Nk)
        position_Nk[again] = position if among is None else among[position]
    return squared_Nk, position_Nk


def for_each_row_part(
    parts: Iterable[slice], work_on: Callable[[slice], None], *arrays: Tensor
) -> None:
    """Work on all parts, by several threads unless there are gradients to keep.

    Gradients of what was computed from the rows, such as their norms.
    """
    if _have_gradients(*arrays):
        for part in parts:
            work_on(part)
    else:
        for_each_part(parts, lambda: work_on, arrays[0].device)


def _have_gradients(*arrays: Tensor) -> bool:
    return any(values.requires_grad for values in arrays)


def _by_differences(
    points: Points, data: Points, k: int, hide: Hide | None
) -> tuple[Tensor, Tensor]:
    """Return what :func:`nearest_k` does, from all differences."""
    squared_Nk = points.norm_N.new_empty(len(points), k)
    position_Nk = squared_Nk.new_empty(len(points), k, dtype=torch.long)
    n_data = len(data)
    height, width = block_shape(len(points), n_data, points.norm_N.device)

    def work_on(part: slice) -> None:
        rows, kept = _numbers(points, part), _Smallest(points.at(part), data, k, n_data)
        for columns in slices(n_data, width):
            squared_Bm = all_differences(points.rows_ND[part], data.rows_ND[columns])
            if hide is not None:
                squared_Bm[hide(rows, columns)] = math.inf
            kept.add(squared_Bm, columns.start)
        squared_Nk[part], position_Nk[part] = kept.ascending()

    arrays = points.norm_N, data.norm_N
    for_each_row_part(slices(len(points), height), work_on, *arrays)
    return squared_Nk, position_Nk


class _Smallest:
    """The k smallest of each row so far.

    Parameters
    ----------
    points, data : Points
        The rows, and the data, distances to which come a block at a time.
    k : int
        How many to keep.
    n_data : int
        To how many of the data distances come, at least k.
    """

    def __init__(self, points: Points, data: Points, k: int, n_data: int):
        self._points, self._data, self._k = points, data, k
        norm_B = points.norm_N
        are_few = k * k <= _INSERTED * n_data
        is_quick = are_few and is_plain(norm_B, data.norm_N)
        self._is_compiled = is_quick and are_compiled()
        self._squared_Bk = norm_B.new_empty(len(points), k if self._is_compiled else 0)
        self._position_Bk = torch.empty_like(self._squared_Bk, dtype=torch.long)

    def add_products(self, others: Points, start: int) -> None:
        """Look at data that come after all before, from column ``start`` on."""
        points = self._points
        if not self._is_compiled:
            self.add(points.products(others), start)
            return
        from skal_deep.functional import _loops

        product_Bm = points.moved_ND @ others.moved_ND.T
        given = product_Bm.numpy(), points.norm_N.numpy(), others.norm_N.numpy()
        kept = self._squared_Bk.numpy(), self._position_Bk.numpy()
        _loops.keep_nearest(*given, start, *kept)

    def are_among(self, rows: Tensor) -> None:
        """Take positions for those in a list of rows of the data."""
        self._position_Bk = rows[self._position_Bk]

    def add(self, squared_Bm: Tensor, start: int) -> None:
        """Look at the columns from ``start`` on, which come after all before."""
        if self._is_compiled:
            from skal_deep.functional import _loops

            kept = self._squared_Bk.numpy(), self._position_Bk.numpy()
            _loops.keep_smallest(squared_Bm.numpy(), start, *kept)
            return
        if self._squared_Bk.shape[1] < self._k:
            self._squared_Bk, self._position_Bk = self._merged(
                self._squared_Bk, self._position_Bk, squared_Bm, start
            )
            return
        # after some blocks most rows have no closer neighbour in the next one
        is_open_B = squared_Bm.amin(-1) < self._squared_Bk.amax(-1)
        if is_open_B.all():
            rows: Tensor | slice = slice(None)
        else:
            rows = is_open_B.nonzero()[:, 0]
        self._squared_Bk[rows], self._position_Bk[rows] = self._merged(
            self._squared_Bk[rows], self._position_Bk[rows], squared_Bm[rows], start
        )

    def _merged(
        self, squared_bk: Tensor, position_bk: Tensor, squared_bm: Tensor, start: int
    ) -> tuple[Tensor, Tensor]:
        """Return the smallest of what was kept and of a block."""
        columns = torch.arange(squared_bm.shape[1], device=squared_bm.device) + start
        squared, position = _smallest(
            squared_bm, columns.expand_as(squared_bm), self._k
        )
        squared = torch.cat([squared_bk, squared], 1)
        position = torch.cat([position_bk, position], 1)
        return _smallest(squared, position, self._k)

    def largest(self) -> Tensor:
        """Return the largest value of each row that is kept, (B,)."""
        return (
            self._squared_Bk[:, -1] if self._is_compiled else self._squared_Bk.amax(-1)
        )

    def look_again(self) -> None:
        """Take differences in the place of products that are close to round-off."""
        points, data = self._points, self._data
        sure_B = least_sure(points.rows_ND) * points.norm_N
        if self._is_compiled:
            from skal_deep.functional import _loops

            rows = points.rows_ND.numpy(), data.rows_ND.numpy(), sure_B.numpy()
            _loops.look_again(
                *rows, self._squared_Bk.numpy(), self._position_Bk.numpy()
            )
            return
        row_L, place_L = (self._squared_Bk < sure_B[:, None]).nonzero().T
        for part in chunks(len(row_L), points.rows_ND.shape[1], row_L.device):
            row, place = row_L[part], place_L[part]
            neighbor = data.rows_ND[self._position_Bk[row, place]]
            self._squared_Bk[row, place] = differences(points.rows_ND[row], neighbor)

    def ascending(self) -> tuple[Tensor, Tensor]:
        """Return the k smallest of each row and their positions, (B, k).

        The lowest position comes first where values are equal.
        """
        if self._is_compiled:
            return self._squared_Bk, self._position_Bk
        position_Bk, order_Bk = self._position_Bk.sort()
        squared_Bk, again_Bk = self._squared_Bk.gather(1, order_Bk).sort(stable=True)
        return squared_Bk, position_Bk.gather(1, again_Bk)


def _smallest(value_bm: Tensor, position_bm: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest of each row, or all, and their positions.

    In any order. Of equal values those at the lowest positions are taken.
    """
    if value_bm.shape[1] <= k:
        return value_bm, position_bm
    value_bk, place_bk = value_bm.topk(k, largest=False, sorted=False)
    # rows in which there are more of the largest than are taken
    n_within_b = (value_bm <= value_bk.amax(-1, keepdim=True)).sum(-1)
    rows = (n_within_b > k).nonzero()[:, 0]
    if len(rows):
        by_position = position_bm[rows].argsort()
        by_value = value_bm[rows].gather(1, by_position).argsort(stable=True)
        place_bk[rows] = by_position.gather(1, by_value[:, :k])
        value_bk[rows] = value_bm[rows].gather(1, place_bk[rows])
    return value_bk, position_bm.gather(1, place_bk)


def _numbers(points: Points, part: slice) -> Tensor:
    """Return the numbers of points as a tensor."""
    return torch.arange(part.start, part.stop, device=points.rows_ND.device)
