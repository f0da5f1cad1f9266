"""One row for each centroid, rows that are set back last."""

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite, check_rows
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
    for step in range(batch_size):
        offset_ND = embeddings - centroids[step % len(centroids)]
        utility_N = -torch.linalg.vector_norm(offset_ND, dim=-1)
        picks.take(utility_N if handicaps is None else utility_N - handicaps)
    return picks.answer()
