"""Core-set: cover the embeddings."""

from typing import ClassVar

from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import k_center_greedy
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class CoreSet(DeepQueryStrategy):
    """Core-set selection by greedy k-centre.

    Queries, one after another, the row that is farthest from all labelled and already
    picked rows, by the Euclidean distance of embeddings [1]_. The largest distance that
    is left is at most twice the smallest possible one. Without a labelled row the first
    pick is the row closest to the mean. Without a classifier, or with one that has no
    embeddings, the inputs themselves are used.

    Use it when the pool has no outliers and every region of it matters, and as a common
    baseline. Otherwise prefer other methods: it queries outliers by design. In ``python
    -m benchmarks low-budget`` (Fashion-MNIST, 10 to 50 labels) it was below random
    sampling.

    The utilities are distances. Picking b of N rows takes at most ``O(N D (M + b))``
    operations for M labelled rows, and memory ``O(N D)``, with utilities ``O(N (D +
    b))``.

    Parameters
    ----------
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    RobustCoreSet : Searches for a smaller radius and may leave outliers out.
    DensityWeightedDiversity : Weighs distances by density, against outliers.
    MaxHerding : Covers the bulk of the data; better with few labels.

    References
    ----------
    .. [1] O. Sener, S. Savarese. Active Learning for Convolutional Neural Networks: A
       Core-Set Approach. ICLR, 2018.

    Examples
    --------
    >>> from skal_deep.pool import CoreSet
    >>> X, y = [[0.0], [1.0], [9.0], [10.0], [4.0]], [0, -1, -1, -1, -1]
    >>> CoreSet().query(X, y, batch_size=2)  # the farthest row, then the gap
    array([3, 4])
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND = pool.embed()
        centers_MD = pool.labeled.embed() if len(pool.labeled) else points_ND[:0]
        return k_center_greedy(
            points_ND, centers_MD, batch_size, with_utilities=pool.with_utilities
        )
