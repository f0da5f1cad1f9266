"""TypiClust: the typical row of each cluster."""

import math

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_counts, check_rows
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import (
    grouped_neighbors,
    nearest_centers,
    nearest_neighbors,
)

# Clusters this small are left to the last, as in the authors' code.
_SMALL_CLUSTER = 5


@plain_torch()
def typicality(
    embeddings: Tensor, data: Tensor, n_neighbors: int, *, max_exact: int = 30_000
) -> Tensor:
    """Return one over the mean distance to the nearest rows of the data.

    The nearest row of all is left out: it is the row itself.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows of the data, some or all.
    data : Tensor of shape (M, D)
        Data.
    n_neighbors : int
        Number of neighbours k; fewer where the data have fewer other rows.
    max_exact : int, default=30_000
        Among more rows than these, neighbours are sought in groups, and most of the
        nearest found: :func:`grouped_neighbors`.

    Returns
    -------
    Tensor of shape (N,)
        ``(mean of k distances) ** -1``. Where all neighbours are copies, the largest
        number there is.

    See Also
    --------
    typi_clust : Chooses by it.
    density : By a kernel over all data.

    References
    ----------
    G. Hacohen, A. Dekel, D. Weinshall. Active Learning on a Budget: Opposite
    Strategies Suit High and Low Budgets. ICML, 2022.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import typicality
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> typicality(embeddings, embeddings, 1)
    tensor([1.0000, 1.0000, 0.2500])
    """
    check_counts(least=0, n_neighbors=n_neighbors, max_exact=max_exact)
    n_nearest = min(n_neighbors + 1, len(data))
    if n_nearest == 1:
        return embeddings.new_ones(len(embeddings))
    find = nearest_neighbors if len(data) <= max_exact else grouped_neighbors
    distance_Nk, _ = find(embeddings, data, n_nearest)
    largest = torch.finfo(embeddings.dtype).max
    return distance_Nk[:, 1:].mean(-1).reciprocal().clamp_max(largest)


@plain_torch()
def typi_clust(
    embeddings: Tensor,
    data: Tensor,
    n_labeled: int,
    centroids: Tensor,
    batch_size: int,
    *,
    rows: Tensor | None = None,
    n_neighbors: int = 20,
    max_exact: int = 30_000,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the most typical row of one cluster after the other.

    Clusters with few labelled rows come first, among them the large ones; clusters
    of five rows or fewer come once no other has a candidate left. Typicality is
    taken within the cluster, from ``min(n_neighbors, half its rows)`` neighbours, and
    only in clusters that have their turn: ``O(sum_c n_c^2 D)`` operations over those
    with n_c rows, in chunks.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    data : Tensor of shape (M, D)
        All rows, the labelled ones first.
    n_labeled : int
        Number of labelled rows.
    centroids : Tensor of shape (K, D)
        Of the clusters; a row belongs to the nearest.
    batch_size : int
        Number of picks b.
    rows : Tensor of shape (N,), optional
        Which rows of the data the candidates are, in whose clusters they are then;
        ``None`` is the nearest ones.
    n_neighbors : int, default=20
        Largest number of neighbours; the paper's 20.
    max_exact : int, default=30_000
        In larger clusters neighbours are sought in groups: :func:`grouped_neighbors`.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the typicality of the candidates in the cluster whose turn it is,
        0 elsewhere and at earlier picks.

    See Also
    --------
    typicality : What is typical.
    skal_deep.pool.TypiClust : The strategy.

    References
    ----------
    G. Hacohen, A. Dekel, D. Weinshall. Active Learning on a Budget: Opposite
    Strategies Suit High and Low Budgets. ICML, 2022.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import typi_clust
    >>> embeddings = torch.tensor([[0.0, 0.1], [0.1, 0.0], [4.0, 4.0], [4.1, 4.0]])
    >>> centroids = torch.tensor([[0.0, 0.0], [4.0, 4.0]])
    >>> indices, _ = typi_clust(embeddings, embeddings, 0, centroids, 2, n_neighbors=1)
    >>> indices
    tensor([0, 2])
    """
    picks = Picks(embeddings, batch_size, with_utilities)
    check_counts(n_neighbors=n_neighbors)
    check_counts(least=0, most=len(data), n_labeled=n_labeled)
    check_counts(least=0, max_exact=max_exact)
    check_rows(embeddings=embeddings, data=data)
    # of the data alone: rounding might put a candidate into a cluster without rows
    cluster_M = nearest_centers(data, centroids)[1]
    if rows is None:
        rows = nearest_neighbors(embeddings, data, 1)[1][:, 0]
    cluster_N = cluster_M[rows.to(cluster_M.device)]
    size_K = torch.bincount(cluster_M, minlength=len(centroids)).tolist()
    labeled_K = torch.bincount(cluster_M[:n_labeled], minlength=len(centroids)).tolist()
    turns = sorted(
        cluster_N.unique().tolist(), key=lambda c: (labeled_K[c], -size_K[c], c)
    )
    scores: dict[int, Tensor] = {}
    while len(picks.rows) < batch_size:
        turns = [c for c in turns if picks.left_N[cluster_N == c].any()]
        for c in [c for c in turns if size_K[c] > _SMALL_CLUSTER] or turns:
            inside_N = cluster_N == c
            if c not in scores:
                members = data[cluster_M == c]
                k = min(n_neighbors, len(members) // 2)
                scores[c] = typicality(
                    embeddings[inside_N], members, k, max_exact=max_exact
                )
            utility_N = embeddings.new_zeros(len(embeddings))
            utility_N[inside_N] = scores[c]
            open_N = torch.where(inside_N & picks.left_N, utility_N, -math.inf)
            picks.add(int(open_N.argmax()), utility_N)
            if len(picks.rows) == batch_size:
                break
    return picks.answer()
