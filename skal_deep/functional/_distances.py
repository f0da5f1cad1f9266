"""Squared distances by matrix products, and by differences where digits would be lost.

``|a|^2 + |b|^2 - 2 a b`` is off by round-off of the squared norms, which is more than
the distance itself where rows are close to each other and far from the origin. What
was found so is computed again wherever that could matter: first in float64, if it was
not, then from differences of the rows as they were given.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._chunks import block_shape, chunks, slices

# Round-off of a product of D numbers is at most about this many units in the last
# place, times sqrt(D): errors of either sign cancel. Seen was at most a third.
_SAFETY = 2
# Share of a squared distance that may be round-off.
TOLERANCE = 1e-3
# Share of a scale that may be round-off, where sums of many distances are looked at.
SHARE_OF_SCALE = 1e-2
# Neighbours beyond the wanted ones that products keep: they are looked at again.
_N_SPARE = 2
# The k smallest of M are kept by inserting each where k^2 is at most so many times M:
# each insertion takes steps for those that it comes before.
_INSERTED = 4

# Squares of widths between this and one over it are taken as they are.
_SMALL_SQUARE = 1e-30
# Rows by which a place amid the rows is found, about.
_N_SEEN = 4096

# Says which of some columns of the data count for none of some points, (n, m).
Hide = Callable[[Tensor, slice], Tensor]


def round_off(rows: Tensor) -> float:
    """Return the error of squared distances by products, as a share of squared norms.

    That is of ``|a|^2 + |b|^2``.
    """
    return _SAFETY * math.sqrt(rows.shape[-1]) * torch.finfo(rows.dtype).eps


def least_sure(rows: Tensor) -> float:
    """Return which share of ``|a|^2`` a squared distance from a must be to be sure.

    A row b as close as that has ``|b| <= |a| + |a - b|``, so round-off of its squared
    distance is at most three times that of ``|a|^2``, whatever the norms of others.
    """
    return 3 * round_off(rows) / TOLERANCE


def amid(rows_ND: Tensor) -> Tensor:
    """Return a place (D,) amid rows: the mean of some of them."""
    return rows_ND[:: max(1, len(rows_ND) // _N_SEEN)].mean(0)


class Points:
    """Rows, and the same moved towards the origin, where products lose fewer digits.

    Parameters
    ----------
    rows_ND : Tensor of shape (N, D)
        Rows as they were given. Differences are those of these: moving rounds, too.
    origin_D : Tensor of shape (D,)
        A place amid the rows.
    """

    def __init__(self, rows_ND: Tensor, origin_D: Tensor):
        self.rows_ND, self.origin_D = rows_ND, origin_D
        self.norm_N: Tensor = rows_ND.new_empty(len(rows_ND))
        for part in chunks(len(rows_ND), rows_ND.shape[1], rows_ND.device):
            moved = rows_ND[part] - origin_D
            self.norm_N[part] = torch.linalg.vector_norm(moved, dim=-1).square()
            if len(moved) == len(rows_ND):  # there are few
                self.moved_ND = moved

    def __len__(self) -> int:
        return len(self.rows_ND)

    @cached_property
    def moved_ND(self) -> Tensor:
        """The rows, moved: kept once somebody asks for those of all points."""
        return self.rows_ND - self.origin_D

    def at(self, rows: Tensor | slice | list[int]) -> "Points":
        """Return some of the points."""

        def those(of_all: Tensor) -> Tensor:
            if isinstance(rows, Tensor) and rows.dtype != torch.bool:
                return of_all.index_select(0, rows)  # quicker than an index
            return of_all[rows]

        part = object.__new__(Points)
        part.rows_ND, part.origin_D = those(self.rows_ND), self.origin_D
        part.norm_N = those(self.norm_N)
        if "moved_ND" in vars(self):
            part.moved_ND = those(self.moved_ND)
        return part

    def keep_moved(self) -> None:
        """Move all rows once, for who is about to look at each several times."""
        self.moved_ND  # noqa: B018

    def double(self) -> "Points":
        """Return the points in float64, which float32 is a part of."""
        return Points(self.rows_ND.double(), self.origin_D.double())

    def products(self, others: "Points") -> Tensor:
        """Return squared distances (N, M) by products, which may be below 0."""
        squared_NM = torch.addmm(
            others.norm_N, self.moved_ND, others.moved_ND.T, alpha=-2
        )
        return squared_NM.add_(self.norm_N[:, None])

    def to(self, at: int) -> Tensor:
        """Return squared distances (N,) to one of the points."""
        center_D = self.moved_ND[at]
        squared_N = torch.addmv(self.norm_N, self.moved_ND, center_D, alpha=-2)
        squared_N += self.norm_N[at]
        squared_N[at] = math.inf  # nothing to be sure of
        self._sure(squared_N, self.rows_ND[at])
        squared_N[at] = 0
        return squared_N

    def to_each(self, centers: "Points", squared_KN: Tensor) -> None:
        """Write squared distances (K, N) to some points."""
        torch.mm(centers.moved_ND, self.moved_ND.T, out=squared_KN)
        squared_KN.mul_(-2).add_(self.norm_N).add_(centers.norm_N[:, None])
        for squared_N, center_D in zip(squared_KN, centers.rows_ND, strict=True):
            self._sure(squared_N, center_D)

    def _sure(self, squared_N: Tensor, center_D: Tensor) -> None:
        """Take differences in the place of products that are close to round-off."""
        is_close_N = squared_N < least_sure(self.rows_ND) * self.norm_N
        if is_close_N.any():
            close_L = is_close_N.nonzero()[:, 0]
            for part in chunks(len(close_L), self.rows_ND.shape[1], close_L.device):
                rows_L = close_L[part]
                squared_N[rows_L] = _differences(self.rows_ND[rows_L], center_D)


def _differences(left: Tensor, right: Tensor) -> Tensor:
    """Return squared distances of rows, side by side."""
    return (left - right).square_().sum(-1)


def nearest(points: Points, data: Points, hide: Hide | None = None) -> Tensor:
    """Return the squared distance of each point to the nearest of the data, (N,).

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
    for part, columns in _blocks(points, data):
        some, others = points.at(part), data.at(columns)
        offset_bm = torch.addmm(
            others.norm_N, some.moved_ND, others.moved_ND.T, alpha=-2
        )
        if hide is not None:
            offset_bm[hide(_numbers(points, part), columns)] = math.inf
        torch.minimum(squared_N[part], offset_bm.amin(-1), out=squared_N[part])
    squared_N += points.norm_N
    is_close_N = squared_N < least_sure(points.rows_ND) * points.norm_N
    if is_close_N.any():
        rows = is_close_N.nonzero()[:, 0]
        of_these = None if hide is None else lambda some, m: hide(rows[some], m)
        squared_N[rows] = nearest_k(points.at(rows), data, 1, of_these)[0][:, 0]
    return squared_N.clamp_min_(0)


