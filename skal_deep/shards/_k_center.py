"""Core-set over shards, in two rounds: the farthest of each part, then of these."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.functional import k_center_greedy, nearest_centers
from skal_deep.functional._chunks import chunks, slices
from skal_deep.functional._distances import TOLERANCE, Points, amid
from skal_deep.functional._nearest import join_centers, nearest
from skal_deep.shards._files import Part
from skal_deep.shards._look import Look, check_centers
from skal_deep.shards._tasks import map_parts

# Squared distances that are found nearly are off by less than this, both ways.
_NEARLY = 2 * TOLERANCE
# Numbers that are summed at once: their copies in float64 stay in the cache of a core.
_NUMBERS_OF_A_SUM = 2**16
# The number of centres that all rows of a part are compared with for its radius; those
# that are left are compared with so many times as many, and so on.
_N_FIRST_CENTERS = 8


def farthest_over_shards(
    parts: list[Part],
    look: Look,
    centers_LD: Tensor | None,
    batch_size: int,
    labeled: NDArray[np.int64],
    n_jobs: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, float]]:
    """Return picks, their distances to all centres before, and a certificate.

    The picks are at distance ``delta`` or more from each other and from the centres,
    and some row is at distance R, the radius, from all of them. Among these b + 1 rows
    two share a centre of any other batch, or one is with a centre that was there. So no
    batch has a radius below ``min(delta, R) / 2``.
    """
    first: list[int] = []
    if centers_LD is None:
        sums = map_parts(_sum_of_part, parts, n_jobs, look)
        mean_D = sum(s for s, _ in sums) / sum(n for _, n in sums)
        found = map_parts(_nearest_to_mean, parts, n_jobs, look, mean_D)
        _, row, embedding_D = min(found, key=lambda each: each[:2])
        first, centers_LD = [row], embedding_D[None]
    n_more, least = batch_size - len(first), 0.0
    taken = np.concatenate([labeled, first]).astype(np.int64)
    far = np.full(len(first), np.nan)
    ids = np.array(first, dtype=np.int64)
    if n_more:
        found = map_parts(
            _farthest_of_part, parts, n_jobs, look, centers_LD, n_more, taken
        )
        candidates_KD = torch.cat([embedding for _, embedding, _ in found])
        picks, distance = k_center_greedy(
            candidates_KD, centers_LD, n_more, with_utilities=False
        )
        ids = np.concatenate(
            [ids, np.concatenate([i for i, _, _ in found])[picks.numpy()]]
        )
        far = np.concatenate([far, distance.numpy()])
        centers_LD = torch.cat([centers_LD, candidates_KD[picks]])
        # some rows that are far: most others are closer than these
        some_KD = torch.cat([candidates_KD, *(more for _, _, more in found)])
        least = float(nearest_centers(some_KD, centers_LD)[0].max())
    radius = max(map_parts(_radius_of_part, parts, n_jobs, look, centers_LD, least))
    apart = float(np.nanmin(far)) if n_more else math.inf
    bound = min(apart, radius) / 2
    return (
        ids,
        far,
        {
            "radius": radius,
            "least possible radius": bound,
            "at most times the best": radius / bound if bound else 1.0,
        },
    )


def _sum_of_part(part: Part, look: Look) -> tuple[Tensor, int]:
    embedding_ND = look.embeddings(part)
    n, n_dims = embedding_ND.shape
    sum_D = embedding_ND.new_zeros(n_dims, dtype=torch.float64)
    for some in slices(n, max(1, _NUMBERS_OF_A_SUM // max(1, n_dims))):
        sum_D += embedding_ND[some].sum(0, dtype=torch.float64)
    largest = float((sum_D / n).abs().max()) if n_dims else 0.0
    if not largest * largest * 8 * n_dims <= torch.finfo(embedding_ND.dtype).max:
        check_centers(embedding_ND)  # here, as nobody knows whose the mean is
    return sum_D, len(part)


def _nearest_to_mean(
    part: Part, look: Look, mean_D: Tensor
) -> tuple[float, int, Tensor]:
    embedding_ND = look.embeddings(part)
    center_KD = mean_D[None].to(embedding_ND)
    squared_KN = embedding_ND.new_full((1, len(part)), math.inf)
    join_centers(embedding_ND, center_KD, squared_KN)
    near_F = (squared_KN[0] <= (1 + _NEARLY) * squared_KN.min()).nonzero()[:, 0]
    squared_F = nearest_centers(embedding_ND[near_F], center_KD)[0]
    at = int(near_F[squared_F.argmin()])
    # a copy: a view is sent with all memory that it looks into
    return float(squared_F.min()), part.offset + at, embedding_ND[at].clone()


def _farthest_of_part(
    part: Part,
    look: Look,
    centers_LD: Tensor,
    n_picks: int,
    taken: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Tensor, Tensor]:
    """Return the picks of a part, and what would be the next one, if there are more."""
    embedding_ND = look.embeddings(part)
    ids, place = part.ids, taken - part.offset
    place = place[(place >= 0) & (place < len(part))]
    if len(place):
        is_open = np.ones(len(part), dtype=bool)
        is_open[place] = False
        rows = np.flatnonzero(is_open)
        embedding_ND = embedding_ND.index_select(0, torch.as_tensor(rows))
        ids = ids[rows]
    if not len(ids):
        return ids, embedding_ND, embedding_ND
    picks, _ = k_center_greedy(
        embedding_ND, centers_LD, min(n_picks + 1, len(ids)), with_utilities=False
    )
    picks, more = picks[:n_picks], picks[n_picks:]
    return ids[picks.numpy()], embedding_ND[picks], embedding_ND[more]


def _radius_of_part(part: Part, look: Look, centers_LD: Tensor, least: float) -> float:
    """Return how far the farthest row is, exactly; 0 if none is as far as told.

    Parameters
    ----------
    part, look
        The rows.
    centers_LD : Tensor of shape (L, D)
        All centres.
    least : float
        A squared distance; some row of all parts is as far as that from its nearest
        centre.
    """
    embedding_ND = look.embeddings(part)
    found = list(_nearly(embedding_ND, centers_LD, (1 - _NEARLY) * least))
    far_M, squared_M = (torch.cat(values) for values in zip(*found, strict=True))
    if not len(far_M):
        return 0.0
    far_F = far_M[squared_M >= (1 - _NEARLY) * squared_M.max()]
    squared_F, _ = nearest_centers(embedding_ND[far_F], centers_LD)
    return math.sqrt(float(squared_F.max()))


def _nearly(
    embedding_ND: Tensor, centers_LD: Tensor, least: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield which rows (M,) are far, and how far from their nearest centre, nearly.

    A row that is closer to some centres than ``least``, as a squared distance, is left
    out, and not compared with others.
    """
    origin_D, (n, n_dims) = amid(embedding_ND), embedding_ND.shape
    centers = Points(centers_LD, origin_D)
    for some in chunks(n, n_dims, embedding_ND.device):
        points = Points(embedding_ND[some], origin_D)
        row_M = torch.arange(some.start, some.stop, device=embedding_ND.device)
        squared_M = embedding_ND.new_full((len(points),), math.inf)
        start, n_more = 0, _N_FIRST_CENTERS
        while start < len(centers) and len(points):
            others = centers.at(slice(start, start + n_more))
            torch.minimum(squared_M, nearest(points, others), out=squared_M)
            left_L = (squared_M >= least).nonzero()[:, 0]
            if len(left_L) < len(points):
                points, row_M = points.at(left_L), row_M[left_L]
                squared_M = squared_M[left_L]
            start, n_more = start + n_more, n_more * _N_FIRST_CENTERS
        yield row_M, squared_M
