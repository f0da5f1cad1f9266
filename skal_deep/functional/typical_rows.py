"""TypiClust: the typical row of each cluster."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_batch_size, check_finite
from skal_deep.functional.neighbors import nearest_centers, nearest_neighbors
from skal_deep.functional.selection import without_earlier

# Clusters this small are left to the last, as in the authors' code.
_SMALL_CLUSTER = 5


def typicality(embeddings: Tensor, data: Tensor, n_neighbors: int) -> Tensor:
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

    Returns
    -------
    scores : Tensor of shape (N,)
        ``(mean of k distances) ** -1``. Where all neighbours are copies, the largest
        number there is.

    References
    ----------
    G. Hacohen, A. Dekel, D. Weinshall. Active Learning on a Budget: Opposite
    Strategies Suit High and Low Budgets. ICML, 2022.
    """
    n_nearest = min(n_neighbors + 1, len(data))
    if n_nearest == 1:
        return embeddings.new_ones(len(embeddings))
    distance_Nk, _ = nearest_neighbors(embeddings, data, n_nearest)
    largest = torch.finfo(embeddings.dtype).max
    return distance_Nk[:, 1:].mean(-1).reciprocal().clamp_max(largest)


def typi_clust(
    embeddings: Tensor,
    data: Tensor,
    n_labeled: int,
    centroids: Tensor,
    batch_size: int,
    n_neighbors: int = 20,
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
    n_neighbors : int, default=20
        Largest number of neighbours; the paper's 20.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the typicality of the candidates in the cluster whose turn it is,
        0 elsewhere and at earlier picks.

    References
    ----------
    G. Hacohen, A. Dekel, D. Weinshall. Active Learning on a Budget: Opposite
    Strategies Suit High and Low Budgets. ICML, 2022.
    """
    check_batch_size(batch_size, len(embeddings))
    check_finite(embeddings=embeddings, data=data)
    cluster_N, cluster_M = (
        nearest_centers(rows, centroids)[1] for rows in (embeddings, data)
    )
    size_K = torch.bincount(cluster_M, minlength=len(centroids)).tolist()
    labeled_K = torch.bincount(cluster_M[:n_labeled], minlength=len(centroids)).tolist()
    turns = sorted(
        cluster_N.unique().tolist(), key=lambda c: (labeled_K[c], -size_K[c], c)
    )
    left_N = torch.ones(len(embeddings), dtype=torch.bool, device=embeddings.device)
    scores: dict[int, Tensor] = {}
    utilities = embeddings.new_zeros(batch_size, len(embeddings))
    picks: list[int] = []
    while len(picks) < batch_size:
        turns = [c for c in turns if left_N[cluster_N == c].any()]
        for c in [c for c in turns if size_K[c] > _SMALL_CLUSTER] or turns:
            inside_N = cluster_N == c
            if c not in scores:
                members = data[cluster_M == c]
                k = min(n_neighbors, len(members) // 2)
                scores[c] = typicality(embeddings[inside_N], members, k)
            utilities[len(picks), inside_N] = scores[c]
            open_N = torch.where(inside_N & left_N, utilities[len(picks)], -math.inf)
            picks.append(int(open_N.argmax()))
            left_N[picks[-1]] = False
            if len(picks) == batch_size:
                break
    indices = torch.tensor(picks, device=embeddings.device)
    return indices, without_earlier(utilities, indices)
