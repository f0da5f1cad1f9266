"""One row for each centroid."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite
from skal_deep.functional.selection import without_earlier


def nearest_distinct(
    embeddings: Tensor,
    centroids: Tensor,
    batch_size: int,
    handicaps: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose the row nearest to each centroid, none of them twice.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    centroids : Tensor of shape (K, D)
        Each is served in turn; with more picks than centroids, they come again.
    batch_size : int
        Number of picks b.
    handicaps : Tensor of shape (N,), optional
        What is added to the distances of each candidate; ``None`` is nothing.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order of the centroids; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds minus the distances to centroid t, less the handicaps; 0 at
        earlier picks.
    """
    check_batch_size(batch_size, len(embeddings))
    check_finite(embeddings=embeddings, centroids=centroids)
    left_N = embeddings.new_ones(len(embeddings), dtype=torch.bool)
    utilities = embeddings.new_empty(batch_size, len(embeddings))
    picks: list[int] = []
    for step in range(batch_size):
        offset_ND = embeddings - centroids[step % len(centroids)]
        utilities[step] = -torch.linalg.vector_norm(offset_ND, dim=-1)
        if handicaps is not None:
            utilities[step] -= handicaps
        pick = int(torch.where(left_N, utilities[step], -math.inf).argmax())
        left_N[pick] = False
        picks.append(pick)
    indices = torch.tensor(picks, device=embeddings.device)
    return indices, without_earlier(utilities, indices)
