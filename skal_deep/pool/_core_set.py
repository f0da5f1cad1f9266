"""Core-set: cover the embeddings."""

from typing import ClassVar

from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import k_center_greedy
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class CoreSet(DeepQueryStrategy):
    """Core-set selection by greedy k-centre.

    Asks again and again for the row that is farthest from all labelled and already
    picked rows, by the Euclidean distance of embeddings [1]_. The largest distance
    that is left is at most twice the smallest possible one. Without a labelled row
    the first pick is the row closest to the mean. A classifier or regressor that has
    no embeddings, or none, makes it work on the inputs themselves.

    The utilities are distances. The paper's robust variant, which may leave out
    outliers, is :class:`RobustCoreSet`. Picking b of N rows takes at most
    ``O(N D (M + b))`` operations for M labelled rows, and memory ``O(N D)``, with
    utilities ``O(N (D + b))``.

    Parameters
    ----------
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    References
    ----------
    .. [1] O. Sener, S. Savarese. Active Learning for Convolutional Neural Networks: A
       Core-Set Approach. ICLR, 2018.
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND = pool.embed()
        centers_MD = pool.labeled.embed() if len(pool.labeled) else points_ND[:0]
        return k_center_greedy(
            points_ND, centers_MD, batch_size, with_utilities=pool.with_utilities
        )