def nearest_k(
    points: Points, data: Points, k: int, hide: Hide | None = None
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

    Returns
    -------
    squared : Tensor of shape (N, k)
        The smallest first.
    positions : Tensor of shape (N, k)
        Of the neighbours in the data.
    """
    n_kept = min(k + _N_SPARE, len(data))
    squared_Nk = points.norm_N.new_empty(len(points), k)
    position_Nk = squared_Nk.new_empty(len(points), k, dtype=torch.long)
    is_unsure_N = torch.zeros_like(points.norm_N, dtype=torch.bool)
    height, width = block_shape(len(points), len(data), points.norm_N.device)
    if height < len(points):
        data.keep_moved()

    def work_on(part: slice) -> None:
        some, rows = points.at(part), _numbers(points, part)
        kept = _Smallest(some, data, n_kept)
        for columns in slices(len(data), width):
            squared_Bm = some.products(data.at(columns))
            if hide is not None:
                squared_Bm[hide(rows, columns)] = math.inf
            kept.add(squared_Bm, columns.start)
        # what was left out is no closer than this
        floor_B = kept.largest() - 3 * round_off(points.rows_ND) * some.norm_N
        if n_kept == len(data):
            floor_B = torch.full_like(floor_B, math.inf)
        kept.look_again()
        kept_Bn, position_Bn = kept.ascending()
        squared_Nk[part], position_Nk[part] = kept_Bn[:, :k], position_Bn[:, :k]
        is_unsure_N[part] = (1 - TOLERANCE) * kept_Bn[:, k - 1] > floor_B

    for_each_row_part(slices(len(points), height), work_on, points, data)
    again = is_unsure_N.nonzero()[:, 0]
    if len(again):
        some = points.at(again)
        of_these = None if hide is None else lambda rows, m: hide(again[rows], m)
        if some.rows_ND.dtype == torch.float64:
            found = _by_differences(some, data, k, of_these)
        else:
            found = nearest_k(some.double(), data.double(), k, of_these)
        squared_Nk[again], position_Nk[again] = found[0].to(squared_Nk), found[1]
    return squared_Nk, position_Nk


def for_each_row_part(
    parts: Iterable[slice], work_on: Callable[[slice], None], *points: Points
) -> None:
    """Work on all parts, by several threads unless there are gradients to keep."""
    if _have_gradients(*points):
        for part in parts:
            work_on(part)
    else:
        for_each_part(parts, lambda: work_on, points[0].norm_N.device)


def _have_gradients(*points: Points) -> bool:
    return any(some.norm_N.requires_grad for some in points)


def _by_differences(
    points: Points, data: Points, k: int, hide: Hide | None
) -> tuple[Tensor, Tensor]:
    """Return what :func:`nearest_k` does, from all differences."""
    squared_Nk = points.norm_N.new_empty(len(points), k)
    position_Nk = squared_Nk.new_empty(len(points), k, dtype=torch.long)
    height, width = block_shape(len(points), len(data), points.norm_N.device)
    for part in slices(len(points), height):
        rows, kept = _numbers(points, part), _Smallest(points.at(part), data, k)
        for columns in slices(len(data), width):
            squared_Bm = all_differences(points.rows_ND[part], data.rows_ND[columns])
            if hide is not None:
                squared_Bm[hide(rows, columns)] = math.inf
            kept.add(squared_Bm, columns.start)
        squared_Nk[part], position_Nk[part] = kept.ascending()
    return squared_Nk, position_Nk


class _Smallest:
    """The k smallest of each row so far.

    Parameters
    ----------
    points, data : Points
        The rows, and the data, distances to which come a block at a time.
    k : int
        How many to keep, at most as many as there are data.
    """

    def __init__(self, points: Points, data: Points, k: int):
        self._points, self._data, self._k = points, data, k
        norm_B = points.norm_N
        are_few = norm_B.is_cpu and k * k <= _INSERTED * len(data)
        is_plain = are_few and not _have_gradients(points, data)
        is_plain &= norm_B.dtype in (torch.float32, torch.float64)
        self._is_compiled = is_plain and are_compiled()
        self._squared_Bk = norm_B.new_empty(len(points), k if self._is_compiled else 0)
        self._position_Bk = torch.empty_like(self._squared_Bk, dtype=torch.long)

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
        k = min(self._k, squared_bm.shape[1])
        squared, place = squared_bm.topk(k, largest=False, sorted=False)
        squared = torch.cat([squared_bk, squared], 1)
        position = torch.cat([position_bk, place + start], 1)
        if squared.shape[1] > self._k:
            squared, place = squared.topk(self._k, largest=False, sorted=False)
            position = position.gather(1, place)
        return squared, position

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
            self._squared_Bk[row, place] = _differences(points.rows_ND[row], neighbor)

    def ascending(self) -> tuple[Tensor, Tensor]:
        """Return the k smallest of each row and their positions, (B, k).

        The lowest position comes first where values are equal.
        """
        if self._is_compiled:
            return self._squared_Bk, self._position_Bk
        position_Bk, order_Bk = self._position_Bk.sort()
        squared_Bk, again_Bk = self._squared_Bk.gather(1, order_Bk).sort(stable=True)
        return squared_Bk, position_Bk.gather(1, again_Bk)


def _blocks(points: Points, data: Points) -> Iterator[tuple[slice, slice]]:
    """Yield points and data in blocks of both, all data for some points first."""
    height, width = block_shape(len(points), len(data), points.norm_N.device)
    if height < len(points):
        data.keep_moved()
    for part in slices(len(points), height):
        for columns in slices(len(data), width):
            yield part, columns


def all_differences(left: Tensor, right: Tensor) -> Tensor:
    """Return squared distances (N, M) from differences."""
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(left, right, compute_mode=mode).square_()


def _numbers(points: Points, part: slice) -> Tensor:
    """Return the numbers of points as a tensor."""
    return torch.arange(part.start, part.stop, device=points.rows_ND.device)


def clamped_sums(
    values_nm: Tensor, low_m: Tensor, high_m: Tensor, weight_m: Tensor
) -> Tensor:
    """Return ``sum_m w_m (min(max(v_nm, low_m), high_m) - low_m)``, (n,).

    The values are changed.
    """
    return values_nm.clamp_(low_m, high_m).sub_(low_m) @ weight_m.to(values_nm.dtype)


def sums_over_blocks(
    n: int,
    m: int,
    device: torch.device,
    of_columns: Callable[[slice], Callable[[slice], Tensor]],
) -> Tensor:
    """Return sums over m columns for n rows, (n,), in blocks of both sides.

    Parameters
    ----------
    n, m : int
        Numbers of rows and columns.
    device : torch.device
        Where the work is done: on a processor, all threads take blocks.
    of_columns : callable
        Returns, for a slice of columns, what returns their sums for a slice of rows.
    """
    # sums of few numbers lose no digits, sums of these many would
    total_N = torch.zeros(n, dtype=torch.float64, device=device)
    height, width = block_shape(n, m, device)
    with threads_over_parts(device):
        for columns in slices(m, width):
            sums = of_columns(columns)

            def begin(
                sums: Callable[[slice], Tensor] = sums,
            ) -> Callable[[slice], None]:
                def work_on(part: slice) -> None:
                    total_N[part] += sums(part)

                return work_on

            for_each_part(slices(n, height), begin, device)
    return total_N


class Between:
    """All squared distances of two sets of points, exact enough for one scale.

    By products where their round-off is a small share of the scale, by products in
    float64, or by differences.

    Parameters
    ----------
    left, right : Points
        Around one origin.
    scale : float
        The squared distance about which distances matter.

    Attributes
    ----------
    error : float
        Round-off of squared distances of that scale and below.
    """

    def __init__(self, left: Points, right: Points, scale: float):
        largest = sum(float(p.norm_N.max()) for p in (left, right) if len(p))
        if round_off(left.rows_ND) * largest > SHARE_OF_SCALE * scale:
            left, right = left.double(), right.double()
        self.error = round_off(left.rows_ND) * largest
        self._by_products = self.error <= SHARE_OF_SCALE * scale
        if not self._by_products:
            self.error = round_off(left.rows_ND) * scale
        self._left, self._right = left, right

    def __call__(self, left: slice, right: slice) -> Tensor:
        """Return squared distances (n, m) of some points to some others."""
        some, others = self._left.at(left), self._right.at(right)
        if self._by_products:
            return some.products(others).clamp_min_(0)
        return all_differences(some.rows_ND, others.rows_ND)

    def gaussian(self, left: slice, right: slice, width: float) -> Tensor:
        """Return ``exp(-d^2 / width^2)`` (n, m) of some points and some others.

        Round-off of squares that are almost 0 may take it above 1.
        """
        if not self._by_gaussian_products(width):
            return self(left, right).div_(width).div_(-width).exp_()
        some, others = self._left.at(left), self._right.at(right)
        inverse = 1 / (width * width)
        exponent_nm = torch.addmm(
            others.norm_N.mul(-inverse),
            some.moved_ND,
            others.moved_ND.T,
            alpha=2 * inverse,
        )
        return exponent_nm.sub_(some.norm_N.mul(inverse)[:, None]).exp_()

    def gaussian_sums(
        self, left: slice, width: float, low_M: Tensor, high_M: Tensor, weight_M: Tensor
    ) -> Tensor:
        """Return :func:`clamped_sums` (n,) of :meth:`gaussian`, to all on the right.

        In single precision on a processor by one reading of the products.
        """
        norm_M = self._right.norm_N
        is_plain = norm_M.is_cpu and norm_M.dtype == weight_M.dtype == torch.float32
        if not (is_plain and self._by_gaussian_products(width) and are_compiled()):
            kernel = self.gaussian(left, slice(None), width)
            return clamped_sums(kernel, low_M, high_M, weight_M)
        from skal_deep.functional import _loops

        some = self._left.at(left)
        product = some.moved_ND @ self._right.moved_ND.T
        total_n = product.new_empty(len(some), dtype=torch.float64)
        _loops.clamped_powers(
            product.numpy(),
            some.norm_N.numpy(),
            norm_M.numpy(),
            np.float32(math.log2(math.e) / (width * width)),
            low_M.numpy(),
            high_M.numpy(),
            weight_M.numpy(),
            total_n.numpy(),
        )
        return total_n

    def _by_gaussian_products(self, width: float) -> bool:
        """Return whether similarities are found by products and numbers."""
        # the square of a width may be no number, the ratio is one
        is_number = _SMALL_SQUARE < width * width < 1 / _SMALL_SQUARE
        return self._by_products and is_number

    def among(self, right: Tensor | slice) -> "Between":
        """Return the distances to some points of the right side."""
        some = copy(self)
        some._right = self._right.at(right)
        some._right.keep_moved()
        return some

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Yield the points of both sides in blocks that fit into memory."""
        return _blocks(self._left, self._right)
