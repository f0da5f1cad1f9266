"""DAMI: cover the linear pieces of a net."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import HasSlopes
from skal_deep.functional import k_center_greedy
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class DAMI(DeepQueryStrategy):
    """Deep Active learning by Model Interpretability (DAMI).

    A net of linear layers and ReLUs is linear on each region of inputs that switch on
    the same units. A row is described by the weights of its linear piece, the
    derivative of the C outputs before the softmax by the d inputs; the batch is that
    of greedy k-centre on these, starting from the labelled rows [1]_. Rows of one
    region coincide, so each region is asked for once before any is asked for again.

    Made for perceptrons on tables. Nets that are not piecewise linear have slopes
    too, and are taken. Slopes of more than ``n_features`` numbers are sketched by
    random signs, which the paper does not need for its tables. It is written after
    the abstract of the paper's last version; an earlier one clustered by k-medoids.
    Without a labelled row the first pick is the row closest to the mean.

    The utilities are distances. Time ``O(N C (net + d p) + N p (M + b))`` for M
    labelled rows and ``p = min(C d, n_features)``, memory ``O(N p)``, with
    utilities ``O(N (p + b))``.

    Parameters
    ----------
    n_features : int, default=512
        Longest features.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    References
    ----------
    .. [1] Q. Liu, Z. Liu, X. Zhu, Y. Xiu. Deep Active Learning by Model
       Interpretability. arXiv:2007.12100, 2020.
    """

    _needs = (HasSlopes,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_features": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_features=512, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_features = n_features

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        slopes_NP = pool.jacobian(self.n_features)
        centers_MP = slopes_NP[:0]
        if len(pool.labeled):
            centers_MP = pool.labeled.jacobian(self.n_features)
        return k_center_greedy(
            slopes_NP, centers_MP, batch_size, with_utilities=pool.with_utilities
        )
