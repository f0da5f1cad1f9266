"""Core-set: greedy k-centre."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite
from skal_deep.functional.selection import without_earlier

# Elements of the largest temporary array: 64 MiB in float32.
_MEMORY_BUDGET = 2**24
# Points among which picks are made before all others are brought up to date.
_FRONT_SIZE = 512


def k_center_greedy(
    embeddings: Tensor, centers: Tensor, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Choose the point farthest from all centres, again and again.

    Each pick becomes a centre. The largest distance of a point to its nearest centre
    is then at most twice the smallest that any batch of the same size could reach.

    Distances only shrink as centres are added. So picks are made among the points
    that were farthest, the front, as long as the farthest of them is farther than
    any point outside was; then all points are brought up to date with the picks of
    that block at once, by one matrix product instead of one pass for each pick.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    centers : Tensor of shape (M, D)
        Points that are centres already. With none, the first pick is the candidate
        closest to the mean of all.
    batch_size : int
        Number of picks b.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the Euclidean distance of each candidate to its nearest centre
        before pick t, 0 at earlier picks. Without centres, row 0 holds minus the
        distance to the mean.

    References
    ----------
    O. Sener, S. Savarese. Active Learning for Convolutional Neural Networks: A
    Core-Set Approach. ICLR, 2018.
    """
    check_batch_size(batch_size, len(embeddings))
    check_finite(embeddings=embeddings, centers=centers)
    # Distances stay the same and lose fewer digits near the origin. The mean is that
    # of the centres, so that a candidate's distance does not depend on the others.
    origin_D = (centers if len(centers) else embeddings).mean(0)
    points_ND, centers_MD = embeddings - origin_D, centers - origin_D
    norm_N = points_ND.square().sum(-1)
    picks: list[int] = []
    rows = embeddings.new_empty(batch_size, len(embeddings))
    if len(centers):
        nearest_N = _nearest(points_ND, norm_N, centers_MD)
    else:
        picks.append(int(norm_N.argmin()))
        rows[0] = -norm_N.sqrt()
        nearest_N = _squared_distances(points_ND, norm_N, picks)[0].clone()
        nearest_N[picks] = -math.inf
    while len(picks) < batch_size:
        block = _picks_in_front(points_ND, norm_N, nearest_N, batch_size - len(picks))
        distances_BN = _squared_distances(points_ND, norm_N, block)
        for pick, distance_N in zip(block, distances_BN, strict=True):
            rows[len(picks)] = nearest_N.clamp_min(0).sqrt()
            nearest_N = torch.minimum(nearest_N, distance_N)
            nearest_N[pick] = -math.inf
            picks.append(pick)
    indices = torch.tensor(picks, device=embeddings.device)
    return indices, without_earlier(rows, indices)


def _picks_in_front(
    points_ND: Tensor, norm_N: Tensor, nearest_N: Tensor, n_picks: int
) -> list[int]:
    """Return the next picks, as many as the front decides, at least one.

    ``nearest_N`` holds exact squared distances, -inf at what is picked. A point
    outside the front is never farther than the last of the front was: while the
    farthest of the front is farther than that, it is the farthest of all.
    """
    front_F = torch.topk(nearest_N, min(_FRONT_SIZE, len(nearest_N))).indices
    front_F = front_F.sort().values  # the lowest position wins a tie
    front_FD, distance_F = points_ND[front_F], nearest_N[front_F]
    norm_F = norm_N[front_F]
    outside = float(distance_F.min()) if len(front_F) < len(nearest_N) else -math.inf
    picks: list[int] = [int(nearest_N.argmax())]
    budget = min(n_picks, max(1, _MEMORY_BUDGET // len(nearest_N)))
    while len(picks) < budget:
        at = int(torch.searchsorted(front_F, picks[-1]))
        if at == len(front_F) or int(front_F[at]) != picks[-1]:
            break  # it tied with points of the front from outside
        to_pick_F = norm_F + norm_F[at] - 2 * (front_FD @ front_FD[at])
        distance_F = torch.minimum(distance_F, to_pick_F.clamp_min(0))
        distance_F[at] = -math.inf
        farthest = int(distance_F.argmax())
        if not float(distance_F[farthest]) > outside:
            break
        picks.append(int(front_F[farthest]))
    return picks


def _squared_distances(points_ND: Tensor, norm_N: Tensor, rows: list[int]) -> Tensor:
    """Return the squared distances of some points to all, of shape (len(rows), N)."""
    inner_BN = points_ND[rows] @ points_ND.T
    return (norm_N[rows, None] + norm_N - 2 * inner_BN).clamp_min(0)


def _nearest(points_ND: Tensor, norm_N: Tensor, centers_MD: Tensor) -> Tensor:
    """Return the squared distance of each point to its nearest centre."""
    size = max(1, _MEMORY_BUDGET // len(centers_MD))
    center_norm_M = centers_MD.square().sum(-1)
    nearest = [
        (center_norm_M - 2 * (chunk_nD @ centers_MD.T)).amin(-1)
        for chunk_nD in points_ND.split(size)
    ]
    return (torch.cat(nearest) + norm_N).clamp_min(0)
