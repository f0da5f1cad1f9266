"""Ask-n-Learn: Badge with calibrated probabilities."""

from typing import Any, ClassVar

from torch import Tensor

from skal_deep.classifier import Embeds, PredictsProba
from skal_deep.pool._badge import badge_at
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._calibration import calibrated_temperature
from skal_deep.pool._pool import Pool


class AskNLearn(DeepQueryStrategy):
    """Ask-n-Learn: Badge on calibrated gradient embeddings.

    Nets that are too confident have short gradients almost everywhere, and
    :class:`Badge` draws rows by the length of their gradients. So the probabilities are
    calibrated first [1]_: ``softmax(z / T)`` replaces ``softmax(z)``, and then Badge
    chooses [2]_.

    Use it in place of Badge when the net is badly calibrated and training is cheap:
    each query trains the net a second time.

    The temperature T minimises the negative log-likelihood of hidden labels: a clone of
    the classifier is fitted without a third of the labels of each class, and predicts
    these. A class with a single label hides none. If all classes are such, ``T = 1``
    and the strategy is Badge.

    The paper asks for calibrated probabilities; temperature scaling [3]_ is the method
    that we chose. The paper also augments the training data by pseudo-labels. That
    belongs to training, not to a query, and is left out. Utilities are probabilities,
    as those of Badge; memory and, beside the training, time are those of Badge.

    Parameters
    ----------
    bias : bool, default=False
        Whether the gradient includes that of the last layer's bias, see
        :class:`Badge`.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    Badge : The same without calibration, and without the second training.
    UncertaintyHerding : Also calibrates first, and then covers uncertain regions.

    References
    ----------
    .. [1] B. Venkatesh, J. J. Thiagarajan. Ask-n-Learn: Active Learning via Reliable
       Gradient Representations for Image Classification. arXiv:2009.14448, 2020.
    .. [2] J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch
       Active Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.
    .. [3] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern
       Neural Networks. ICML, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import AskNLearn
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=20, lr=0.1, train_split=None, verbose=0
    ... )
    >>> AskNLearn(random_state=0).query(X, y, DeepClassifier(net, random_state=0))
    array([2])
    """

    _needs = (PredictsProba, Embeds)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "bias": ["boolean"],
    }

    def __init__(self, bias=False, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.bias = bias

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        return badge_at(pool, batch_size, calibrated_temperature(pool), self.bias)
