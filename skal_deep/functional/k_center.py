"""Core-set: greedy k-centre."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite
from skal_deep.functional.selection import without_earlier

# Elements of the largest temporary array: 64 MiB in float32.
_MEMORY_BUDGET = 2**24


def k_center_greedy(
    embeddings: Tensor, centers: Tensor, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Choose the point farthest from all centres, again and again.

    Each pick becomes a centre. The largest distance of a point to its nearest centre
    is then at most twice the smallest that any batch of the same size could reach.

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
    n = len(embeddings)
    check_batch_size(batch_size, n)
    check_finite(embeddings=embeddings, centers=centers)
    has_centers = len(centers) > 0
    # Distances stay the same and lose fewer digits near the origin. The mean is that
    # of the centres, so that a candidate's distance does not depend on the others.
    origin_D = (centers if has_centers else embeddings).mean(0)
    points_ND, centers_MD = embeddings - origin_D, centers - origin_D
    norm_N = points_ND.square().sum(-1)
    if has_centers:
        nearest_N = _nearest(points_ND, norm_N, centers_MD)
        row_N = nearest_N.sqrt()
    else:
        nearest_N = torch.full_like(norm_N, math.inf)
        row_N = -norm_N.sqrt()
    left = torch.ones(n, dtype=torch.bool, device=embeddings.device)
    rows, indices = [row_N], [int(row_N.argmax())]
    for _ in range(1, batch_size):
        pick = indices[-1]
        left[pick] = False
        to_pick_N = norm_N + norm_N[pick] - 2 * (points_ND @ points_ND[pick])
        nearest_N = torch.minimum(nearest_N, to_pick_N.clamp_min(0))
        rows.append(nearest_N.sqrt())
        indices.append(int(torch.where(left, nearest_N, -math.inf).argmax()))
    picks = torch.tensor(indices, device=embeddings.device)
    return picks, without_earlier(torch.stack(rows), picks)


def _nearest(points_ND: Tensor, norm_N: Tensor, centers_MD: Tensor) -> Tensor:
    """Return the squared distance of each point to its nearest centre."""
    size = max(1, _MEMORY_BUDGET // len(centers_MD))
    center_norm_M = centers_MD.square().sum(-1)
    nearest = [
        (center_norm_M - 2 * (chunk_nD @ centers_MD.T)).amin(-1)
        for chunk_nD in points_ND.split(size)
    ]
    return (torch.cat(nearest) + norm_N).clamp_min(0)
