"""Distances and nearest neighbours, in chunks."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import (
    check_counts,
    check_finite,
    check_rows,
)
from skal_deep.functional._chunks import block_shape, chunks, memory_budget, slices
from skal_deep.functional._distances import (
    Points,
    all_differences,
    amid,
    differences,
    is_plain,
    least_sure,
)
from skal_deep.functional._nearest import are_for_loops, for_each_row_part, nearest_k

# Iterations that move the centroids of groups to their means, and rows for each group
# that are looked at for it.
_N_LLOYD, _N_OF_GROUP = 2, 64
# So many parts of many rows are enough for any number of threads.
_N_SHARES = 32
# Sums of a part of the columns: fewer take no longer than to wait for a thread.
_LEAST_COLUMNS, _NUMBERS_OF_A_PART = 32, 2**21


@plain_torch()
def unit_rows(embeddings: Tensor) -> Tensor:
    """Return rows scaled to length 1; rows of zeros stay as they are.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.

    Returns
    -------
    Tensor of shape (N, D)
        Rows of length 1.

    See Also
    --------
    cosine_graph : Compares directions.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import unit_rows
    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    if not embeddings.numel():
        return embeddings
    check_finite(embeddings=embeddings)
    if not embeddings.is_cpu or embeddings.requires_grad:
        return _scaled(embeddings)
    unit_ND = torch.empty_like(embeddings, dtype=_scaled(embeddings[:1]).dtype)

    def work_on(part: slice) -> None:
        unit_ND[part] = _scaled(embeddings[part])

    parts = chunks(len(embeddings), embeddings.shape[1], embeddings.device)
    for_each_part(parts, lambda: work_on, embeddings.device)
    return unit_ND


def _scaled(rows_ND: Tensor) -> Tensor:
    """Return rows of length 1, of any length: squares may overflow, or vanish."""
    largest_N1 = rows_ND.abs().amax(-1, keepdim=True)
    rows_ND = rows_ND / torch.where(largest_N1 > 0, largest_N1, 1)
    norm_N1 = torch.linalg.vector_norm(rows_ND, dim=-1, keepdim=True)
    return rows_ND / torch.where(norm_N1 > 0, norm_N1, 1)


@plain_torch()
def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """Return squared Euclidean distances.

    They are found by one matrix product, and computed again from differences for rows
    on the left of which one is so small that round-off could be a thousandth of it.

    Parameters
    ----------
    left : Tensor of shape (N, D)
        Rows.
    right : Tensor of shape (M, D)
        Rows.

    Returns
    -------
    Tensor of shape (N, M)
        Not negative.

    See Also
    --------
    nearest_centers : The smallest of each row.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import squared_distances
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> squared_distances(embeddings, embeddings[:2])
    tensor([[ 0.,  1.],
            [ 1.,  0.],
            [25., 16.]])
    """
    check_rows(left=left, right=right)
    if not left.numel() or not right.numel():
        return left.new_zeros(len(left), len(right))
    origin_D = amid(right)
    points, others = Points(left, origin_D), Points(right, origin_D)
    squared_NM = points.products(others)
    sure_N = least_sure(left) * points.norm_N
    unsure_N = squared_NM.amin(-1) < sure_N
    if unsure_N.any():
        squared_NM[unsure_N] = all_differences(left[unsure_N], right)
    return squared_NM.clamp_min_(0)


