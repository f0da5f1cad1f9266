"""Coverage: picks that have as much of the data as possible close by."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional import _card
from skal_deep.functional._checks import (
    check_bandwidth,
    check_finite,
    check_no_gradient,
    check_rows,
)
from skal_deep.functional._chunks import chunks, memory_budget
from skal_deep.functional._distances import (
    Between,
    Points,
    amid,
    clamped_sums,
    sums_over_blocks,
)
from skal_deep.functional._nearest import nearest
from skal_deep.functional._picks import Picks, UnreadPicks
from skal_deep.functional._repeated import Repeated

Similarity = Callable[[Between, slice, slice], Tensor]
# Sums over all columns of similarities between two values for each column.
Sums = Callable[[Between, Tensor, Tensor, Tensor], Callable[[slice], Tensor]]


@plain_torch()
def max_herding(
    embeddings: Tensor,
    data: Tensor,
    centers: Tensor,
    batch_size: int,
    *,
    weights: Tensor | None = None,
    bandwidth: float = 1.0,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose greedily what raises generalised coverage most.

    The coverage of a set S of centres is ``mean_m w_m max_{s in S} k(x_m, s)`` over
    all data x, with the kernel ``k(x, s) = exp(-|x - s|^2 / bandwidth^2)``. It is
    submodular, so greedy picks reach at least 1 - 1/e of the best coverage gain.

    All gains are up to date at every pick; a similarity may be off by 1 % where the
    bandwidth is far below the distances of the rows. They are not computed anew: a pick
    changes the coverage of those rows only that are closer to it than to any centre,
    about M/t of them at pick t, and only their contributions are taken back. So b picks
    cost
    ``O(N M D (1 + log b))`` operations, and memory stays linear in N + M: neither a
    queue of stale gains nor an N x M matrix.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    data : Tensor of shape (M, D)
        The rows to cover.
    centers : Tensor of shape (L, D)
        Points that cover already, possibly none.
    batch_size : int
        Number of picks b.
    weights : Tensor of shape (M,), optional
        How much each row of the data counts (UHerding: its uncertainty); ``None``
        counts all by 1.
    bandwidth : float, default=1.0
        Width of the kernel; 1 is the paper's, for embeddings of unit length.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the gain in coverage of each candidate at pick t, between 0 and
        the mean weight; 0 at earlier picks.

    See Also
    --------
    prob_cover : Balls in place of a kernel.
    skal_deep.pool.MaxHerding : The strategy.

    References
    ----------
    W. Bae, J. Noh, D. J. Sutherland. Generalized Coverage for More Robust Low-Budget
    Active Learning. ECCV, 2024.

    W. Bae, D. J. Sutherland, G. L. Oliveira. Uncertainty Herding: One Active Learning
    Method for All Label Budgets. ICLR, 2025.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import max_herding
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> indices, _ = max_herding(embeddings, embeddings, embeddings[:0], 2)
    >>> indices
    tensor([1, 2])
    """
    check_bandwidth(bandwidth, data)

    def gaussian(between: Between, left: slice, right: slice) -> Tensor:
        return between.gaussian(left, right, bandwidth)

    def sums(between: Between, *given: Tensor) -> Callable[[slice], Tensor]:
        return between.gaussian_sums(bandwidth, *given)

    weights = data.new_ones(len(data)) if weights is None else weights
    with threads_over_parts(data.device):
        indices, gains = _greedy_coverage(
            embeddings,
            data,
            centers,
            batch_size,
            gaussian,
            sums,
            bandwidth * bandwidth,
            weights,
            with_utilities,
        )
    return indices, gains / len(data)


