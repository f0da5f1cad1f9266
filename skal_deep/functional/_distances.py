"""Squared distances by matrix products, and by differences where digits would be lost.

``|a|^2 + |b|^2 - 2 a b`` is off by round-off of the squared norms, which is more than
the distance itself where rows are close to each other and far from the origin. What
was found so is computed again wherever that could matter: first in float64, if it was
not, then from differences of the rows as they were given.
"""

import math
from collections.abc import Callable, Iterator
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

# Squares of widths between this and one over it are taken as they are.
_SMALL_SQUARE = 1e-30
# Columns for each row of a block whose rows are summed: products are quickest so.
_ASPECT_OF_SUMS = 4
# Most rows of a block on a processor: of few columns, one would have all the rows, and
# threads nothing to share.
_ROWS_OF_A_PART = 2**13
# Lengths of rows of so few numbers take no longer without a loop.
_FEW_NUMBERS = 2**16
# Rows by which a place amid the rows is found, about, and how finely: in steps of their
# spread over this number or less. The mean is so close that squared norms grow by 2 %.
_N_SEEN, _N_STEPS = 4096, 4


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
    """Return a place (D,) amid rows: about the mean of some of them.

    Its numbers have few digits. Rows of whole numbers stay short numbers when they are
    moved there, so that products are exact, and distances that are equal stay so.
    """
    seen_ND = rows_ND.detach()[:: max(1, len(rows_ND) // _N_SEEN)]
    mean_D = seen_ND.mean(0)
    spread_D = (seen_ND - mean_D).abs().mean(0)
    # a sum with it has no digits below about the spread over _N_STEPS
    coarse_D = spread_D / (_N_STEPS * torch.finfo(rows_ND.dtype).eps)
    return (mean_D + coarse_D) - coarse_D


def is_plain(*tensors: Tensor) -> bool:
    """Return whether a compiled loop takes tensors: numbers of a processor alone.

    In the usual order in memory: for another one a loop would be compiled anew.
    """
    return all(
        each.is_cpu
        and each.is_contiguous()
        and each.dtype in (torch.float32, torch.float64)
        and not each.requires_grad
        for each in tensors
    )


class Points:
    """Rows, and the same moved towards the origin, where products lose fewer digits.

    Parameters
    ----------
    rows_ND : Tensor of shape (N, D)
        Rows as they were given. Differences are those of these: moving rounds, too.
    origin_D : Tensor of shape (D,)
        A place amid the rows.
    """

    # of points among others: of which, and where they are there
    _whole: "Points"
    _which: Tensor | slice | list[int]

    def __init__(self, rows_ND: Tensor, origin_D: Tensor):
        self.rows_ND, self.origin_D = rows_ND, origin_D
        self.norm_N: Tensor = rows_ND.new_empty(len(rows_ND))
        are_many = rows_ND.numel() > _FEW_NUMBERS
        if are_many and is_plain(rows_ND, origin_D) and are_compiled():
            from skal_deep.functional import _loops

            given = rows_ND, origin_D, self.norm_N
            rows, origin, norm = (each.numpy() for each in given)

            def work_on(part: slice) -> None:
                _loops.squared_lengths(rows[part], origin, norm[part])

            parts = chunks(len(rows), len(origin), rows_ND.device)
            for_each_part(parts, lambda: work_on, rows_ND.device)
            return
        for part in chunks(len(rows_ND), rows_ND.shape[1], rows_ND.device):
            moved = rows_ND[part] - origin_D
            # a sum: the square of a root would not be exact
            self.norm_N[part] = moved.square().sum(-1)
            if len(moved) == len(rows_ND):
                self.moved_ND = moved

    def __len__(self) -> int:
        return len(self.norm_N)

    @cached_property
    def rows_ND(self) -> Tensor:
        """The rows as they were given: those of some points once somebody asks."""
        return self._those(self._whole.rows_ND)

    @cached_property
    def moved_ND(self) -> Tensor:
        """The rows, moved: kept once somebody asks for those of all points."""
        rows_ND, origin_D = self.rows_ND, self.origin_D
        if not is_plain(rows_ND, origin_D):
            return rows_ND - origin_D
        moved_ND = torch.empty_like(rows_ND)

        def work_on(part: slice) -> None:
            torch.sub(rows_ND[part], origin_D, out=moved_ND[part])

        parts = chunks(len(rows_ND), len(origin_D), rows_ND.device)
        for_each_part(parts, lambda: work_on, rows_ND.device)
        return moved_ND

    def at(self, rows: Tensor | slice | list[int]) -> "Points":
        """Return some of the points."""
        part = object.__new__(Points)
        part._whole, part._which, part.origin_D = self, rows, self.origin_D
        part.norm_N = part._those(self.norm_N)
        if "moved_ND" in vars(self):
            part.moved_ND = part._those(self.moved_ND)
        return part

    def _those(self, of_all: Tensor) -> Tensor:
        """Return what belongs to these points, of what all of them have."""
        rows = self._which
        if isinstance(rows, Tensor) and rows.dtype != torch.bool:
            return of_all.index_select(0, rows)  # quicker than an index
        return of_all[rows]

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
                squared_N[rows_L] = differences(self.rows_ND[rows_L], center_D)


def differences(left: Tensor, right: Tensor) -> Tensor:
    """Return squared distances of rows, side by side."""
    return (left - right).square_().sum(-1)


def blocks(points: Points, data: Points) -> Iterator[tuple[slice, slice]]:
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
    height, width = block_shape(n, m, device, _ASPECT_OF_SUMS)
    if device.type == "cpu":
        height = min(height, _ROWS_OF_A_PART)
    with threads_over_parts(device):
        for columns in slices(m, width):
            sums = of_columns(columns)

            def begin(
                sums: Callable[[slice], Tensor] = sums,
            ) -> Callable[[slice], None]:
                def work_on(part: slice) -> None:
                    total_N[part].add_(sums(part))

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

    def gaussian_sums(self, width: float, *given: Tensor) -> Callable[[slice], Tensor]:
        """Return what finds sums (n,) of :meth:`gaussian` to all on the right.

        They are :func:`clamped_sums` if low, high and weight of each column are given.
        In single precision on a processor, products are read once.
        """
        norm_M = self._right.norm_N
        is_single = all(each.dtype == torch.float32 for each in (norm_M, *given))
        is_quick = is_single and is_plain(norm_M, *given)
        if not (is_quick and self._by_gaussian_products(width) and are_compiled()):

            def in_turn(left: slice) -> Tensor:
                kernel_nm = self.gaussian(left, slice(None), width)
                if given:
                    return clamped_sums(kernel_nm, *given)
                return kernel_nm.clamp_max_(1).sum(-1)

            return in_turn
        from skal_deep.functional import _loops

        factor = math.log2(math.e) / (width * width)
        norms = self._left.norm_N, norm_M
        exponent_N, exponent_M = (norm.mul(-factor).numpy() for norm in norms)
        bounds = tuple(each.numpy() for each in given) or None

        def at_once(left: slice) -> Tensor:
            product_nm = self._left.at(left).moved_ND @ self._right.moved_ND.T
            total_n = product_nm.new_empty(len(product_nm), dtype=torch.float64)
            _loops.clamped_powers(
                product_nm.numpy(),
                np.float32(2 * factor),
                exponent_N[left],
                exponent_M,
                bounds,
                total_n.numpy(),
            )
            return total_n

        return at_once

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
        return blocks(self._left, self._right)
