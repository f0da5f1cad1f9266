"""Robust core-set: k-centre that may leave out outliers, by integer programming."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, identity
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import (
    check_batch_size,
    check_counts,
    check_no_gradient,
    check_rows,
)
from skal_deep.functional.k_center import k_center_greedy
from skal_deep.functional.largest_cluster import Clusters

# Status of scipy's milp that says that a radius cannot be reached.
_INFEASIBLE = 2


@plain_torch()
def robust_k_center(
    embeddings: Tensor,
    centers: Tensor,
    batch_size: int,
    *,
    n_outliers: int,
    max_points: int,
    time_limit: float,
) -> tuple[Tensor, float, float, bool]:
    """Choose the batch that covers all but a few points within the smallest radius.

    A radius r can be reached if there are binary ``u_j`` (j is picked) and
    ``0 <= o_i <= 1`` (i is left out) with

    ``sum_{j: d_ij <= r} u_j + o_i >= 1`` for each i that no centre covers,
    ``sum_j u_j = b`` and ``sum_i o_i <= n_outliers``.

    That is the paper's program with N in place of N^2 variables. The smallest r is
    found by bisection among the distances that occur, from the greedy batch down;
    HiGHS solves each program. The paper starts at half the greedy radius, which is a
    lower bound only if no point may be left out; here the search then starts at 0.

    More than ``max_points`` points are represented by that many of them, picked
    farthest-first, each as heavy as the number of points it is nearest to. If no
    point is farther than s from its representative, the radius exceeds the optimum by
    at most 3 s more. Time ``O(N D (M + max_points))`` and that of the programs, which
    grows exponentially at worst; memory ``O(N (D + max_points) + max_points^2)``.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates, which are to be covered.
    centers : Tensor of shape (M, D)
        Points that are centres already; there may be none.
    batch_size : int
        Number of picks b.
    n_outliers : int
        Number of points that may be left out.
    max_points : int
        Number of points up to which all are looked at.
    time_limit : float
        Seconds after which the best batch so far is taken.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks, farthest first.
    radius : float
        The largest distance of a point to its nearest centre, ``n_outliers`` points
        left out.
    lower_bound : float
        No batch of this size has a smaller radius. It equals ``radius`` where the
        search is complete and every point was looked at.
    is_complete : bool
        Whether the search ended before the time limit.

    See Also
    --------
    k_center_greedy : Covers all points.
    skal_deep.pool.RobustCoreSet : The strategy.

    References
    ----------
    O. Sener, S. Savarese. Active Learning for Convolutional Neural Networks: A
    Core-Set Approach. ICLR, 2018.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import robust_k_center
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> indices, radius, *_ = robust_k_center(
    ...     embeddings, embeddings[:1], 1, n_outliers=1, max_points=10, time_limit=5.0
    ... )
    >>> indices, radius
    (tensor([2]), 0.0)
    """
    check_batch_size(batch_size, len(embeddings))
    check_counts(max_points=max_points)
    check_counts(least=0, n_outliers=n_outliers)
    check_no_gradient(embeddings=embeddings, centers=centers)
    check_rows(embeddings=embeddings, centers=centers)
    n_kept = min(len(embeddings), max(max_points, batch_size))
    # farthest-first picks come in order: the first b are the greedy batch
    kept, _ = k_center_greedy(embeddings, centers, n_kept, with_utilities=False)
    clusters = Clusters(embeddings, embeddings[kept])
    spread = float(clusters.nearest_N.max().sqrt()) if n_kept < len(embeddings) else 0.0
    weight = torch.bincount(clusters.owner_N, minlength=n_kept).numpy(force=True)
    if n_kept == len(embeddings):
        weight = np.ones(n_kept)  # copies are points of their own
    problem = _Problem(embeddings[kept], centers, weight, batch_size, n_outliers)
    chosen, radius, lower_bound = problem.solve(time.monotonic() + time_limit)
    is_complete = radius == lower_bound
    picks = kept[torch.as_tensor(chosen, device=kept.device)]
    order, _ = k_center_greedy(
        embeddings[picks], centers, batch_size, with_utilities=False
    )
    picks = picks[order]
    if spread:
        covered = Clusters(embeddings, torch.cat([centers, embeddings[picks]]))
        distance_N = covered.nearest_N.sqrt().numpy(force=True)
        radius = _trimmed_max(distance_N, np.ones(len(distance_N)), n_outliers)
        lower_bound = max(0.0, lower_bound - 2 * spread)
    return picks, radius, lower_bound, is_complete


class _Problem:
    """Weighted points, distances between them, and a number of centres to place."""

    def __init__(
        self,
        points_ND: Tensor,
        centers_MD: Tensor,
        weight_N: NDArray[np.float64],
        n_picks: int,
        n_outliers: int,
    ):
        points_ND, centers_MD = points_ND.double(), centers_MD.double()
        self._distance_NN = torch.cdist(
            points_ND, points_ND, compute_mode="donot_use_mm_for_euclid_dist"
        ).numpy(force=True)
        self._to_center_N = (
            Clusters(points_ND, centers_MD).nearest_N.sqrt().numpy(force=True)
        )
        self._weight_N = weight_N
        self._n_picks = n_picks
        self._n_outliers = n_outliers

    def solve(self, deadline: float) -> tuple[NDArray[np.intp], float, float]:
        """Return the best picks, their radius and a lower bound of any radius."""
        best = np.arange(self._n_picks)  # the points come farthest-first
        radius = self._radius(best)
        least = 0.0 if self._n_outliers else radius / 2  # farthest-first is that good
        occurring = np.append(self._distance_NN, self._to_center_N)
        radii = np.unique(occurring[occurring <= radius])
        low, high = 0, len(radii) - 1
        while low < high:
            middle = (low + high) // 2
            picks, is_settled = self._within(radii[middle], deadline)
            if picks is not None:
                best = picks
                high = int(np.searchsorted(radii, self._radius(picks)))
            elif is_settled:
                low = middle + 1
            else:
                break
        return best, float(radii[high]), min(radii[high], max(radii[low], least))

    def _radius(self, picks: NDArray[np.intp]) -> float:
        """Return the radius of some picks, outliers left out."""
        nearest_N = np.minimum(self._distance_NN[:, picks].min(1), self._to_center_N)
        return _trimmed_max(nearest_N, self._weight_N, self._n_outliers)

    def _within(
        self, radius: float, deadline: float
    ) -> tuple[NDArray[np.intp] | None, bool]:
        """Return picks that reach a radius, if any, and whether that is settled."""
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            return None, False
        open_K = np.flatnonzero(self._to_center_N > radius)
        n, weight_K = len(self._weight_N), self._weight_N[open_K]
        covers_KN = csr_array(self._distance_NN[open_K] <= radius, dtype=float)
        is_pick = np.repeat([1.0, 0.0], [n, len(open_K)])
        outlier_weight = np.concatenate([np.zeros(n), weight_K])
        may_be_left_out = weight_K <= self._n_outliers
        result = milp(
            np.zeros(n + len(open_K)),
            integrality=is_pick,
            bounds=Bounds(0, np.concatenate([np.ones(n), may_be_left_out])),
            constraints=[
                LinearConstraint(hstack([covers_KN, identity(len(open_K))]), 1, np.inf),
                LinearConstraint(is_pick[None], self._n_picks, self._n_picks),
                LinearConstraint(outlier_weight[None], 0, self._n_outliers),
            ],
            options={"time_limit": seconds},
        )
        if result.x is not None:
            return np.flatnonzero(result.x[:n] > 0.5), True
        return None, result.status == _INFEASIBLE


def _trimmed_max(
    distance_N: NDArray[np.float64], weight_N: NDArray[np.float64], n_outliers: int
) -> float:
    """Return the largest distance once the farthest points are left out."""
    farthest_first = np.argsort(-distance_N)
    counted = weight_N[farthest_first].cumsum() > n_outliers
    if not counted.any():
        return 0.0
    return float(distance_N[farthest_first[counted.argmax()]])
