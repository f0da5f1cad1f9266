"""Distances and nearest neighbours, in chunks."""

import math

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite
from skal_deep.functional._chunks import chunks


def unit_rows(embeddings: Tensor) -> Tensor:
    """Return rows scaled to length 1; rows of zeros stay as they are.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.

    Returns
    -------
    directions : Tensor of shape (N, D)
        Rows of length 1.
    """
    norm_N1 = torch.linalg.vector_norm(embeddings, dim=-1, keepdim=True)
    return embeddings / torch.where(norm_N1 > 0, norm_N1, 1)


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """Return squared Euclidean distances by one matrix product.

    Centre the rows first: where they are far from the origin, digits are lost.

    Parameters
    ----------
    left : Tensor of shape (N, D)
        Rows.
    right : Tensor of shape (M, D)
        Rows.

    Returns
    -------
    squared : Tensor of shape (N, M)
        Not negative.
    """
    inner = torch.addmm(right.square().sum(-1), left, right.T, alpha=-2)
    return inner.add_(left.square().sum(-1)[:, None]).clamp_min_(0)


def nearest_centers(embeddings: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared distance to the nearest centre, and which one it is.

    The nearest is found by a matrix product. Its distance is then computed from
    differences, which lose no digits where points are close.

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
    """
    origin_D = centers.mean(0)
    centers_KD = centers - origin_D
    norm_K = centers_KD.square().sum(-1)
    squared_N = embeddings.new_empty(len(embeddings))
    position_N = squared_N.new_empty(len(embeddings), dtype=torch.long)
    for part in chunks(len(embeddings), max(centers.shape)):
        rows_BD = embeddings[part] - origin_D
        nearest_B = torch.addmm(norm_K, rows_BD, centers_KD.T, alpha=-2).argmin(-1)
        position_N[part] = nearest_B
        squared_N[part] = rows_BD.sub_(centers_KD[nearest_B]).square().sum(-1)
    return squared_N, position_N


def nearest_neighbors(
    embeddings: Tensor, data: Tensor, n_neighbors: int
) -> tuple[Tensor, Tensor]:
    """Return the nearest rows of the data, in chunks.

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
    """
    check_finite(embeddings=embeddings, data=data)
    origin_D = data.mean(0)
    rows_ND, data_MD = embeddings - origin_D, data - origin_D
    squared_Nk = rows_ND.new_empty(len(rows_ND), n_neighbors)
    position_Nk = squared_Nk.new_empty(len(rows_ND), n_neighbors, dtype=torch.long)
    for part in chunks(len(rows_ND), len(data)):
        squared_BM = squared_distances(rows_ND[part], data_MD)
        nearest = squared_BM.topk(n_neighbors, largest=False)
        squared_Nk[part], position_Nk[part] = nearest
    return squared_Nk.sqrt_(), position_Nk


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
    for part in chunks(len(embeddings), len(embeddings)):
        # not by a product: the distance of copies must be 0, not almost
        distance_BN = torch.cdist(
            embeddings[part], embeddings, compute_mode="donot_use_mm_for_euclid_dist"
        )
        distance_BN[distance_BN == 0] = math.inf
        closest = min(closest, float(distance_BN.min()))
    return closest if closest < math.inf else 1.0