@plain_torch()
def prob_cover(
    embeddings: Tensor,
    data: Tensor,
    centers: Tensor,
    batch_size: int,
    *,
    radius: float,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose greedily the balls that hold most of the data not yet covered.

    A row is covered if a centre is closer than ``radius``, by more than round-off:
    many distances may be equal to the radius. Greedy picks cover at
    least 1 - 1/e of what the best batch of the same size could add. Rows that a pick
    covers are taken off the gains of the candidates around, so that each row of the
    data is looked at twice in all: ``O(N M D)`` operations for any number of picks,
    and memory linear in N + M, where a stored graph may have N M edges.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    data : Tensor of shape (M, D)
        The rows to cover.
    centers : Tensor of shape (L, D)
        Points that cover already, possibly none.
    batch_size : int
        Number of picks b.
    radius : float
        Of the balls, in units of the embeddings.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds how many rows each candidate would newly cover at pick t; 0 at
        earlier picks.

    See Also
    --------
    purity_radius : Finds the radius.
    skal_deep.pool.ProbCover : The strategy.

    References
    ----------
    O. Yehuda, A. Dekel, G. Hacohen, D. Weinshall. Active Learning Through a Covering
    Lens. NeurIPS, 2022.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import prob_cover
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> indices, _ = prob_cover(embeddings, embeddings, embeddings[:0], 1, radius=2.0)
    >>> indices
    tensor([0])
    """
    limits = torch.finfo(data.dtype)
    if not (radius in (0, math.inf) or limits.tiny <= radius**2 <= limits.max):
        raise ValueError(f"radius={radius} must have a square that is a number.")

    def ball(between: Between, left: slice, right: slice) -> Tensor:
        return between(left, right).lt_(radius**2 - between.error)

    def sums(between: Between, *given: Tensor) -> Callable[[slice], Tensor]:
        return lambda part: clamped_sums(ball(between, part, slice(None)), *given)

    weights = data.new_ones(len(data))
    with threads_over_parts(data.device):
        return _greedy_coverage(
            embeddings,
            data,
            centers,
            batch_size,
            ball,
            sums,
            radius**2,
            weights,
            with_utilities,
        )


@plain_torch()
def purity_radius(
    data: Tensor, labels: Tensor, purity: float = 0.95, rows: Tensor | None = None
) -> float:
    """Return the largest radius at which enough balls hold a single label.

    The ball around a row is pure if every row closer than the radius has its label,
    that is, if the nearest row of another label is no closer than the radius. So the
    radius is an order statistic of those nearest distances: no grid is searched.

    Parameters
    ----------
    data : Tensor of shape (M, D)
        Embeddings.
    labels : Tensor of shape (M,)
        Labels, or clusters in their place.
    purity : float, default=0.95
        Smallest share of pure balls, above 0.
    rows : Tensor of shape (n,), optional
        Rows around which there are balls; ``None`` are all. The data must stay whole:
        among fewer rows another label is farther.

    Returns
    -------
    float
        Infinity if there is one label only.

    See Also
    --------
    prob_cover : Covers with balls of that radius.

    References
    ----------
    O. Yehuda, A. Dekel, G. Hacohen, D. Weinshall. Active Learning Through a Covering
    Lens. NeurIPS, 2022.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import purity_radius
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> purity_radius(embeddings, torch.tensor([0, 0, 1]))
    4.0
    """
    if not 0 < purity <= 1:
        raise ValueError(f"purity={purity} must be above 0, and at most 1.")
    check_no_gradient(data=data)
    check_rows(data=data)
    points = Points(data, amid(data))
    if rows is None:
        rows = torch.arange(len(data), device=data.device)
    own_n = labels[rows]
    nearest_n = nearest(
        points.at(rows), points, lambda some, m: own_n[some, None] == labels[m]
    )
    n_pure = math.ceil(purity * len(rows))
    n_pure -= (n_pure - 1) / len(rows) >= purity  # where the product was rounded up
    n_impure = len(rows) - n_pure
    return float(nearest_n.sort().values[n_impure].sqrt())


def _greedy_coverage(
    embeddings: Tensor,
    data: Tensor,
    centers: Tensor,
    batch_size: int,
    similarity: Similarity,
    sums: Sums,
    scale: float,
    weights: Tensor,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Choose what raises ``sum_m w_m max_s k(x_m, s)`` most, again and again.

    ``similarity`` returns k for some points of both sides; it falls with the distance
    and lies between 0 and 1. ``scale`` is the squared distance about which it does.
    """
    picks = Picks(embeddings, batch_size, with_utilities)
    check_no_gradient(embeddings=embeddings, data=data, centers=centers)
    check_rows(embeddings=embeddings, data=data, centers=centers)
    check_finite(weights=weights)
    origin_D = amid(data)  # distances stay, digits are saved
    points, rows = Points(embeddings, origin_D), Points(data, origin_D)
    between = Between(points, rows, scale)
    covered_M = data.new_zeros(len(data))
    to_centers = Between(rows, Points(centers, origin_D), scale)
    for part, columns in to_centers.blocks():
        nearest_m = similarity(to_centers, part, columns).amax(-1)
        covered_M[part] = torch.maximum(covered_M[part], nearest_m.to(covered_M))
    device = data.device
    if _card.has_loops(data) and len(points) * len(rows) <= memory_budget(device):
        everyone = slice(None)
        return _greedy_by_stored(
            embeddings,
            similarity(Between(rows, points, scale), everyone, everyone),
            covered_M,
            batch_size,
            weights,
            with_utilities,
        )

    def contributions(rows_M: Tensor, low_M: Tensor, high_M: Tensor) -> Tensor:
        """Return, for each candidate, the sum of ``w (min(max(k, low), high) - low)``.

        That is what it gains where rows are covered by ``low``, less what it gains
        where they are covered by ``high``.
        """

        def of_columns(columns: slice) -> Callable[[slice], Tensor]:
            some_m = rows_M[columns]
            given = low_M[some_m], high_M[some_m], weights[some_m]
            return sums(between.among(some_m), *given)

        return sums_over_blocks(len(points), len(rows_M), rows_M.device, of_columns)

    def covered_by(pick: int) -> Tensor:
        """Return how much a pick covers the rows, (M,)."""
        by_pick_M = torch.empty_like(covered_M)
        at_pick = slice(pick, pick + 1)

        def work_on(part: slice) -> None:
            by_pick_M[part] = similarity(between, at_pick, part)[0].to(by_pick_M)

        parts = chunks(len(data), data.shape[1], device)
        for_each_part(parts, lambda: work_on, device)
        return by_pick_M

    rows_M = torch.arange(len(data), device=device)
    gain_N = contributions(rows_M, covered_M, torch.ones_like(covered_M))
    for step in range(batch_size):
        pick = picks.take(gain_N.clamp_min(0))  # rounding can go below
        if step + 1 < batch_size:
            new_M = torch.maximum(covered_M, covered_by(pick))
            changed = (new_M > covered_M).nonzero()[:, 0]
            gain_N -= contributions(changed, covered_M, new_M)
            covered_M = new_M
    return picks.answer()


def _greedy_by_stored(
    embeddings: Tensor,
    kernel_MN: Tensor,
    covered_M: Tensor,
    batch_size: int,
    weights_M: Tensor,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Choose what :func:`_greedy_coverage` does, where a card holds all similarities.

    A pick then reads those of the rows that it changes; none is computed again.
    """
    picks = UnreadPicks(embeddings, batch_size, with_utilities)
    gain_N = _card.clamped_sums(
        kernel_MN, covered_M, torch.ones_like(covered_M), weights_M
    )

    def take_one() -> None:
        at_1 = picks.take(gain_N.clamp_min(0))  # rounding can go below
        by_pick_M = kernel_MN.index_select(1, at_1)[:, 0]
        new_M = torch.maximum(covered_M, by_pick_M.to(covered_M))
        gain_N.sub_(_card.clamped_sums(kernel_MN, covered_M, new_M, weights_M))
        covered_M.copy_(new_M)

    Repeated(take_one, kernel_MN.device)(batch_size)
    return picks.answer()
