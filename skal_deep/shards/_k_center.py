"""Core-set over shards, in two rounds: the farthest of each part, then of these."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.functional import k_center_greedy, nearest_centers
from skal_deep.functional._chunks import chunks
from skal_deep.functional._distances import TOLERANCE, Points, amid
from skal_deep.functional._nearest import nearest
from skal_deep.shards._files import Part
from skal_deep.shards._look import Look
from skal_deep.shards._tasks import map_parts


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
    n_more = batch_size - len(first)
    taken = np.concatenate([labeled, first]).astype(np.int64)
    far = np.full(len(first), np.nan)
    ids = np.array(first, dtype=np.int64)
    if n_more:
        found = map_parts(
            _farthest_of_part, parts, n_jobs, look, centers_LD, n_more, taken
        )
        candidates_KD = torch.cat([embedding for _, embedding in found])
        picks, distance = k_center_greedy(
            candidates_KD, centers_LD, n_more, with_utilities=False
        )
        ids = np.concatenate(
            [ids, np.concatenate([i for i, _ in found])[picks.numpy()]]
        )
        far = np.concatenate([far, distance.numpy()])
        centers_LD = torch.cat([centers_LD, candidates_KD[picks]])
    radius = max(map_parts(_radius_of_part, parts, n_jobs, look, centers_LD))
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
    return look.embeddings(part).sum(0, dtype=torch.float64), len(part)


def _nearest_to_mean(
    part: Part, look: Look, mean_D: Tensor
) -> tuple[float, int, Tensor]:
    embedding_ND = look.embeddings(part)
    squared_N = nearest_centers(embedding_ND, mean_D[None].to(embedding_ND))[0]
    at = int(squared_N.argmin())
    # a copy: a view is sent with all memory that it looks into
    return float(squared_N[at]), part.offset + at, embedding_ND[at].clone()


def _farthest_of_part(
    part: Part,
    look: Look,
    centers_LD: Tensor,
    n_picks: int,
    taken: NDArray[np.int64],
) -> tuple[NDArray[np.int64], Tensor]:
    embedding_ND = look.embeddings(part)
    ids, place = part.ids, taken - part.offset
    place = place[(place >= 0) & (place < len(part))]
    if len(place):
        is_open = np.ones(len(part), dtype=bool)
        is_open[place] = False
        rows = np.flatnonzero(is_open)
        ids, embedding_ND = (
            ids[rows],
            embedding_ND.index_select(0, torch.as_tensor(rows)),
        )
    if not len(ids):
        return ids, embedding_ND
    picks, _ = k_center_greedy(
        embedding_ND, centers_LD, min(n_picks, len(ids)), with_utilities=False
    )
    return ids[picks.numpy()], embedding_ND[picks]


def _radius_of_part(part: Part, look: Look, centers_LD: Tensor) -> float:
    """Return how far the farthest row is: exactly, and the others nearly."""
    embedding_ND = look.embeddings(part)
    origin_D = amid(embedding_ND)
    centers, device = Points(centers_LD, origin_D), embedding_ND.device
    squared_N = embedding_ND.new_empty(len(embedding_ND))
    for some in chunks(len(embedding_ND), embedding_ND.shape[1], device):
        squared_N[some] = nearest(Points(embedding_ND[some], origin_D), centers)
    is_far_N = squared_N >= (1 - 2 * TOLERANCE) * squared_N.max()
    squared_F, _ = nearest_centers(embedding_ND[is_far_N], centers_LD)
    return math.sqrt(float(squared_F.max()))
