"""Core-set: greedy k-centre."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._card import FarthestFirst, has_loops
from skal_deep.functional._checks import (
    check_batch_size,
    check_no_gradient,
    check_rows,
)
from skal_deep.functional._chunks import chunks
from skal_deep.functional._distances import Points, amid
from skal_deep.functional._nearest import nearest
from skal_deep.functional._picks import without_earlier
from skal_deep.functional._repeated import Repeated
from skal_deep.functional.neighbors import nearest_centers

# Centres that every point is compared with; most points are never farthest after that.
_N_FIRST_CENTERS = 192
# Numbers of so few points that all their distances are computed: 2,048 rows of 64.
_FEW_NUMBERS = 2**17
# So few centres are compared one after another; a product takes more to start.
_FEW_CENTERS = 32
# Points among which picks are made before others are looked at: on a processor, and
# elsewhere, where a look at many takes no longer than one at few.
_FRONT_SIZE, _LARGE_FRONT_SIZE = 512, 8192
# To look for a front takes about as long, for each point, as distances of so many
# numbers. If the picks in a front took less, the next one is twice as large.
_NUMBERS_OF_A_LOOK = 8
# Picks that are made on a card between two reads of what they are.
_PICKS_A_READ = 64


@plain_torch()
def k_center_greedy(
    embeddings: Tensor,
    centers: Tensor,
    batch_size: int,
    *,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the point farthest from all centres, again and again.

    Each pick becomes a centre. The largest distance of a point to its nearest centre
    is then at most twice the smallest that any batch of the same size could reach.

    Distances to the nearest centre only shrink as centres are added: the distance to
    the nearest of some centres is an upper bound. So all points are compared with a
    few centres, and with the others only those whose bound could make them farthest.
    Picks are the same as with all distances, which are off by less than a thousandth
    where clusters are tight and far apart, too. Without utilities a batch costs much
    less than the N (M + b) D operations of all distances.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    centers : Tensor of shape (M, D)
        Points that are centres already. With none, the first pick is the candidate
        closest to the mean of all.
    batch_size : int
        Number of picks b.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers, and saves most
        distances.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the Euclidean distance of each candidate to its nearest centre
        before pick t, 0 at earlier picks. Without centres, row 0 holds minus the
        distance to the mean.

    See Also
    --------
    robust_k_center : Leaves out a few points.
    skal_deep.pool.CoreSet : The strategy.

    References
    ----------
    O. Sener, S. Savarese. Active Learning for Convolutional Neural Networks: A
    Core-Set Approach. ICLR, 2018.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import k_center_greedy
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> indices, utilities = k_center_greedy(embeddings, embeddings[:1], 2)
    >>> indices
    tensor([2, 1])
    >>> utilities
    tensor([[0., 1., 5.],
            [0., 1., 0.]])
    """
    check_batch_size(batch_size, len(embeddings))
    check_no_gradient(embeddings=embeddings, centers=centers)
    with threads_over_parts(embeddings.device):
        check_rows(embeddings=embeddings, centers=centers)
        return _k_center_greedy(embeddings, centers, batch_size, with_utilities)


def _k_center_greedy(
    embeddings: Tensor, centers: Tensor, batch_size: int, with_utilities: bool
) -> tuple[Tensor, Tensor]:
    points = _Pool(embeddings, is_first_central=not len(centers))
    indices, distance_B = _farthest_first(points, centers, batch_size)
    if not with_utilities:
        return indices, distance_B
    known = points.around(centers)
    rows = without_earlier(_distances_before(points, known, indices), indices)
    # the pick was the farthest by distances that round otherwise in the last digits
    rows.scatter_(1, indices[:, None], rows.amax(-1, keepdim=True))
    return indices, rows


class _Centers:
    """Centres so far, with room for more.

    Parameters
    ----------
    known_MD : Tensor of shape (M, D)
        Centres to begin with.
    n_more : int
        Number of centres to come.
    origin_D : Tensor of shape (D,)
        As of :class:`Points`.
    """

    def __init__(self, known_MD: Tensor, n_more: int, origin_D: Tensor):
        self._n = len(known_MD)
        filler = known_MD.new_zeros(n_more, known_MD.shape[1])
        self._all = Points(torch.cat([known_MD, filler]), origin_D)

    def __len__(self) -> int:
        return self._n

    def at(self, where: slice) -> Points:
        """Return some of the centres."""
        return self._all.at(where)

    def add(self, more: Points) -> None:
        """Add some points."""
        where = slice(self._n, self._n + len(more))
        self._all.rows_ND[where] = more.rows_ND
        self._all.moved_ND[where] = more.moved_ND
        self._all.norm_N[where] = more.norm_N
        self._n += len(more)


