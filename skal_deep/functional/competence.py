"""DCoM: from cover to uncertainty, as the classifier becomes competent."""

import math

import torch
from torch import Tensor

from skal_deep.functional._chunks import block_shape, chunks, slices
from skal_deep.functional._distances import TOLERANCE
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import squared_distances

# Radii are distances of rows: a row on the border must not be in or out by round-off,
# which may change either by that share.
_BORDER = 1 - 2 * TOLERANCE


def competence(coverage: float, midpoint: float = 0.8, slope: float = 50.0) -> float:
    """Return how far a classifier may be trusted that knows so much of the data.

    ``s(k (c - a)) / s(k (1 - a))`` with the logistic function s: 0 for little coverage
    c, 1 for full coverage.

    Parameters
    ----------
    coverage : float
        Share of the data that is covered, between 0 and 1.
    midpoint, slope : float
        The constants a and k.

    References
    ----------
    I. Mishal, D. Weinshall. DCoM: Active Learning for All Learners. arXiv:2407.01804,
    2024.
    """

    def logistic(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    return logistic(slope * (coverage - midpoint)) / logistic(slope * (1 - midpoint))


def pure_radii(
    data: Tensor, labels: Tensor, n_centers: int, purity: float, largest: float
) -> Tensor:
    """Return how far around each of the first rows most rows have its label.

    Parameters
    ----------
    data : Tensor of shape (M, D)
        Embeddings, the centres first.
    labels : Tensor of shape (M,)
        Labels, or predictions in their place.
    n_centers : int
        Number of centres L.
    purity : float
        Smallest share of rows with the centre's label, in every smaller ball, too.
    largest : float
        Largest radius.

    Returns
    -------
    radii : Tensor of shape (L,)
        Rows closer than that, by more than round-off, are in the ball.
    """
    radius_L = data.new_full((n_centers,), largest)
    count_M = torch.arange(1, len(data) + 1, device=data.device)
    for part in chunks(n_centers, len(data), data.device):
        squared, order = squared_distances(data[part], data).sort(1)
        same = labels[order] == labels[part][:, None]
        # at equal distances the last row decides: they are in or out together
        is_impure = same.cumsum(1) < purity * count_M
        first = is_impure.float().argmax(1)
        distance = squared.gather(1, first[:, None])[:, 0].sqrt().clamp_max(largest)
        radius_L[part] = torch.where(is_impure.any(1), distance, largest)
    return radius_L


def covered_rows(data: Tensor, centers: Tensor, radii: Tensor) -> Tensor:
    """Return which rows are closer to some centre than its radius, beyond round-off.

    Parameters
    ----------
    data : Tensor of shape (M, D)
        Rows.
    centers : Tensor of shape (L, D)
        Centres, possibly none.
    radii : Tensor of shape (L,)
        Their radii.

    Returns
    -------
    is_covered : Tensor of shape (M,)
    """
    is_covered_M = torch.zeros(len(data), dtype=torch.bool, device=data.device)
    height, width = block_shape(len(data), len(centers), data.device)
    for part in slices(len(data), height):
        for columns in slices(len(centers), width):
            squared = squared_distances(data[part], centers[columns])
            is_covered_M[part] |= (squared < _BORDER * radii[columns].square()).any(1)
    return is_covered_M


def uncertain_cover(
    embeddings: Tensor,
    uncertainty: Tensor,
    uncovered: Tensor,
    batch_size: int,
    *,
    radius: float,
    trust: float,
    population: tuple[Tensor, Tensor] | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose greedily by a mean of uncertainty and of what a ball would newly cover.

    Both are scaled to between 0 and 1 over the population. Rows that a pick covers
    count no more: ``O(N M D)`` operations for any number of picks.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    uncertainty : Tensor of shape (N,)
        High = uncertain.
    uncovered : Tensor of shape (M, D)
        Rows that nothing covers yet.
    batch_size : int
        Number of picks b.
    radius : float
        Of the balls.
    trust : float
        Weight of the uncertainty, between 0 and 1: :func:`competence`.
    population : tuple of Tensor of shape (U, D) and (U,), default=None
        Embeddings and uncertainty of the rows over which both are scaled; ``None`` are
        the candidates.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the means that decided pick t; 0 at earlier picks.
    """
    picks = Picks(uncertainty, batch_size, with_utilities)
    everyone_UD, theirs_U = population or (embeddings, uncertainty)
    degree_N = _numbers_within(embeddings, uncovered, radius)
    degree_U = _numbers_within(everyone_UD, uncovered, radius)
    for _ in range(batch_size):
        pick = picks.take(
            trust * _scaled(uncertainty, theirs_U)
            + (1 - trust) * _scaled(degree_N.to(uncertainty), degree_U.to(uncertainty))
        )
        squared = squared_distances(embeddings[pick : pick + 1], uncovered)[0]
        is_new = squared < _BORDER * radius**2
        degree_N = degree_N - _numbers_within(embeddings, uncovered[is_new], radius)
        degree_U = degree_U - _numbers_within(everyone_UD, uncovered[is_new], radius)
        uncovered = uncovered[~is_new]
    return picks.answer()


def _numbers_within(embeddings: Tensor, rows: Tensor, radius: float) -> Tensor:
    """Return how many rows are closer to each candidate than a radius, (N,)."""
    count_N = torch.zeros(len(embeddings), dtype=torch.int64, device=rows.device)
    if len(rows):
        height, width = block_shape(len(embeddings), len(rows), rows.device)
        for part in slices(len(embeddings), height):
            for columns in slices(len(rows), width):
                squared = squared_distances(embeddings[part], rows[columns])
                count_N[part] += (squared < _BORDER * radius**2).sum(1)
    return count_N


def _scaled(values: Tensor, everyone: Tensor) -> Tensor:
    """Return values scaled such that those of everyone are between 0 and 1."""
    low, high = everyone.min(), everyone.max()
    return (values - low) / (high - low) if high > low else torch.zeros_like(values)