@plain_torch()
def nearest_centers(embeddings: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared distance to the nearest centre, and which one it is.

    The nearest is found by a matrix product, and by differences of rows where its
    round-off could have decided. Distances are computed from differences, which lose
    no digits where points are close.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    centers : Tensor of shape (K, D)
        At least one centre.

    Returns
    -------
    squared : Tensor of shape (N,)
        Squared Euclidean distances.
    positions : Tensor of shape (N,)
        Of the nearest centres; the lowest wins a tie.

    See Also
    --------
    nearest_neighbors : Several of them.
    k_center_greedy : Chooses centres.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import nearest_centers
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> nearest_centers(embeddings, torch.tensor([[0.0], [4.0]]))
    (tensor([0., 1., 1.]), tensor([0, 0, 1]))
    """
    check_rows(embeddings=embeddings, centers=centers)
    origin_D = amid(embeddings)  # not the centres: one may be far from all rows
    # of copies the first wins if all are rounded alike: in one order in memory, and in
    # blocks of one width, about
    centers = centers.contiguous()
    known = Points(centers, origin_D)
    sure = least_sure(embeddings)
    squared_N = embeddings.new_empty(len(embeddings))
    position_N = squared_N.new_empty(len(embeddings), dtype=torch.long)
    # temporary arrays are distances, and rows that are moved
    width = block_shape(len(embeddings), len(centers), embeddings.device)[1]
    width = -(-len(centers) // -(-len(centers) // width))
    n_columns = max(width, centers.shape[1])

    def work_on(part: slice) -> None:
        some = Points(embeddings[part], origin_D)
        nearest_B = _nearest_by_products(some.moved_ND, known, width)
        position_N[part] = nearest_B
        squared_B = _differences_to(some.rows_ND, centers, nearest_B)
        # a row at the place of its centre has no other that is closer
        is_close_B = (squared_B < sure * some.norm_N) & (squared_B > 0)
        if is_close_B.any():
            close = is_close_B.nonzero()[:, 0]
            found = nearest_k(some.at(close), known, 1)
            squared_B[close], nearest_B[close] = found[0][:, 0], found[1][:, 0]
            position_N[part] = nearest_B
        squared_N[part] = squared_B

    parts = _shares(len(embeddings), n_columns, embeddings.device)
    for_each_row_part(parts, work_on, origin_D, known.norm_N)
    return squared_N, position_N


def _shares(n_rows: int, n_columns: int, device: torch.device) -> Iterator[slice]:
    """Yield slices as :func:`chunks` does, more where they are few for many threads."""
    most = max(1, memory_budget(device) // max(1, n_columns))
    if device.type != "cpu":
        return slices(n_rows, most)
    return slices(n_rows, min(most, max(-(-n_rows // _N_SHARES), -(-most // 4))))


def _nearest_by_products(moved_BD: Tensor, centers: Points, width: int) -> Tensor:
    """Return which centre seems nearest, (B,); the lowest position wins a tie."""
    offset_B = moved_BD.new_full((len(moved_BD),), math.inf)
    nearest_B = torch.zeros_like(offset_B, dtype=torch.long)
    is_quick = is_plain(moved_BD, centers.norm_N) and are_compiled()
    for columns in slices(len(centers), width):
        some = centers.at(columns)
        if is_quick:
            from skal_deep.functional import _loops

            product_Bk = moved_BD @ some.moved_ND.T
            given = product_Bk.numpy(), some.norm_N.numpy()
            so_far = offset_B.numpy(), nearest_B.numpy()
            _loops.nearest_of(*given, columns.start, *so_far)
            continue
        offset_Bk = torch.addmm(some.norm_N, moved_BD, some.moved_ND.T, alpha=-2)
        least_B, place_B = offset_Bk.min(-1)
        is_nearer_B = least_B < offset_B
        offset_B = torch.where(is_nearer_B, least_B, offset_B)
        nearest_B = torch.where(is_nearer_B, place_B + columns.start, nearest_B)
    return nearest_B


def _differences_to(rows_BD: Tensor, centers: Tensor, nearest_B: Tensor) -> Tensor:
    """Return squared distances (B,) of rows to centres, one of them each."""
    if not (is_plain(rows_BD, centers) and are_compiled()):
        return differences(rows_BD, centers[nearest_B])
    from skal_deep.functional import _loops

    squared_B = rows_BD.new_empty(len(rows_BD))
    given = rows_BD, centers, nearest_B, squared_B
    _loops.differences_to(*(each.numpy() for each in given))
    return squared_B


@plain_torch()
def nearest_neighbors(
    embeddings: Tensor, data: Tensor, n_neighbors: int
) -> tuple[Tensor, Tensor]:
    """Return the nearest rows of the data, in blocks of both.

    Takes ``N M D`` operations and never holds N x M distances.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    data : Tensor of shape (M, D)
        Among which neighbours are sought.
    n_neighbors : int
        Number of neighbours k, at most M.

    Returns
    -------
    distances : Tensor of shape (N, k)
        Euclidean distances, the nearest first.
    positions : Tensor of shape (N, k)
        Of the neighbours in the data.

    See Also
    --------
    grouped_neighbors : Quicker, and not always the nearest.
    nearest_centers : The nearest one alone.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import nearest_neighbors
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> nearest_neighbors(embeddings, embeddings, 2)
    (tensor([[0., 1.],
            [0., 1.],
            [0., 4.]]), tensor([[0, 1],
            [1, 0],
            [2, 1]]))
    """
    check_rows(embeddings=embeddings, data=data)
    _check_n_neighbors(n_neighbors, data)
    origin_D = amid(data)
    squared_Nk, position_Nk = nearest_k(
        Points(embeddings, origin_D), Points(data, origin_D), n_neighbors
    )
    return squared_Nk.clamp_min_(0).sqrt_(), position_Nk


def _check_n_neighbors(n_neighbors: int, data: Tensor) -> None:
    check_counts(least=-math.inf, n_neighbors=n_neighbors)
    if not 1 <= n_neighbors <= len(data):
        raise ValueError(
            f"n_neighbors={n_neighbors} must lie in 1 ... {len(data)}, the number of "
            "rows in the data."
        )


@plain_torch()
def grouped_neighbors(
    embeddings: Tensor,
    data: Tensor,
    n_neighbors: int,
    *,
    n_probed: int = 8,
) -> tuple[Tensor, Tensor]:
    """Return near rows of the data, most of which are the nearest.

    The data are grouped around ``sqrt(M)`` centroids. Neighbours of a row are sought in
    the groups whose centroids are nearest to that of its own group. So the cost is
    about ``(n_probed N + M) sqrt(M) D`` operations in place of N M D.

    Rows of clusters, or near surfaces of few dimensions, as embeddings are, have their
    neighbours there: of 50 clusters with 8 dimensions among 64, all of the 11 nearest
    were found for 30,000 rows, and 99.5 % for 100,000. Of a Gaussian with 64
    dimensions, where nothing is near anything, it were 24 and 19 %.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    data : Tensor of shape (M, D)
        Among which neighbours are sought.
    n_neighbors : int
        Number of neighbours k, at most M.
    n_probed : int, default=8
        Number of groups that are searched; more where they hold fewer rows than k.

    Returns
    -------
    distances : Tensor of shape (N, k)
        Euclidean distances, the nearest first.
    positions : Tensor of shape (N, k)
        Of the neighbours in the data.

    See Also
    --------
    nearest_neighbors : The nearest ones, each of them.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import grouped_neighbors
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> distances, positions = grouped_neighbors(embeddings, embeddings, 2)
    >>> positions
    tensor([[0, 1],
            [1, 0],
            [2, 1]])
    """
    _check_n_neighbors(n_neighbors, data)
    check_counts(n_probed=n_probed)
    check_rows(embeddings=embeddings, data=data)
    centroids_GD, group_M = _groups(data)
    size_G = torch.bincount(group_M)
    members = group_M.argsort(stable=True).split(size_G.tolist())
    group_N = group_M
    if embeddings is not data:
        group_N = nearest_centers(embeddings, centroids_GD)[1]
    n_seekers_G = torch.bincount(group_N, minlength=len(members))
    seekers = group_N.argsort(stable=True).split(n_seekers_G.tolist())
    _, around_GG = nearest_neighbors(centroids_GD, centroids_GD, len(members))
    origin_D = amid(data)
    others = Points(data, origin_D)
    points = others if embeddings is data else Points(embeddings, origin_D)
    squared_Nk = embeddings.new_empty(len(embeddings), n_neighbors)
    position_Nk = torch.empty_like(squared_Nk, dtype=torch.long)

    def seek(part: slice) -> None:
        for group in range(part.start, part.stop):
            rows, around_G = seekers[group], around_GG[group]
            if not len(rows):
                continue
            n_enough = int((size_G[around_G].cumsum(0) < n_neighbors).sum()) + 1
            probed = around_G[: max(n_probed, n_enough)].tolist()
            # in the order of the data, which decides between equal distances
            among = torch.cat([members[other] for other in probed]).sort().values
            found = nearest_k(points.at(rows), others, n_neighbors, among=among)
            squared_Nk.index_copy_(0, rows, found[0])
            position_Nk.index_copy_(0, rows, found[1])

    with threads_over_parts(data.device):
        for_each_row_part(slices(len(seekers), 1), seek, points.norm_N, others.norm_N)
    return squared_Nk.clamp_min_(0).sqrt_(), position_Nk


def _groups(data: Tensor) -> tuple[Tensor, Tensor]:
    """Return centroids (G, D) of groups that are not empty, and each row's group."""
    n_groups = max(1, math.isqrt(len(data)))
    rows = torch.linspace(0, len(data) - 1, n_groups, device=data.device)
    centroids_GD = data[rows.round().long()]
    some_BD = data[:: max(1, len(data) // (_N_OF_GROUP * n_groups))]
    for _ in range(_N_LLOYD):
        group_B = nearest_centers(some_BD, centroids_GD)[1]
        mean_GD, size_G = group_means(some_BD, group_B, len(centroids_GD))
        centroids_GD = mean_GD[size_G > 0]
    group_M = nearest_centers(data, centroids_GD)[1]
    used, group_M = group_M.unique(return_inverse=True)
    return centroids_GD[used], group_M


def group_means(
    data: Tensor, group: Tensor, n_groups: int, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the means of groups of rows, and their weights.

    Parameters
    ----------
    data : Tensor of shape (M, D)
        Rows.
    group : Tensor of shape (M,)
        Group of each row, from 0.
    n_groups : int
        Number of groups G, some of which may be empty.
    weights : Tensor of shape (M,), optional
        Weights of the rows; ``None`` counts each as 1.

    Returns
    -------
    means : Tensor of shape (G, D)
        NaN where a group has no weight.
    total : Tensor of shape (G,)
        Sums of weights.
    """
    weight_M = data.new_ones(len(data)) if weights is None else weights
    weight_M = weight_M.double()
    sum_GD = data.new_zeros(n_groups, data.shape[1], dtype=torch.float64)
    total_G = sum_GD.new_zeros(n_groups).index_add_(0, group, weight_M)
    if are_for_loops(data):
        from skal_deep.functional import _loops

        rows, places, weight = (
            each.detach().contiguous().numpy() for each in (data, group, weight_M)
        )

        def work_on(part: slice) -> None:
            _loops.add_to_groups(
                rows, places, weight, sum_GD.numpy(), part.start, part.stop
            )

        # columns: each sum keeps the order of the rows
        n_columns = max(_LEAST_COLUMNS, _NUMBERS_OF_A_PART // max(1, len(data)))
        parts = slices(data.shape[1], n_columns)
        for_each_part(parts, lambda: work_on, data.device)
    else:
        for part in chunks(len(data), data.shape[1], data.device):
            weighted_BD = data[part].double() * weight_M[part, None]
            sum_GD.index_add_(0, group[part], weighted_BD)
    return (sum_GD / total_G[:, None]).to(data), total_G


def closest_pair(embeddings: Tensor) -> float:
    """Return the smallest distance between two rows that differ, 1 if none do.

    Takes ``N^2 D`` operations and never holds N x N distances.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.

    Returns
    -------
    distance : float
        Not 0.
    """
    closest = math.inf
    n = len(embeddings)
    height, width = block_shape(n, n, embeddings.device)
    for part in slices(n, height):
        # of two blocks that mirror each other one will do
        for columns in slices(n, width):
            if columns.stop <= part.start:
                continue
            # not by a product: the distance of copies must be 0, not almost
            distance_nm = torch.cdist(
                embeddings[part],
                embeddings[columns],
                compute_mode="donot_use_mm_for_euclid_dist",
            )
            distance_nm[distance_nm == 0] = math.inf
            closest = min(closest, float(distance_nm.min()))
    return closest if closest < math.inf else 1.0
