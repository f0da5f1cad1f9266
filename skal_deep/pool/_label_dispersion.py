"""Label dispersion: rows whose class kept changing in training."""

from typing import Any, ClassVar

from torch import Tensor

from skal_deep.classifier import PredictsVotes
from skal_deep.functional import label_dispersion
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class LabelDispersion(ScoreQueryStrategy):
    """Label dispersion: queries rows whose predicted class kept changing in training.

    The score is the share of checkpoints of the training that did not predict a row's
    commonest class [1]_.

    Use it when a posterior is too dear: the checkpoints come with the one training.

    Scoring takes one pass for each checkpoint.

    Parameters
    ----------
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, as in the
        paper.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    skal_deep.classifier.CheckpointClassifier : The classifier that it needs.
    ForgettingEvents : How often the class changed, in place of how much.
    VariationRatio : The same of posterior draws.

    References
    ----------
    .. [1] J. Zolfaghari Bengar, B. Raducanu, J. van de Weijer. When Deep Learners
       Change Their Mind: Learning Dynamics for Active Learning. CAIP, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import CheckpointClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import LabelDispersion
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = CheckpointClassifier(net, random_state=0)
    >>> LabelDispersion(random_state=0).query(X, y, clf, batch_size=4).shape
    (4,)
    """

    _needs = (PredictsVotes,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints
    }

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return label_dispersion(pool.predict_votes().T)
