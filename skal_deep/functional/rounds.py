"""Cluster-Margin: rounds through clusters, the small ones first."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part
from skal_deep.functional._checks import (
    check_batch_size,
    check_counts,
    check_finite,
)
from skal_deep.functional._distances import (
    Points,
    all_differences,
    amid,
    is_plain,
    least_sure,
)
from skal_deep.functional._picks import without_earlier
from skal_deep.functional.selection import top_k

# Sums of squares of thousands of numbers between this and one over it are numbers.
_LEAST = 1e-15
# So many random directions tell which rows lie together.
_N_DIRECTIONS = 64


@plain_torch()
def average_linkage(embeddings: Tensor, n_clusters: int) -> Tensor:
    """Return clusters by agglomeration: the two closest on average merge, repeatedly.

    Holds all N (N - 1) / 2 distances, so give it a sample of a large pool.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    n_clusters : int
        Largest number of clusters; fewer where merges tie.

    Returns
    -------
    Tensor of shape (N,)
        Cluster of each row, from 0 on.

    See Also
    --------
    cluster_rounds : Chooses from the clusters by turns.
    skal_deep.pool.ClusterMargin : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import average_linkage
    >>> embeddings = torch.tensor([[0.0, 0.1], [0.1, 0.0], [4.0, 4.0], [4.1, 4.0]])
    >>> average_linkage(embeddings, 2)
    tensor([1, 1, 0, 0])
    """
    check_counts(n_clusters=n_clusters)
    if len(embeddings) < 2:
        return torch.zeros(len(embeddings), dtype=torch.long, device=embeddings.device)
    tree = _linked(embeddings.double().numpy(force=True))
    return _cut(tree, n_clusters).to(embeddings.device)


def linkage_of_part(embeddings: Tensor, n_clusters: int) -> Tensor:
    """Return what :func:`average_linkage` does, from distances by products.

    They take a tenth of the time. Round-off is a share of at most a thousandth of each,
    so that merges may come in another order where distances are almost equal.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows, at least two.
    n_clusters : int
        Largest number of clusters.

    Returns
    -------
    Tensor of shape (N,)
        Cluster of each row, from 0 on.
    """
    points = Points(embeddings, amid(embeddings))
    squared_NN = points.products(points).fill_diagonal_(math.inf)
    sure_N1 = (least_sure(embeddings) * points.norm_N)[:, None]
    is_close_N = (squared_NN < sure_N1).any(1)
    if is_close_N.any():
        squared_NN[is_close_N] = all_differences(embeddings[is_close_N], embeddings)
    return _cut(_tree(squared_NN), n_clusters).to(embeddings.device)


def _tree(squared_NN: Tensor) -> NDArray[np.float64]:
    """Return scipy's tree by average linkage, from squared distances.

    Those of rows from themselves are changed.
    """
    if not (is_plain(squared_NN) and are_compiled()):
        n = len(squared_NN)
        above = torch.triu_indices(n, n, 1, device=squared_NN.device)
        squared = squared_NN[above[0], above[1]].clamp_min_(0)
        return _linked(np.sqrt(squared.numpy(force=True)))
    from skal_deep.functional import _loops

    check_finite(distances=squared_NN.fill_diagonal_(0))
    n_merges = len(squared_NN) - 1
    pair_M2, height_M = np.empty((n_merges, 2), dtype=np.int64), np.empty(n_merges)
    _loops.merge_nearest(squared_NN.numpy(), pair_M2, height_M)
    order = height_M.argsort(kind="stable")
    tree_M4 = np.empty((n_merges, 4))
    _loops.name_merged(pair_M2[order], height_M[order], tree_M4)
    return tree_M4


def _linked(rows_or_distances: NDArray[Any]) -> NDArray[np.float64]:
    """Return a tree by average linkage."""
    tree: NDArray[np.float64] = linkage(rows_or_distances, method="average")
    return tree


def _cut(tree: NDArray[np.float64], n_clusters: int) -> Tensor:
    """Return the clusters (N,) of a tree."""
    labels = fcluster(tree, min(n_clusters, len(tree) + 1), criterion="maxclust") - 1
    return torch.as_tensor(labels, dtype=torch.long)


def halve(embeddings: Tensor, most: int, wanted: Tensor | None = None) -> list[Tensor]:
    """Return parts of rows that lie together, halves of halves until they are small.

    Rows are halved at the median of a projection: on the line from the row farthest
    from the mean to the row farthest from that one. Rows of more than 64 numbers are
    looked at in 64 random directions, always the same: of 20,000 rows of 768 numbers,
    as many had their five nearest in their part as without, up to one in seventy.
    ``O(N D)`` operations.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    most : int
        Largest number of rows in a part.
    wanted : Tensor of shape (N,), optional
        Which rows are asked about: parts without any are not halved. ``None`` are all.

    Returns
    -------
    parts : list of Tensors of shape (P,)
        Positions of the rows; each row is in one part.
    """
    if not len(embeddings):
        return []

    def sized(part: Tensor) -> tuple[Tensor, bool]:
        is_large = len(part) > most and (wanted is None or bool(wanted[part].any()))
        return part, is_large

    parts = [sized(torch.arange(len(embeddings), device=embeddings.device))]
    embeddings = _in_few_directions(embeddings)
    while any(is_large for _, is_large in parts):
        parts = _with_halves(embeddings, parts, sized)
    return [part for part, _ in parts]


def _with_halves(
    embeddings: Tensor,
    parts: list[tuple[Tensor, bool]],
    sized: Callable[[Tensor], tuple[Tensor, bool]],
) -> list[tuple[Tensor, bool]]:
    """Return halves in the place of large parts, which threads share."""
    halves = [[part] for part in parts]

    def work_on(number: int) -> None:
        whole, _ = parts[number]
        halves[number] = [sized(half) for half in _halves(embeddings, whole)]

    large = [number for number, (_, is_large) in enumerate(parts) if is_large]
    for_each_part(large, lambda: work_on, embeddings.device)
    return [half for of_part in halves for half in of_part]


def _halves(embeddings: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    """Return two parts of rows that lie together."""
    rows = embeddings[part]
    rows -= rows.mean(0)
    norm = torch.linalg.vector_norm(rows, dim=-1).square_()
    one = rows[norm.argmax()]
    other = rows[torch.addmv(norm, rows, one, alpha=-2).argmax()]
    order = (rows @ (other - one)).sort(stable=True).indices
    middle = len(part) // 2
    return part[order[middle:]], part[order[:middle]]


def _in_few_directions(embeddings: Tensor) -> Tensor:
    """Return rows with 64 numbers each at most."""
    if not _LEAST < embeddings.abs().max() < 1 / _LEAST:
        embeddings = embeddings.double()  # squares of float32 would be no numbers
    if embeddings.shape[1] <= _N_DIRECTIONS:
        return embeddings
    shape = embeddings.shape[1], _N_DIRECTIONS
    direction_DP = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return embeddings @ direction_DP.to(embeddings)


@plain_torch()
def cluster_rounds(
    scores: Tensor,
    clusters: Tensor,
    batch_size: int,
    *,
    n_considered: int,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose by turns from the clusters of the highest scores, small clusters first.

    The ``n_considered`` highest scores are grouped by cluster. In each round every
    group that has a row left gives its highest score, the smallest group first. The
    paper takes a random row of the group instead.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Finite scores, high = query.
    clusters : Tensor of shape (N,)
        Cluster of each candidate.
    batch_size : int
        Number of picks b.
    n_considered : int
        Number of highest scores that may be picked; at least b and at most N are.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order.
    utilities : Tensor of shape (b, N)
        Row t holds the scores of the cluster whose turn it is and the lowest of all
        scores elsewhere; 0 at earlier picks.

    See Also
    --------
    average_linkage : Finds clusters.
    skal_deep.pool.ClusterRounds : The rule.

    References
    ----------
    G. Citovsky, G. DeSalvo, C. Gentile, L. Karydas, A. Rajagopalan, A. Rostamizadeh,
    S. Kumar. Batch Active Learning at Scale. NeurIPS, 2021.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import cluster_rounds
    >>> scores = torch.tensor([0.9, 0.8, 0.7, 0.1])
    >>> clusters = torch.tensor([0, 0, 1, 1])
    >>> indices, _ = cluster_rounds(scores, clusters, 2, n_considered=3)
    >>> indices
    tensor([2, 0])
    """
    check_batch_size(batch_size, len(scores))
    check_counts(least=0, n_considered=n_considered)
    check_finite(scores=scores)
    n_considered = min(max(n_considered, batch_size), len(scores))
    considered, _ = top_k(scores, n_considered, with_utilities=False)
    _, group, size = clusters[considered].unique(
        return_inverse=True, return_counts=True
    )
    # rows of a group are in order of their scores: the r-th has its turn in round r
    by_group = torch.sort(group, stable=True).indices
    start = size.cumsum(0) - size
    turn = torch.empty_like(group)
    turn[by_group] = torch.arange(len(group), device=group.device)
    turn -= start[group]
    # groups of a size take turns in the order of their best scores
    best = torch.full_like(size, len(group)).scatter_reduce(
        0, group, torch.arange(len(group), device=group.device), "amin"
    )
    order = np.lexsort([k.numpy(force=True) for k in (best[group], size[group], turn)])
    indices = considered[torch.as_tensor(order[:batch_size], device=scores.device)]
    if not with_utilities:
        return indices, scores[indices]
    in_turn = clusters[indices][:, None] == clusters
    is_high = scores >= scores[considered[-1]]  # all of those that tie with the last
    utilities = torch.where(in_turn & is_high, scores, scores.min())
    return indices, without_earlier(utilities, indices)


