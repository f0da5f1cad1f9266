"""k-means: seeds of k-means++, and Lloyd's iterations."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._chunks import chunks, slices
from skal_deep.functional._distances import least_sure
from skal_deep.functional._nearest import are_for_loops, draw_rows, join_centers
from skal_deep.functional.neighbors import group_means, nearest_centers

# From one draw of seeds in five k-means splits a cluster and joins two others, even
# where clusters are far apart; from the best of so many draws in none of a hundred.
_N_SEEDINGS = 4
# Clusters of more than twice as many rows are sought among that many of them, or among
# so many for each cluster, and brought to the means of all rows.
_FEW_ROWS, _FEW_OF_EACH = 10_000, 10
# Share of the rows whose nearest centroid round-off may decide.
_MOST_UNSURE = 0.01
# Most iterations, and the share of the inertia less than which the last one takes off.
_MOST_ITERATIONS, _LEAST_LESS = 300, 1e-5
# Distances that are looked at together, 1 MiB in float32, which a core's cache holds,
# unless that is fewer rows than make products quick.
_NUMBERS_OF_A_PART, _LEAST_ROWS = 2**18, 512
# If more of the rows than that must be looked at, all are: they need not be copied.
_MOST_OPEN = 0.8


def k_means(
    points_ND: Tensor,
    n_clusters: int,
    generator: torch.Generator,
    weights_N: Tensor | None = None,
) -> Tensor:
    """Return centroids of shape (K, D), by k-means++ and Lloyd's iterations.

    Of more than 20,000 rows, or 20 for each of more than 1,000 clusters, it searches
    among half as many, drawn by their weights, and makes one more iteration on all.

    Parameters
    ----------
    points_ND : Tensor of shape (N, D)
        Rows; with fewer than ``n_clusters``, each is a cluster.
    n_clusters : int
        Number of clusters K.
    generator : torch.Generator
        Source of the seed, and of the rows that are drawn.
    weights_N : Tensor of shape (N,), optional
        Weights of the rows, not all 0.
    """
    with threads_over_parts(torch.device("cpu")):
        return _k_means(points_ND, n_clusters, generator, weights_N)


def _k_means(
    points_ND: Tensor,
    n_clusters: int,
    generator: torch.Generator,
    weights_N: Tensor | None,
) -> Tensor:
    n_clusters = min(n_clusters, len(points_ND))
    n_drawn = max(_FEW_ROWS, _FEW_OF_EACH * n_clusters)
    if len(points_ND) > 2 * n_drawn:
        if weights_N is None:
            weights_N = points_ND.new_ones(len(points_ND))
        drawn = _draw_by_weight(weights_N, n_drawn, generator)
        centroids_KD = _k_means(points_ND[drawn], n_clusters, generator, None)
        cluster_N = nearest_centers(points_ND, centroids_KD)[1]
        mean_KD, total_K = group_means(points_ND, cluster_N, n_clusters, weights_N)
        return torch.where(total_K[:, None] > 0, mean_KD, centroids_KD)
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    centroids_KD = _from_seeds(points_ND, n_clusters, seed, weights_N)
    if centroids_KD.dtype != torch.float64 and _is_too_tight(points_ND, centroids_KD):
        centroids_KD = _from_seeds(points_ND.double(), n_clusters, seed, weights_N)
    return centroids_KD.to(points_ND)


def _draw_by_weight(
    weight_N: Tensor, n_drawn: int, generator: torch.Generator
) -> Tensor:
    """Return rows (n,) in order, drawn with replacement."""
    total_N = weight_N.cpu().double().cumsum(0)
    place_n = torch.rand(n_drawn, dtype=torch.float64, generator=generator)
    drawn = torch.searchsorted(total_N, place_n.mul_(total_N[-1]), right=True)
    return drawn.clamp_max_(len(weight_N) - 1).sort().values.to(weight_N.device)


def _is_too_tight(points_ND: Tensor, centroids_KD: Tensor) -> bool:
    """Return whether round-off of products could have decided about many rows.

    Those find the nearest centroid.
    """
    squared_N = nearest_centers(points_ND, centroids_KD)[0]
    norm_N = (points_ND - points_ND.mean(0)).square_().sum(-1)
    is_close_N = (squared_N < least_sure(points_ND) * norm_N) & (squared_N > 0)
    return float(is_close_N.float().mean()) > _MOST_UNSURE


def _from_seeds(
    points_ND: Tensor, n_clusters: int, seed: int, weights_N: Tensor | None
) -> Tensor:
    """Return the centroids that the best seeds lead to."""
    origin_D = points_ND.mean(0)  # distances stay, digits are saved
    centered_ND = (points_ND - origin_D).detach().cpu()
    if weights_N is None:
        weights_N = points_ND.new_ones(len(points_ND))
    weights_N = weights_N.detach().cpu().double()
    # sums, and products with squares, stay in the range of float32
    weights_N = (weights_N / weights_N.max()).to(centered_ND)
    seeds_KD = best_seeds(centered_ND, n_clusters, weights_N, seed)
    if centered_ND.dtype != torch.float64 and _is_too_tight(centered_ND, seeds_KD):
        # round-off would go on and on to change rows
        return _from_seeds(points_ND.double(), n_clusters, seed, weights_N)
    return lloyd(centered_ND, seeds_KD, weights_N).to(points_ND) + origin_D


def best_seeds(rows_ND: Tensor, n_clusters: int, weight_N: Tensor, seed: int) -> Tensor:
    """Return the seeds of k-means++ that are nearest to the rows, of some draws.

    One trial a centre: the best of several is often a tie that rounding breaks. The
    draws are those of scikit-learn's ``kmeans_plusplus``, which computes distances of
    float32 in float64, one centre of one draw at a time.
    """
    place_RK = np.random.RandomState(seed).random_sample((_N_SEEDINGS, n_clusters))
    weight = weight_N.numpy()
    first_N = (weight / weight.sum()).astype(float).cumsum()
    seed_RK = torch.empty(place_RK.shape, dtype=torch.int64)
    seed_RK[:, 0] = torch.from_numpy(
        (first_N / first_N[-1]).searchsorted(place_RK[:, 0], side="right")
    )
    share_RK = torch.from_numpy(place_RK)
    nearest_RN = rows_ND.new_full((_N_SEEDINGS, len(rows_ND)), math.inf)
    join_centers(rows_ND, rows_ND[seed_RK[:, 0]], nearest_RN)
    for k in range(1, n_clusters):
        seed_RK[:, k] = draw_rows(nearest_RN, weight_N, share_RK[:, k])
        join_centers(rows_ND, rows_ND[seed_RK[:, k]], nearest_RN)
    total_R = nearest_RN.double() @ weight_N.double()
    return rows_ND[seed_RK[total_R.argmin()]]


def lloyd(rows_ND: Tensor, seeds_KD: Tensor, weight_N: Tensor) -> Tensor:
    """Return the centres (K, D) that k-means ends with, from those it begins with.

    Each row belongs to its nearest centre and each centre moves to the mean of its
    rows, again and again. A row is compared with all centres only where bounds of its
    distances to its own and to the next one do not tell that it stays. A centre
    without rows moves to the row that is farthest from its own. It ends when no row
    changes, or when that takes off less than 1e-5 of the inertia.

    Nearest centres are found by products. So rows should lie around the origin, and
    clusters not be so tight that round-off of squared norms decides.

    Parameters
    ----------
    rows_ND : Tensor of shape (N, D)
        Rows.
    seeds_KD : Tensor of shape (K, D)
        Centres to begin with.
    weight_N : Tensor of shape (N,)
        Weights of the rows.

    References
    ----------
    G. Hamerly. Making k-means Even Faster. SDM, 2010.
    """
    rows_ND, center_KD = rows_ND.contiguous(), seeds_KD.contiguous()
    are_quick = are_for_loops(rows_ND, center_KD)
    assign = _Bounded(rows_ND).assign if are_quick else _assign
    cluster_N = torch.full((len(rows_ND),), -1, device=rows_ND.device)
    whole = weight_N.double() @ _squared_norms(rows_ND)
    for _ in range(_MOST_ITERATIONS):
        before_N = cluster_N.clone()
        assign(rows_ND, center_KD, cluster_N)
        if torch.equal(cluster_N, before_N):
            break
        mean_KD, total_K = group_means(rows_ND, cluster_N, len(center_KD), weight_N)
        _place_empty(mean_KD, total_K, center_KD, rows_ND, weight_N)
        less = total_K @ _squared_norms(mean_KD - center_KD)
        inertia = whole - total_K @ _squared_norms(mean_KD)
        center_KD = mean_KD
        if total_K.all() and less < _LEAST_LESS * inertia:
            break
    return center_KD


def _squared_norms(rows_ND: Tensor) -> Tensor:
    norm_N: Tensor = torch.linalg.vecdot(rows_ND, rows_ND)
    return norm_N.double()


def _place_empty(
    mean_KD: Tensor,
    total_K: Tensor,
    center_KD: Tensor,
    rows_ND: Tensor,
    weight_N: Tensor,
) -> None:
    """Place centres without weight: where rows are far from theirs, or as they were."""
    empty_E = (total_K == 0).nonzero()[:, 0]
    if not len(empty_E):
        return
    mean_KD[empty_E] = center_KD[empty_E]
    squared_N = nearest_centers(rows_ND, mean_KD)[0]
    squared_N[weight_N == 0] = 0
    farthest = squared_N.topk(min(len(empty_E), len(squared_N)))
    far_E = farthest.indices[farthest.values > 0]
    mean_KD[empty_E[: len(far_E)]] = rows_ND[far_E]


def _assign(rows_ND: Tensor, center_KD: Tensor, cluster_N: Tensor) -> None:
    """Write the nearest centre of each row."""
    cluster_N.copy_(nearest_centers(rows_ND, center_KD)[1])


class _Bounded:
    """Does what :func:`_assign` does, by bounds that it keeps, in compiled loops.

    ``upper_N`` is at least the distance of a row to its centre, ``lower_N`` at most
    that to each other one: both change by no more than centres move.
    """

    def __init__(self, rows_ND: Tensor):
        self._norm_N = torch.linalg.vecdot(rows_ND, rows_ND).numpy()
        self._upper_N = np.full(len(rows_ND), math.inf, rows_ND.numpy().dtype)
        self._lower_N = np.zeros_like(self._upper_N)
        self._last_KD: Tensor | None = None

    def assign(self, rows_ND: Tensor, center_KD: Tensor, cluster_N: Tensor) -> None:
        """Write the nearest centre of each row."""
        from skal_deep.functional import _loops

        open_L = self._open(rows_ND, center_KD, cluster_N.numpy())
        are_all = len(open_L) == len(rows_ND)
        center_norm_K = torch.linalg.vecdot(center_KD, center_KD).numpy()
        bounds = cluster_N.numpy(), self._upper_N, self._lower_N
        size = max(_LEAST_ROWS, _NUMBERS_OF_A_PART // len(center_KD))

        def begin() -> Callable[[slice], None]:
            room = rows_ND.new_empty(len(center_KD) * size)
            scratch = np.empty((2, size), self._upper_N.dtype), np.empty(size, np.int32)

            def work_on(part: slice) -> None:
                row_l = open_L[part]
                product_Kl = room[: len(center_KD) * len(row_l)].view(-1, len(row_l))
                some_LD = rows_ND[part] if are_all else rows_ND.index_select(0, row_l)
                torch.mm(center_KD, some_LD.T, out=product_Kl)
                _loops.two_nearest(
                    product_Kl.numpy(),
                    center_norm_K,
                    row_l.numpy(),
                    self._norm_N,
                    *scratch,
                    *bounds,
                )

            return work_on

        for_each_part(slices(len(open_L), size), begin, rows_ND.device)
        self._last_KD = center_KD

    def _open(self, rows_ND: Tensor, center_KD: Tensor, cluster_N: Any) -> Tensor:
        """Return rows (L,) that could have another nearest centre than before."""
        if self._last_KD is None:
            return torch.arange(len(rows_ND))
        from skal_deep.functional import _loops

        move_K = torch.linalg.vector_norm(center_KD - self._last_KD, dim=1)
        # of all others, where the own is the one that moves farthest
        most = move_K.topk(min(2, len(move_K))).values.numpy()
        is_open_N = np.empty(len(rows_ND), dtype=bool)
        rows, centers, move = (each.numpy() for each in (rows_ND, center_KD, move_K))

        def work_on(part: slice) -> None:
            own = cluster_N[part], self._upper_N[part], self._lower_N[part]
            _loops.move_bounds(rows[part], centers, move, most, *own, is_open_N[part])

        parts = chunks(len(rows_ND), rows_ND.shape[1], rows_ND.device)
        for_each_part(parts, lambda: work_on, rows_ND.device)
        if is_open_N.mean() > _MOST_OPEN:
            is_open_N[:] = True
        return torch.from_numpy(is_open_N.nonzero()[0])