class _Pool:
    """All points, which move to the origin only where they are looked at."""

    def __init__(self, embeddings: Tensor, is_first_central: bool):
        self.rows_ND, self._is_first_central = embeddings, is_first_central

    def __len__(self) -> int:
        return len(self.rows_ND)

    @cached_property
    def origin_D(self) -> Tensor:
        """Where distances lose fewer digits: amid the points, as a centre may be far.

        The mean of all where the first pick is the point closest to that.
        """
        return self.rows_ND.mean(0) if self._is_first_central else amid(self.rows_ND)

    def are_few(self) -> bool:
        """Return whether all distances to each pick take less than to look for few."""
        is_known = self.rows_ND.dtype in (torch.float32, torch.float64)
        is_here = self.rows_ND.is_cpu and is_known
        return is_here and self.rows_ND.numel() <= _FEW_NUMBERS and are_compiled()

    def around(self, rows_MD: Tensor) -> Points:
        """Return other rows as points around the same origin."""
        return Points(rows_MD, self.origin_D)

    def at(self, rows: Any) -> Points:
        """Return some of the points."""
        return self.around(self.rows_ND[rows])

    def _for_each_part(self, work_on: Callable[[slice, Points], None]) -> None:
        """Work on all points, some at a time in each thread."""
        (n, n_dims), device = self.rows_ND.shape, self.rows_ND.device

        def work_on_part(part: slice) -> None:
            work_on(part, self.at(part))

        for_each_part(chunks(n, n_dims, device), lambda: work_on_part, device)

    def norms(self) -> Tensor:
        """Return the squared distance of each point to the origin."""
        norm_N = self.rows_ND.new_empty(len(self))

        def work_on(part: slice, points: Points) -> None:
            norm_N[part] = points.norm_N

        self._for_each_part(work_on)
        return norm_N

    def nearest(self, centers: Points) -> Tensor:
        """Return the squared distance of each point to its nearest centre."""
        nearest_N = self.rows_ND.new_empty(len(self))

        def work_on(part: slice, points: Points) -> None:
            nearest_N[part] = nearest(points, centers)

        centers.keep_moved()  # once, not in each thread
        self._for_each_part(work_on)
        return nearest_N

    def nearest_by_differences(self, centers: Points) -> Tensor:
        """Return the same, off by a few units in the last place."""
        return nearest_centers(self.rows_ND, centers.rows_ND)[0]

    def distances(self, centers: Points) -> Tensor:
        """Return the squared distances from centres to all points, (K, N)."""
        squared_KN = centers.rows_ND.new_empty(len(centers), len(self))

        def work_on(part: slice, points: Points) -> None:
            points.to_each(centers, squared_KN[:, part])

        centers.keep_moved()
        self._for_each_part(work_on)
        return squared_KN


