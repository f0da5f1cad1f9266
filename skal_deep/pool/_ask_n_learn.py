"""Ask-n-Learn: Badge with honest probabilities."""

from typing import Any, ClassVar

from torch import Tensor

from skal_deep.classifier import Embeds, PredictsProba
from skal_deep.pool._badge import badge_at
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._calibration import calibrated_temperature
from skal_deep.pool._pool import Pool


class AskNLearn(DeepQueryStrategy):
    """Ask-n-Learn: Badge on calibrated gradient embeddings.

    Nets that are too sure of themselves have short gradients almost everywhere, and
    Badge draws by their length. So probabilities are calibrated first [1]_: those of
    ``softmax(z / T)`` take the place of ``softmax(z)``, and Badge chooses [2]_.

    The temperature T minimises the negative log-likelihood of labels that were
    hidden: a clone of the classifier is fitted without a third of the labels of each
    class, and asked for them. That doubles the time of training. Classes with a
    single label hide none; if all are such, ``T = 1`` and the strategy is Badge.

    This is a variant after the paper's abstract, which asks for calibration and does
    not say by which method; temperature scaling [3]_ is ours. The augmentation
    of training by pseudo-labels, the paper's other half, is no part of a query.
    Utilities are probabilities, as those of :class:`Badge`, and beside the training
    time and memory are those of Badge.

    Parameters
    ----------
    bias : bool, default=False
        Whether the gradient includes that of the last layer's bias, see
        :class:`Badge`.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    References
    ----------
    .. [1] B. Venkatesh, J. J. Thiagarajan. Ask-n-Learn: Active Learning via Reliable
       Gradient Representations for Image Classification. arXiv:2009.14448, 2020.
    .. [2] J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch
       Active Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.
    .. [3] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern
       Neural Networks. ICML, 2017.
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
