"""Squared distances by matrix products, and by differences where digits would be lost.

``|a|^2 + |b|^2 - 2 a b`` is off by round-off of the squared norms, which is more than
the distance itself where rows are close to each other and far from the origin. What
was found so is computed again wherever that could matter: first in float64, if it was
not, then from differences of the rows as they were given.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep.functional._chunks import chunks

# Round-off of a product of D numbers is at most about this many units in the last
# place, times sqrt(D): errors of either sign cancel. Seen was at most a third.
_SAFETY = 2
# Share of a squared distance that may be round-off.
TOLERANCE = 1e-3
# Share of a scale that may be round-off, where sums of many distances are looked at.
SHARE_OF_SCALE = 1e-2
# Neighbours beyond the wanted ones that products keep: they are looked at again.
_N_SPARE = 2

# Rows by which a place amid the rows is found, about.
_N_SEEN = 4096

Hide = Callable[[Tensor], Tensor]


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
        self.moved_ND = rows_ND - origin_D
        self.norm_N: Tensor = torch.linalg.vector_norm(self.moved_ND, dim=-1).square_()

    def __len__(self) -> int:
        return len(self.rows_ND)

    def at(self, rows: Tensor | slice | list[int]) -> "Points":
        """Return some of the points."""
        part = object.__new__(Points)
        part.rows_ND, part.origin_D = self.rows_ND[rows], self.origin_D
        part.moved_ND, part.norm_N = self.moved_ND[rows], self.norm_N[rows]
        return part

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
            for part in chunks(len(close_L), self.rows_ND.shape[1]):
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
        ``hide(rows)`` says which of the data count for none of some points, (n, M).
    """
    squared_N: Tensor = points.norm_N.new_empty(len(points))
    for part in chunks(len(points), len(data)):
        some = points.at(part)
        offset_BM = torch.addmm(data.norm_N, some.moved_ND, data.moved_ND.T, alpha=-2)
        if hide is not None:
            offset_BM[hide(_numbers(points, part))] = math.inf
        squared_N[part] = offset_BM.amin(-1)
    squared_N += points.norm_N
    is_close_N = squared_N < least_sure(points.rows_ND) * points.norm_N
    if is_close_N.any():
        rows = is_close_N.nonzero()[:, 0]
        of_these = None if hide is None else lambda some: hide(rows[some])
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
        ``hide(rows)`` says which of the data count for none of some points, (n, M).

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
    unsure = []
    for part in chunks(len(points), len(data)):
        some, rows = points.at(part), _numbers(points, part)
        squared_BM = some.products(data)
        if hide is not None:
            squared_BM[hide(rows)] = math.inf
        kept_Bn, position_Bn = _smallest(squared_BM, n_kept)
        # what was left out is no closer than this
        floor_B = kept_Bn.amax(-1) - 3 * round_off(points.rows_ND) * some.norm_N
        if n_kept == len(data):
            floor_B = torch.full_like(floor_B, math.inf)
        _look_again(some, data, kept_Bn, position_Bn)
        kept_Bn, order_Bn = kept_Bn.sort(stable=True)
        squared_Nk[part] = kept_Bn[:, :k]
        position_Nk[part] = position_Bn.gather(1, order_Bn)[:, :k]
        unsure.append(rows[(1 - TOLERANCE) * kept_Bn[:, k - 1] > floor_B])
    again = torch.cat(unsure) if unsure else position_Nk[:, 0]
    if len(again):
        some = points.at(again)
        of_these = None if hide is None else lambda rows: hide(again[rows])
        if some.rows_ND.dtype == torch.float64:
            found = _by_differences(some, data, k, of_these)
        else:
            found = nearest_k(some.double(), data.double(), k, of_these)
        squared_Nk[again], position_Nk[again] = found[0].to(squared_Nk), found[1]
    return squared_Nk, position_Nk


def _look_again(
    points: Points, data: Points, squared_Nn: Tensor, position_Nn: Tensor
) -> None:
    """Write distances from differences where they are close to round-off."""
    sure_N = least_sure(points.rows_ND) * points.norm_N
    row_L, place_L = (squared_Nn < sure_N[:, None]).nonzero().T
    for part in chunks(len(row_L), points.rows_ND.shape[1]):
        row, place = row_L[part], place_L[part]
        neighbor = data.rows_ND[position_Nn[row, place]]
        squared_Nn[row, place] = _differences(points.rows_ND[row], neighbor)


def _by_differences(
    points: Points, data: Points, k: int, hide: Hide | None
) -> tuple[Tensor, Tensor]:
    """Return what :func:`nearest_k` does, from all differences."""
    squared_Nk = points.norm_N.new_empty(len(points), k)
    position_Nk = squared_Nk.new_empty(len(points), k, dtype=torch.long)
    for part in chunks(len(points), len(data)):
        squared_BM = all_differences(points.rows_ND[part], data.rows_ND)
        if hide is not None:
            squared_BM[hide(_numbers(points, part))] = math.inf
        kept_Bk, position_Bk = _smallest(squared_BM, k)
        squared_Nk[part], order_Bk = kept_Bk.sort(stable=True)
        position_Nk[part] = position_Bk.gather(1, order_Bk)
    return squared_Nk, position_Nk


def _smallest(values_BM: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest of each row in the order of their positions."""
    position_Bk = values_BM.topk(k, largest=False).indices.sort().values
    return values_BM.gather(1, position_Bk), position_Bk


def all_differences(left: Tensor, right: Tensor) -> Tensor:
    """Return squared distances (N, M) from differences."""
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(left, right, compute_mode=mode).square_()


def _numbers(points: Points, part: slice) -> Tensor:
    """Return the numbers of points as a tensor."""
    return torch.arange(part.start, part.stop, device=points.rows_ND.device)


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

    def __call__(
        self, left: Tensor | slice | list[int], right: Tensor | slice | list[int]
    ) -> Tensor:
        """Return squared distances (n, m) of some points to some others."""
        some, others = self._left.at(left), self._right.at(right)
        if self._by_products:
            return some.products(others).clamp_min_(0)
        return all_differences(some.rows_ND, others.rows_ND)