def _farthest_first(
    points: _Pool, centers_MD: Tensor, n_picks: int
) -> tuple[Tensor, Tensor]:
    """Return the picks in order, and the utility of each.

    ``bound_N`` holds squared distances to the nearest of the first ``seen_N`` centres,
    -inf at what is picked. The front, the points with the largest bounds, is compared
    with the centres it has not seen. A point outside has no larger distance than
    bound: while the farthest of the front is farther than the largest bound outside,
    it is the farthest of all.
    """
    picks: list[int] = []
    distances: list[float] = []
    if not len(centers_MD):
        norm_N = points.norms()
        picks.append(int(norm_N.argmin()))
        distances.append(-math.sqrt(norm_N[picks[0]]))
        centers_MD = points.rows_ND[picks]
    if points.are_few():
        return _in_one_loop(points, centers_MD, picks, distances, n_picks)
    n_first = min(len(centers_MD), _N_FIRST_CENTERS)
    centers = _Centers(centers_MD, n_picks, points.origin_D)
    bound_N = points.nearest(centers.at(slice(n_first)))
    if picks:
        bound_N[picks] = -math.inf
    seen_N = torch.full_like(bound_N, n_first, dtype=torch.long)
    is_first_look = True
    size = _FRONT_SIZE if bound_N.is_cpu else _LARGE_FRONT_SIZE
    pick_from = _picks_in_front if bound_N.is_cpu else _picks_in_front_unread
    while len(picks) < n_picks:
        front_F, outside = _front(bound_N, size)
        front, n_centers = points.at(front_F), len(centers)
        distance_F, seen_F = bound_N[front_F], seen_N[front_F]
        for n_seen in [n_first] if is_first_look else seen_F.unique().tolist():
            if n_seen == n_centers:
                continue
            # all at once, and a card need not be asked which
            late_L = slice(None) if is_first_look else torch.where(seen_F == n_seen)[0]
            new_L = nearest(front.at(late_L), centers.at(slice(n_seen, n_centers)))
            distance_F[late_L] = torch.minimum(distance_F[late_L], new_L)
        at_K, new, squared = pick_from(
            front, front_F, distance_F, outside, n_picks - len(picks)
        )
        picks += new
        distances += map(math.sqrt, squared)
        if len(picks) == n_picks:
            break
        centers.add(front.at(at_K))
        is_first_look = False
        bound_N[front_F], seen_N[front_F] = distance_F, len(centers)
        n_numbers = len(new) * front.rows_ND.numel()
        if size < _LARGE_FRONT_SIZE and n_numbers < _NUMBERS_OF_A_LOOK * len(points):
            size *= 2
    rows_ND = points.rows_ND
    return torch.tensor(picks, device=rows_ND.device), rows_ND.new_tensor(distances)


def _in_one_loop(
    points: _Pool,
    centers_MD: Tensor,
    picks: list[int],
    distances: list[float],
    n_picks: int,
) -> tuple[Tensor, Tensor]:
    """Return picks among few points, by all distances, and the utility of each.

    The first ones, and their utilities, are given. A compiled loop, as the operations
    of torch would take longer to start than to run.
    """
    from skal_deep.functional import _loops

    rows_ND = points.rows_ND.contiguous().numpy()
    if len(centers_MD) <= _FEW_CENTERS:
        squared_N = np.full(len(points), np.inf, rows_ND.dtype)
    else:
        squared_N = points.nearest(points.around(centers_MD)).numpy()
        centers_MD = centers_MD[:0]
    squared_N[picks] = -np.inf
    pick_B = np.empty(n_picks, dtype=np.int64)
    distance_B = np.empty(n_picks, dtype=rows_ND.dtype)
    n_given = len(picks)
    pick_B[:n_given], distance_B[:n_given] = picks, distances
    squared_B = distance_B[n_given:]
    _loops.farthest_first(
        rows_ND, centers_MD.contiguous().numpy(), squared_N, pick_B[n_given:], squared_B
    )
    np.sqrt(squared_B, out=squared_B)
    return torch.from_numpy(pick_B), torch.from_numpy(distance_B)


