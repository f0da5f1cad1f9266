"""One row for each centroid, rows that are set back last."""

import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part
from skal_deep.functional._checks import check_finite, check_rows
from skal_deep.functional._chunks import chunks
from skal_deep.functional._distances import TOLERANCE, Points, amid
from skal_deep.functional._picks import Picks


def largest_distance(rows: Tensor) -> float:
    """Return a number that no distance of two rows exceeds: twice that from the mean.

    As a handicap in :func:`nearest_distinct` it makes rows come last.

    Parameters
    ----------
    rows : Tensor of shape (N, D)
        Rows.

    Returns
    -------
    bound : float
        At most twice the largest distance.
    """
    check_rows(rows=rows)
    offset_ND = rows - rows.mean(0)
    return 2 * float(torch.linalg.vector_norm(offset_ND, dim=-1).max())


@plain_torch()
def nearest_distinct(
    embeddings: Tensor,
    centroids: Tensor,
    batch_size: int,
    *,
    handicaps: Tensor | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the row nearest to each centroid, none of them twice.

    Where utilities of the picks are enough, distances are found by products, and from
    differences for the rows that may be nearest.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    centroids : Tensor of shape (K, D)
        Each is served in turn; with more picks than centroids, they come again.
    batch_size : int
        Number of picks b.
    handicaps : Tensor of shape (N,), optional
        Number added to the distances of each candidate; ``None`` adds nothing.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order of the centroids; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds minus the distances to centroid t, less the handicaps; 0 at
        earlier picks.

    See Also
    --------
    skal_deep.pool.DiverseMiniBatch : A strategy that uses it.
    skal_deep.pool.Clue : Another one.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import nearest_distinct
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> indices, _ = nearest_distinct(embeddings, torch.tensor([[4.0], [4.5]]), 2)
    >>> indices
    tensor([2, 1])
    """
    picks = Picks(embeddings, batch_size, with_utilities)
    check_rows(embeddings=embeddings, centroids=centroids)
    if handicaps is not None:
        check_finite(handicaps=handicaps)
    if with_utilities:
        for step in range(batch_size):
            center_D = centroids[step % len(centroids)]
            picks.take(_utility(embeddings, center_D, handicaps))
        return picks.answer()
    origin_D = amid(embeddings)
    points, centers = Points(embeddings, origin_D), Points(centroids, origin_D)
    for steps in chunks(batch_size, len(embeddings), embeddings.device):
        at = [step % len(centroids) for step in range(steps.start, steps.stop)]
        squared_KN = _squared(points, centers.at(at))
        for center_D, squared_N in zip(centroids[at], squared_KN, strict=True):
            rows = _may_be_nearest(squared_N, handicaps, picks.left_N)
            handicap_n = None if handicaps is None else handicaps[rows]
            utility_N = torch.full_like(squared_N, -math.inf)
            utility_N[rows] = _utility(embeddings[rows], center_D, handicap_n)
            picks.take(utility_N)
    return picks.answer()


def _squared(points: Points, centers: Points) -> Tensor:
    """Return squared distances (K, N) of centres to points, which threads share."""
    squared_KN = points.norm_N.new_empty(len(centers), len(points))
    points.keep_moved()
    centers.keep_moved()

    def work_on(part: slice) -> None:
        points.at(part).to_each(centers, squared_KN[:, part])

    n_columns = max(len(centers), len(points.origin_D))
    parts = chunks(len(points), n_columns, squared_KN.device)
    for_each_part(parts, lambda: work_on, squared_KN.device)
    return squared_KN


def _utility(embeddings: Tensor, center_D: Tensor, handicap_N: Tensor | None) -> Tensor:
    utility_N: Tensor = -torch.linalg.vector_norm(embeddings - center_D, dim=-1)
    return utility_N if handicap_N is None else utility_N - handicap_N


def _may_be_nearest(
    squared_N: Tensor, handicap_N: Tensor | None, left_N: Tensor
) -> Tensor:
    """Return the rows that are nearest of those left, as far as products can tell."""
    more_N = squared_N.new_zeros(()) if handicap_N is None else handicap_N
    squared_N = squared_N.clamp_min(0)
    most_N = (squared_N * (1 + 2 * TOLERANCE)).sqrt_() + more_N
    least_N = (squared_N * (1 - 2 * TOLERANCE)).sqrt_() + more_N
    bound = torch.where(left_N, most_N, math.inf).min()
    is_open_N = left_N & ~(least_N > bound)  # squares that are too large are open
    return is_open_N.nonzero()[:, 0]
