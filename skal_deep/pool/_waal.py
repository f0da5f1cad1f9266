"""WAAL: uncertain rows that a critic finds unlike the labelled ones."""

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsNovelty, PredictsProba
from skal_deep.functional import wasserstein_score
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class WAAL(ScoreQueryStrategy):
    """Wasserstein Adversarial Active Learning (WAAL).

    The classifier learns features in which labelled and unlabelled rows are alike, and
    a critic that still tells them apart. The score adds how unlabelled the critic finds
    a row to how uncertain the prediction is, by the norms of its log-probabilities
    [1]_.

    Use it when the pool is much larger than what is labelled, and training on
    unlabelled rows is acceptable.

    Scoring takes two passes of prediction.

    Parameters
    ----------
    novelty_weight : float, default=10.0
        Weight of the critic.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, as in the
        paper.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    skal_deep.classifier.WassersteinClassifier : The classifier that it needs.
    DAAL : A discriminator beside any classifier.
    VAAL : A discriminator of the inputs alone.

    References
    ----------
    .. [1] C. Shui, F. Zhou, C. Gagné, B. Wang. Deep Active Learning: Unified and
       Principled Method for Query and Training. AISTATS, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import WassersteinClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import WAAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = WassersteinClassifier(net, random_state=0)
    >>> WAAL(random_state=0).query(X, y, clf, batch_size=4).shape
    (4,)
    """

    _needs = (PredictsProba, PredictsNovelty)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "novelty_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        novelty_weight=10.0,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.novelty_weight = novelty_weight
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return wasserstein_score(
            pool.predict_proba(), pool.predict_novelty(), self.novelty_weight
        )
