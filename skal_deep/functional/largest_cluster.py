"""LCMD: the farthest point of the largest cluster."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._card import cluster_sizes, has_loops, join_center
from skal_deep.functional._checks import check_batch_size, check_rows
from skal_deep.functional._chunks import chunks, slices
from skal_deep.functional._distances import Points, amid, round_off
from skal_deep.functional._nearest import are_for_loops
from skal_deep.functional._picks import Picks, UnreadPicks, largest_of
from skal_deep.functional._repeated import Repeated
from skal_deep.functional.neighbors import nearest_centers

# Numbers of the points of a part, 4 MiB in float32: to look at fewer takes no longer
# than to wait for a thread. So many parts are enough for any number of threads.
_NUMBERS_OF_A_PART, _MOST_PARTS = 2**20, 64


@plain_torch()
def lcmd(
    features: Tensor,
    centers: Tensor,
    batch_size: int,
    *,
    mass: Tensor | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the farthest point of the largest cluster, again and again (LCMD).

    Each point belongs to its nearest centre. The size of a cluster is the sum of the
    squared distances of its points to the centre. The pick is the farthest point of
    the largest cluster; it becomes a centre. So dense regions get more picks than by
    k-centre, and outliers fewer. Time ``O(N D (M + b))``, memory ``O(N D)``,
    with utilities ``O(N (D + b))``.

    Parameters
    ----------
    features : Tensor of shape (N, D)
        Candidates.
    centers : Tensor of shape (M, D)
        Points that are centres already. With none, the first pick is the candidate
        with the largest norm, as in the authors' code.
    batch_size : int
        Number of picks b.
    mass : Tensor of shape (U, D), optional
        Points whose distances make the size of a cluster; ``None`` are the
        candidates.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie. If there is no candidate left
        in the largest cluster, the largest that has one serves.
    utilities : Tensor of shape (b, N)
        Row t holds the squared distance of each candidate in the largest cluster to
        its centre before pick t, 0 in other clusters and at earlier picks. Without
        centres, row 0 holds squared norms.

    See Also
    --------
    k_center_greedy : The farthest point of all.
    skal_deep.pool.LCMD : The strategy.

    References
    ----------
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and Benchmark for
    Deep Batch Active Learning for Regression. JMLR, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import lcmd
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> indices, _ = lcmd(embeddings, embeddings[:1], 1)
    >>> indices
    tensor([2])
    """
    check_batch_size(batch_size, len(features))
    given = {} if mass is None else {"mass": mass}
    arrays = {"features": features, "centers": centers, **given}
    if not are_for_loops(*arrays.values()):
        check_rows(**arrays)
        return _by_operations(features, centers, batch_size, mass, with_utilities)
    with threads_over_parts(features.device):
        check_rows(**arrays)
        return _by_loops(features, centers, batch_size, mass, with_utilities)


