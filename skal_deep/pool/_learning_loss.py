"""Learning loss: the rows whose loss is predicted to be largest."""

from typing import Any, ClassVar

from torch import Tensor

from skal_deep.classifier import PredictsLoss
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class LearningLoss(ScoreQueryStrategy):
    """Learning loss: queries the rows whose loss is predicted to be largest.

    The classifier learns, beside its classes, to predict its own loss from hidden
    features [1]_. The score is that prediction.

    Use it when the loss has features that the net can see, such as noise or rare kinds
    of rows, and there are some hundred labels to learn it from. Do not promise gains:
    users of the best-known port report results like those of random sampling with many
    classes. On Fashion-MNIST with 500 labels, predicted losses of new images have a
    rank correlation of 0.79 with the true ones; the entropy, which costs nothing, has
    0.89.

    Scoring takes one pass of prediction. The paper scores a random subset of 10,000
    rows in each round, which also keeps a batch from being all alike; wrap the strategy
    in scikit-activeml's ``SubSamplingWrapper`` for that, or give ``selection`` a rule
    that spreads the batch.

    Parameters
    ----------
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, as in the
        paper. Predicted losses may be negative, which :class:`Power` refuses.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    skal_deep.classifier.LossPredictionClassifier : The classifier that it needs.
    LeastConfidence : The loss of the predicted class, without learning it.
    EGL : Gradients that labels would cause.

    References
    ----------
    .. [1] D. Yoo, I. S. Kweon. Learning Loss for Active Learning. CVPR, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import LossPredictionClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import LearningLoss
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = LossPredictionClassifier(net, random_state=0)
    >>> LearningLoss(random_state=0).query(X, y, clf, batch_size=4).shape
    (4,)
    """

    _needs = (PredictsLoss,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints
    }

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return pool.predict_loss()