def _front(bound_N: Tensor, size: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the positions of the largest bounds, and the largest bound outside.

    The latter comes with its lowest position, which decides a tie, (1,) each.
    """
    n = len(bound_N)
    if n <= size:
        everyone = torch.arange(n, device=bound_N.device)
        return everyone, (bound_N.new_full((1,), -math.inf), everyone.new_full((1,), n))
    if not bound_N.is_cpu:  # a card would be waited for to find what is double
        order = bound_N.sort(descending=True, stable=True)
        rest = slice(size, size + 1)
        outside = order.values[rest], order.indices[rest]
        return order.indices[:size].sort().values, outside
    largest_F = torch.topk(bound_N, size).indices
    front_F = torch.cat([largest_F, bound_N.argmax()[None]]).unique()
    return front_F, bound_N.index_fill(0, front_F, -math.inf).max(0, keepdim=True)


def _picks_in_front(
    front: Points,
    front_F: Tensor,
    distance_F: Tensor,
    outside: tuple[Tensor, Tensor],
    n_picks: int,
) -> tuple[Tensor, list[int], list[float]]:
    """Return the next picks, as many as the front decides.

    ``distance_F`` holds squared distances to the nearest centre and is brought up to
    date with the picks.

    Returns
    -------
    at_K : Tensor
        Their positions in the front.
    rows : list of int
        Their positions among all points.
    squared : list of float
        Their squared distances when they were picked.
    """
    picks: list[int] = []
    squared: list[float] = []
    largest, first = float(outside[0]), int(outside[1])
    while len(picks) < n_picks:
        at = int(distance_F.argmax())
        farthest = float(distance_F[at])
        if (-farthest, int(front_F[at])) > (-largest, first):
            break
        picks.append(at)
        squared.append(farthest)
        to_pick_F = front.to(at)
        torch.minimum(distance_F, to_pick_F, out=distance_F)
        distance_F[at] = -math.inf
    at_K = torch.tensor(picks, dtype=torch.long)
    return at_K, front_F[at_K].tolist(), squared


def _picks_in_front_unread(
    front: Points,
    front_F: Tensor,
    distance_F: Tensor,
    outside: tuple[Tensor, Tensor],
    n_picks: int,
) -> tuple[Tensor, list[int], list[float]]:
    """Return what :func:`_picks_in_front` does, for a card that is seldom waited for.

    Many picks are looked for before it is asked what they are; it does nothing where
    the front does not decide. All distances are differences: to look for the few
    products that are close to round-off would be another wait.
    """
    kind = FarthestFirst if has_loops(distance_F) else _FarthestFirst
    steps = kind(front.rows_ND, front_F, distance_F, outside, n_picks)
    take_some = Repeated(steps.take_some, front_F.device)
    n_picked = n_looked_for = 0
    while n_picked == n_looked_for < n_picks:
        n_calls = -(-min(_PICKS_A_READ, n_picks - n_picked) // steps.n_a_call)
        take_some(n_calls)
        n_looked_for = min(n_looked_for + n_calls * steps.n_a_call, n_picks)
        read = steps.n_picked_1, steps.farthest_B, front_F[steps.pick_B]
        first, *numbers = torch.cat([some.double() for some in read]).tolist()
        n_picked = int(first)
    rows = map(int, numbers[n_picks : n_picks + n_picked])
    return steps.pick_B[:n_picked], list(rows), numbers[:n_picked]


class _FarthestFirst:
    """The same as :class:`FarthestFirst` by operations of torch."""

    n_a_call = 1

    def __init__(
        self,
        rows_ND: Tensor,
        name_N: Tensor,
        nearest_N: Tensor,
        outside: tuple[Tensor, Tensor],
        n_picks: int,
    ):
        self._rows_ND, self._name_N, self._nearest_N = rows_ND, name_N, nearest_N
        self._outside = outside
        self.n_picked_1 = name_N.new_zeros(1)
        self.pick_B, self.farthest_B = (
            some.new_zeros(n_picks) for some in (name_N, nearest_N)
        )

    def take_some(self) -> None:
        """Pick a row, if it is decided."""
        nearest_N, (outside_1, outside_name_1) = self._nearest_N, self._outside
        farthest_1, at_1 = nearest_N.max(0, keepdim=True)
        self.farthest_B.index_copy_(0, self.n_picked_1, farthest_1)
        self.pick_B.index_copy_(0, self.n_picked_1, at_1)
        is_lower_1 = self._name_N.index_select(0, at_1) < outside_name_1
        is_decided_1 = farthest_1 > outside_1
        is_decided_1 |= (farthest_1 == outside_1) & is_lower_1
        self.n_picked_1 += is_decided_1
        center_ND = self._rows_ND.index_select(0, at_1).expand_as(self._rows_ND)
        squared_N = mse_loss(self._rows_ND, center_ND, reduction="none").sum(-1)
        squared_N.index_fill_(0, at_1, -math.inf)
        nearer_N = torch.minimum(nearest_N, squared_N)
        torch.where(is_decided_1, nearer_N, nearest_N, out=nearest_N)


def _distances_before(points: _Pool, centers: Points, picks: Tensor) -> Tensor:
    """Return each point's distance to its nearest centre before each pick."""
    rows_BN: Tensor = centers.norm_N.new_empty(len(picks), len(points))
    if len(centers):
        # from differences: a part of the points must have the distances of the whole
        nearest_N = points.nearest_by_differences(centers)
    else:
        nearest_N = rows_BN.new_full((len(points),), math.inf)
    for part in chunks(len(picks), len(points), picks.device):
        squared_KN = points.distances(points.at(picks[part]))
        for step, distance_N in enumerate(squared_KN, part.start):
            rows_BN[step] = nearest_N.sqrt()
            nearest_N = torch.minimum(nearest_N, distance_N)
    if not len(centers):
        rows_BN[0] = -points.norms().sqrt()
    return rows_BN
