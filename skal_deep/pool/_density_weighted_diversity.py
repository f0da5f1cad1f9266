"""Density-weighted diversity: far from labelled rows, in dense regions."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import density, density_k_center
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import sample_rows
from skal_deep.pool._pool import Pool


class DensityWeightedDiversity(DeepQueryStrategy):
    """Density-weighted diversity: core-set selection that avoids outliers.

    Queries, one after another, the row with the largest product of two factors: its
    density to the power ``beta``, and its distance to all labelled and picked rows.
    Density is the mean of ``exp(-d^2 / bandwidth^2)`` over all rows. Without a label
    the first pick is the densest row. Without a classifier, or with one that has no
    embeddings, the inputs themselves are used.

    Use it in place of :class:`CoreSet` when the pool holds outliers that are not worth
    a label.

    The formula is ours. It follows the idea of [1]_, to search for batches that are
    diverse and representative, not that paper's beam search. With ``beta=0`` it is
    CoreSet.

    The utilities are the products; without a label, row 0 holds densities. Picking b of
    N rows takes ``O(N D (N + b))`` operations and memory ``O(N D)``, with utilities
    ``O(N (D + b))``.

    Parameters
    ----------
    beta : float, default=1.0
        Weight of density.
    bandwidth : float, default=None
        Width of the kernel; ``None`` is the root mean square of all distances.
    max_data : int, default=None
        Most rows that a density is the mean over; of a larger pool, a uniform sample.
        ``None`` takes all of up to 20,000 rows, and of N more 2e8 / N, but at least
        2,000, so that a query takes seconds.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    CoreSet : Distances alone; linear in the number of rows.
    MaxHerding : Covers dense regions with a guarantee, for the first labels.
    LCMD : Picks where a cluster of rows is large and wide.

    References
    ----------
    .. [1] T. Wang, X. Zhao, Q. Lv, B. Hu, D. Sun. Density Weighted Diversity Based
       Query Strategy for Active Learning. CSCWD, 2021.

    Examples
    --------
    >>> from skal_deep.pool import CoreSet, DensityWeightedDiversity
    >>> X, y = [[0.0], [4.0], [4.1], [4.2], [4.3], [9.0]], [0, -1, -1, -1, -1, -1]
    >>> DensityWeightedDiversity().query(X, y)  # a row of the group
    array([4])
    >>> CoreSet().query(X, y)  # the outlier
    array([5])
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "beta": [Interval(Real, 0, None, closed="left")],
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "max_data": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        beta=1.0,
        bandwidth=None,
        max_data=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.beta = beta
        self.bandwidth = bandwidth
        self.max_data = max_data

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND, data_MD = pool.embed(), pool.embed_data()
        centers_LD = data_MD[: len(pool.labeled)]
        rows = sample_rows(len(data_MD), self.max_data, pool.generator)
        densities = density(points_ND, data_MD[rows], self.bandwidth)
        return density_k_center(
            points_ND,
            centers_LD,
            densities,
            batch_size,
            beta=self.beta,
            with_utilities=pool.with_utilities,
        )
