"""DAMI: cover the slopes of a piecewise linear net."""

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
    the same units. A row is described by the slope of its linear piece, the derivative
    of the C outputs before the softmax by the d inputs. The batch is that of greedy
    k-centre on these slopes, starting from the labelled rows [1]_. All rows of one
    region have the same slope, so each region is queried once before any is queried
    again.

    Use it for perceptrons on tables, for which it was made. Nets that are not piecewise
    linear have slopes and are accepted, but the idea of regions does not hold for them.

    Slopes of more than ``n_features`` numbers are sketched by random signs. The
    definition is ours after the paper's abstract, which names k-centre; its first
    version grouped by k-medoids. Without a labelled row the first pick is the row
    closest to the mean of the slopes.

    The utilities are distances. Time ``O(N C (net + d p) + N p (M + b))`` for M
    labelled rows and ``p = min(C d, n_features)``, memory ``O(N p)``, with utilities
    ``O(N (p + b))``.

    Parameters
    ----------
    n_features : int, default=512
        Largest length of the features; longer slopes are sketched.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    CoreSet : The same rule on embeddings.
    LCMD : Covers gradients of the weights, denser where there are more rows.

    References
    ----------
    .. [1] Q. Liu, Z. Liu, X. Zhu, Y. Xiu. Deep Active Learning by Model
       Interpretability. arXiv:2007.12100, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import DAMI
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=20, lr=0.1, train_split=None, verbose=0
    ... )
    >>> DAMI(random_state=0).query(X, y, DeepClassifier(net, random_state=0))
    array([2])
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
