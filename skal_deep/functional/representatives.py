"""One row for each centroid."""

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite
from skal_deep.functional._picks import Picks


def nearest_distinct(
    embeddings: Tensor,
    centroids: Tensor,
    batch_size: int,
    *,
    handicaps: Tensor | None = None,
    with_utilities: bool = True,
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
    """
    picks = Picks(embeddings, batch_size, with_utilities)
    check_finite(embeddings=embeddings, centroids=centroids)
    for step in range(batch_size):
        offset_ND = embeddings - centroids[step % len(centroids)]
        utility_N = -torch.linalg.vector_norm(offset_ND, dim=-1)
        picks.take(utility_N if handicaps is None else utility_N - handicaps)
    return picks.answer()
