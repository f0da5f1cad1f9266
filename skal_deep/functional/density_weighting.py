"""Density times distance: diverse rows of crowded regions."""

import math
from collections.abc import Callable

from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import threads_over_parts
from skal_deep.functional._checks import (
    check_bandwidth,
    check_finite,
    check_no_gradient,
    check_rows,
)
from skal_deep.functional._distances import (
    Between,
    Points,
    amid,
    sums_over_blocks,
)
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import nearest_centers


@plain_torch()
def density(embeddings: Tensor, data: Tensor, bandwidth: float | None = None) -> Tensor:
    """Return the mean similarity of each row to all data.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    data : Tensor of shape (M, D)
        Data.
    bandwidth : float, optional
        Width of the kernel ``exp(-d^2 / bandwidth^2)``; ``None`` is the root mean
        square of all distances within the data.

    Returns
    -------
    Tensor of shape (N,)
        Between 0 and 1.

    See Also
    --------
    density_k_center : Weighs distances by it.
    skal_deep.pool.DensityWeightedDiversity : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import density
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> density(embeddings, embeddings, bandwidth=1.0)
    tensor([0.4560, 0.4560, 0.3333])
    """
    check_no_gradient(embeddings=embeddings, data=data)
    with threads_over_parts(embeddings.device):
        return _density(embeddings, data, bandwidth)


def _density(embeddings: Tensor, data: Tensor, bandwidth: float | None) -> Tensor:
    """Return what :func:`density` does."""
    check_rows(embeddings=embeddings, data=data)
    origin_D = data.mean(0)
    points, others = Points(embeddings, origin_D), Points(data, origin_D)
    # the mean squared distance of two rows is twice the total variance
    width = math.sqrt(2 * others.norm_N.mean())
    if bandwidth is not None:
        check_bandwidth(bandwidth, data)
        width = bandwidth
    if width == 0:  # all data coincide
        return embeddings.new_ones(len(embeddings))
    between = Between(points, others, width * width)

    def of_columns(columns: slice) -> Callable[[slice], Tensor]:
        some = between.among(columns)
        if not data.is_cpu:  # where each operation is a way to memory
            return lambda part: some.gaussian(part, slice(None), width).sum(-1)
        return some.gaussian_sums(width)

    total_N = sums_over_blocks(len(points), len(others), embeddings.device, of_columns)
    return total_N.div_(len(others)).clamp_max_(1).to(embeddings)


@plain_torch()
def density_k_center(
    embeddings: Tensor,
    centers: Tensor,
    densities: Tensor,
    batch_size: int,
    *,
    beta: float = 1.0,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the largest ``density^beta * distance to the nearest centre``, repeatedly.

    Each pick becomes a centre. ``O(N D (M + b))`` operations and memory linear in N.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    centers : Tensor of shape (M, D)
        Points that are centres already. With none, the first pick is the densest
        candidate.
    densities : Tensor of shape (N,)
        Not negative.
    batch_size : int
        Number of picks b.
    beta : float, default=1.0
        Weight of density; 0 is greedy k-centre.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the products before pick t, 0 at earlier picks. Without centres,
        row 0 holds densities.

    See Also
    --------
    density : Finds densities.
    k_center_greedy : The same without them.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import density_k_center
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> densities = torch.tensor([1.0, 1.0, 0.1])
    >>> indices, _ = density_k_center(embeddings, embeddings[:1], densities, 1)
    >>> indices
    tensor([1])
    """
    picks = Picks(embeddings, batch_size, with_utilities)
    check_rows(embeddings=embeddings, centers=centers)
    check_finite(densities=densities)
    points = Points(embeddings, amid(embeddings))
    weight_N = densities**beta
    nearest_N = None
    if len(centers):
        nearest_N, _ = nearest_centers(embeddings, centers)
    for _ in range(batch_size):
        score_N = densities if nearest_N is None else weight_N * nearest_N.sqrt()
        pick = picks.take(score_N)
        to_pick_N = points.to(pick)
        nearest_N = to_pick_N if nearest_N is None else nearest_N.minimum(to_pick_N)
    return picks.answer()