def first_turn(
    scores: Tensor,
    clusters: Tensor,
    population_scores: Tensor,
    population_clusters: Tensor,
    n_considered: int,
) -> Tensor:
    """Return the utilities that rows have in the first turn of a population.

    With them :func:`cluster_rounds` can be asked about a population in parts.

    Parameters
    ----------
    scores : Tensor of shape (N,)
        Finite scores, high = query.
    clusters : Tensor of shape (N,)
        Cluster of each row.
    population_scores : Tensor of shape (U,)
        Scores of the rows that are considered.
    population_clusters : Tensor of shape (U,)
        Their clusters.
    n_considered : int
        Number of highest scores of the population that may be picked.

    Returns
    -------
    utilities : Tensor of shape (N,)
        Scores that are high enough, and of the cluster whose turn it is; the lowest
        score of the population elsewhere.
    """
    n_considered = min(max(n_considered, 1), len(population_scores))
    pick, _ = cluster_rounds(
        population_scores,
        population_clusters,
        1,
        n_considered=n_considered,
        with_utilities=False,
    )
    lowest_considered = population_scores.topk(n_considered).values[-1]
    in_turn = clusters == population_clusters[pick]
    return torch.where(
        in_turn & (scores >= lowest_considered), scores, population_scores.min()
    )