def _by_operations(
    features: Tensor,
    centers: Tensor,
    batch_size: int,
    mass: Tensor | None,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Return what :func:`lcmd` does, on a card without waiting for it."""
    picks = UnreadPicks(features, batch_size, with_utilities)
    candidates = Clusters(features, centers)
    everything = candidates if mass is None else Clusters(mass, centers)
    n_known, all_N = len(centers), torch.ones_like(everything.owner_N, dtype=torch.bool)

    def add(at_1: Tensor, utility_N: Tensor) -> None:
        name_1 = picks.step_1 + n_known
        picks.add(at_1, utility_N)
        center_D = features.index_select(0, at_1)[0]
        candidates.add(center_D, name_1)
        if mass is not None:
            everything.add(center_D, name_1)

    def take_one() -> None:
        # clusters to come are empty: none of them is the largest
        n_clusters = n_known + batch_size
        size_K, n_left_K = candidates.sizes(n_clusters, picks.left_N)
        if mass is not None:
            size_K = everything.sizes(n_clusters, all_N)[0]
        largest_1 = size_K.argmax(0, keepdim=True)
        owner_N, nearest_N = candidates.owner_N, candidates.nearest_N
        utility_N = torch.where(owner_N == largest_1, nearest_N, 0.0)
        # sizes are never negative, so a cluster without candidates comes last
        chosen_1 = torch.where(n_left_K > 0, size_K, -1.0).argmax(0, keepdim=True)
        at_1 = largest_of(nearest_N, picks.left_N & (owner_N == chosen_1))
        add(at_1, utility_N)

    if not n_known:
        norm_N = features.square().sum(-1)
        add(norm_N.argmax(0, keepdim=True), norm_N)
    Repeated(take_one, features.device)(batch_size - (not n_known))
    return picks.answer()


def _by_loops(
    features: Tensor,
    centers: Tensor,
    batch_size: int,
    mass: Tensor | None,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Return what :func:`lcmd` does, on a processor, whose threads share the points."""
    picks = Picks(features, batch_size, with_utilities)
    features, centers = features.detach(), centers.detach()
    n_clusters = len(centers) + batch_size
    candidates = _ClustersInParts(features, centers, n_clusters, picks.left_N)
    everything = candidates
    if mass is not None:
        all_N = torch.ones(len(mass), dtype=torch.bool)
        everything = _ClustersInParts(mass.detach(), centers, n_clusters, all_N)
    if not len(centers):
        norm_N = features.square().sum(-1)
        picks.add(int(norm_N.argmax()), norm_N)
    while len(picks.rows) < batch_size:
        name = len(centers) + len(picks.rows) - 1
        latest_D = features[picks.rows[-1]] if picks.rows else None
        size_K, at_K = candidates.look(latest_D, name)
        if mass is not None:
            size_K, _ = everything.look(latest_D, name)
        largest = int(size_K.argmax())
        # sizes are never negative, so a cluster without candidates comes last
        chosen = int(np.where(at_K >= 0, size_K, -1).argmax())
        at = int(at_K[chosen])
        owner_N, nearest_N = candidates.owner_N, candidates.nearest_N
        if with_utilities:
            picks.add(at, torch.where(owner_N == largest, nearest_N, 0.0))
        else:
            at_1 = torch.tensor([at])
            picks.add_all([at], at_1, nearest_N[at_1] * (chosen == largest))
    return picks.answer()


class _ClustersInParts:
    """Points, each with its nearest centre, whose parts threads share.

    Distances are differences; the size of a cluster is the sum of its sizes in parts,
    which are the same for any number of threads.

    Parameters
    ----------
    points_ND : Tensor of shape (N, D)
        Points.
    centers_MD : Tensor of shape (M, D)
        The first centres.
    n_clusters : int
        Number of all centres, with those to come.
    left_N : Tensor of shape (N,)
        Which points are left; others may change it.
    """

    def __init__(
        self, points_ND: Tensor, centers_MD: Tensor, n_clusters: int, left_N: Tensor
    ):
        n, n_dims = points_ND.shape
        n_of_part = max(_NUMBERS_OF_A_PART // max(1, n_dims), -(-n // _MOST_PARTS))
        self._n_of_part = max(1, n_of_part)
        self.nearest_N = points_ND.new_full((n,), torch.inf)
        self.owner_N = torch.zeros(n, dtype=torch.int64)
        self._points = points_ND.contiguous().numpy()
        if len(centers_MD):
            from skal_deep.functional import _loops

            _, self.owner_N = nearest_centers(points_ND, centers_MD)
            # as those to centres that come are found: equal ones shall be equal
            centers = centers_MD.contiguous().numpy()
            known = self.owner_N.numpy(), self.nearest_N.numpy()
            _loops.differences_to(self._points, centers, *known)
        self._rows = self.nearest_N.numpy(), self.owner_N.numpy(), left_N.numpy()
        shape = max(1, -(-n // self._n_of_part)), n_clusters
        self._size_PK = np.zeros(shape)
        self._farthest_PK = np.zeros(shape, self._points.dtype)
        self._at_PK = np.zeros(shape, np.int64)

    def look(
        self, center_D: Tensor | None, name: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Add a centre, if there is one, and look at the clusters.

        Returns
        -------
        size : ndarray of shape (K,)
            Sums of squared distances.
        at : ndarray of shape (K,)
            The farthest point of each cluster that is left, the lowest of equal ones;
            -1 where none is left.
        """
        from skal_deep.functional import _loops

        new_MD = self._points[:0]
        if center_D is not None:
            new_MD = center_D[None].contiguous().numpy()
        nearest_N, owner_N, left_N = self._rows

        def work_on(part: slice) -> None:
            at = part.start // self._n_of_part
            _loops.join_cluster(
                self._points,
                new_MD,
                name,
                nearest_N,
                owner_N,
                left_N,
                part.start,
                part.stop,
                self._size_PK[at],
                self._farthest_PK[at],
                self._at_PK[at],
            )

        parts = slices(len(self._points), self._n_of_part)
        for_each_part(parts, lambda: work_on, self.nearest_N.device)
        # of equal ones the first part has the lowest point
        first_K = self._farthest_PK.argmax(0)
        at_K = np.take_along_axis(self._at_PK, first_K[None], 0)[0]
        return self._size_PK.sum(0), at_K


class Clusters:
    """Points, each with its nearest centre and the squared distance to it."""

    def __init__(self, points_ND: Tensor, centers_MD: Tensor):
        # distances stay the same and lose fewer digits near the origin
        self._points = Points(points_ND, amid(points_ND))
        self._low_N = self._points.norm_N * (1 - round_off(points_ND))
        if len(centers_MD):
            self.nearest_N, self.owner_N = nearest_centers(points_ND, centers_MD)
        else:
            self.nearest_N = torch.full_like(self._low_N, torch.inf)
            self.owner_N = torch.zeros_like(self._low_N, dtype=torch.int64)

    def add(self, center_D: Tensor, name_1: Tensor) -> None:
        """Add a centre; points that are closer to it than to theirs change over.

        A product finds those that may be closer, round-off taken off; differences tell
        which are. On a card all are differences, which takes less than to wait for it.
        """
        if not self._low_N.is_cpu:
            self._add_by_differences(center_D, name_1)
            return
        moved_D = center_D - self._points.origin_D
        low_N = torch.addmv(self._low_N, self._points.moved_ND, moved_D, alpha=-2)
        low_N += moved_D.square().sum() * (1 - round_off(moved_D))
        near_B = torch.nonzero(low_N < self.nearest_N)[:, 0]
        distance_B = (self._points.rows_ND[near_B] - center_D).square_().sum(-1)
        is_closer_B = distance_B < self.nearest_N[near_B]
        closer_B = near_B[is_closer_B]
        self.owner_N[closer_B] = name_1
        self.nearest_N[closer_B] = distance_B[is_closer_B]

    def _add_by_differences(self, center_D: Tensor, name_1: Tensor) -> None:
        """Add a centre by the distances of all points."""
        rows_ND = self._points.rows_ND
        if has_loops(rows_ND):
            join_center(rows_ND, center_D, self.nearest_N, self.owner_N, name_1)
            return
        for part in chunks(len(rows_ND), rows_ND.shape[1], rows_ND.device):
            some_BD, nearest_B = rows_ND[part], self.nearest_N[part]
            squared_BD = mse_loss(
                some_BD, center_D.expand_as(some_BD), reduction="none"
            )
            distance_B = squared_BD.sum(-1)
            own_B = self.owner_N[part]
            own_B.copy_(torch.where(distance_B < nearest_B, name_1, own_B))
            torch.minimum(nearest_B, distance_B, out=nearest_B)

    def sizes(self, n_clusters: int, left_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of squared distances, and the numbers of points left."""
        if has_loops(self.nearest_N):
            return cluster_sizes(self.nearest_N, self.owner_N, left_N, n_clusters)
        size_K = self.nearest_N.new_zeros(n_clusters, dtype=torch.float64)
        size_K.index_add_(0, self.owner_N, self.nearest_N.double())
        n_left_K = torch.zeros_like(size_K)
        n_left_K.index_add_(0, self.owner_N, left_N.double())
        return size_K, n_left_K
