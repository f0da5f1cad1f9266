"""DCoM: from cover to uncertainty, as the classifier becomes competent."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep.functional._chunks import block_shape, slices
from skal_deep.functional._distances import (
    TOLERANCE,
    Between,
    Points,
    all_differences,
    amid,
    least_sure,
    round_off,
    sums_over_blocks,
)
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import squared_distances

# Radii are distances of rows: a row on the border must not be in or out by round-off,
# which may change either by that share.
_BORDER = 1 - 2 * TOLERANCE
# Centres whose distances are found at once. Of that number squared the distances are
# from differences, of more rows near a centre from products, but for the closest.
_N_TOGETHER = 64


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
    points = Points(data, amid(data))
    points.keep_moved()
    sure_M = least_sure(data) * points.norm_N
    # what is farther than the largest radius, beyond round-off, decides nothing
    bound_M = largest**2 + round_off(data) * points.norm_N
    radius_L = data.new_full((n_centers,), largest)
    _, width = block_shape(_N_TOGETHER, len(data), data.device)
    for part in slices(n_centers, _N_TOGETHER):
        some = points.at(part)
        squared_BM = data.new_empty(len(some), len(data))
        for columns in slices(len(data), width):
            squared_BM[:, columns] = some.products(points.at(columns))
        for center, squared_M in enumerate(squared_BM, part.start):
            own = round_off(data) * points.norm_N[center]
            near_m = (squared_M <= bound_M + own).nonzero()[:, 0]
            squared_m = squared_M[near_m].clamp_min_(0)
            is_exact_m = squared_m < sure_M[center]
            if len(near_m) <= _N_TOGETHER**2:
                is_exact_m = torch.ones_like(is_exact_m)
            rows = data[near_m[is_exact_m]]
            squared_m[is_exact_m] = all_differences(data[center : center + 1], rows)[0]
            is_same_m = labels[near_m] == labels[center]
            radius_L[center] = _pure_radius(squared_m, is_same_m, purity, largest)
    return radius_L


def _pure_radius(
    squared_m: Tensor, is_same_m: Tensor, purity: float, largest: float
) -> Tensor:
    """Return the radius of a centre from the rows near it, a number."""
    squared_m, order_m = squared_m.sort(stable=True)
    count_m = torch.arange(1, len(order_m) + 1, device=order_m.device)
    is_impure_m = is_same_m[order_m].cumsum(0) < purity * count_m
    # at equal distances the last row decides: they are in or out together
    is_impure_m[:-1] &= squared_m[1:] > squared_m[:-1]
    beyond = squared_m[is_impure_m][:1].sqrt_().clamp_max_(largest)
    return beyond[0] if len(beyond) else squared_m.new_tensor(largest)


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
    balls = _Balls(embeddings, uncovered, radius)
    theirs, everyone_U = balls, uncertainty
    if population is not None:
        theirs, everyone_U = _Balls(population[0], uncovered, radius), population[1]
    new_M = torch.ones(len(uncovered), dtype=torch.bool, device=uncovered.device)
    open_M = new_M.clone()
    degree_N = balls.count(new_M)
    degree_U = degree_N if population is None else theirs.count(new_M)
    for step in range(batch_size):
        pick = picks.take(
            trust * _scaled(uncertainty, everyone_U)
            + (1 - trust) * _scaled(degree_N.to(uncertainty), degree_U.to(uncertainty))
        )
        if step + 1 < batch_size:
            new_M = balls.around(pick) & open_M
            open_M &= ~new_M
            degree_N = degree_N - balls.count(new_M)
            degree_U = degree_N if theirs is balls else degree_U - theirs.count(new_M)
    return picks.answer()


class _Balls:
    """Balls of one radius around points, and which rows they hold.

    What a ball holds is kept, a byte for each pair, where that takes no more memory
    than the centres; elsewhere distances are found anew.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        The centres of the balls.
    rows : Tensor of shape (M, D)
        What they may hold.
    radius : float
        Rows closer than that, beyond round-off, are in the ball.
    """

    def __init__(self, embeddings: Tensor, rows: Tensor, radius: float):
        origin_D = amid(rows if len(rows) else embeddings)
        self._n, self._device = len(embeddings), embeddings.device
        centers, self._rows = Points(embeddings, origin_D), Points(rows, origin_D)
        self._between = Between(centers, self._rows, radius**2)
        self._limit = min(_BORDER * radius**2, radius**2 - self._between.error)
        self._is_near_NM: Tensor | None = None
        if len(rows) <= embeddings.shape[1] * embeddings.element_size():
            self._is_near_NM = torch.empty(
                len(embeddings), len(rows), dtype=torch.bool, device=self._device
            )
            for part, columns in self._between.blocks():
                is_near_nm = self._between(part, columns) < self._limit
                self._is_near_NM[part, columns] = is_near_nm

    def around(self, center: int) -> Tensor:
        """Return which rows are in the ball of a centre, (M,)."""
        if self._is_near_NM is not None:
            return self._is_near_NM[center]
        squared_M = self._between(slice(center, center + 1), slice(None))[0]
        return squared_M < self._limit

    def count(self, which_M: Tensor) -> Tensor:
        """Return how many of some rows are in each ball, (N,)."""
        rows = which_M.nonzero()[:, 0]
        is_near_NM = self._is_near_NM

        def of_columns(columns: slice) -> Callable[[slice], Tensor]:
            if is_near_NM is not None:
                return lambda part: is_near_NM[part][:, rows[columns]].sum(1)
            between = self._between.among(rows[columns])
            return lambda part: (between(part, slice(None)) < self._limit).sum(1)

        return sums_over_blocks(self._n, len(rows), self._device, of_columns)


def _scaled(values: Tensor, everyone: Tensor) -> Tensor:
    """Return values scaled such that those of everyone are between 0 and 1."""
    low, high = everyone.min(), everyone.max()
    return (values - low) / (high - low) if high > low else torch.zeros_like(values)
