"""CEAL: the uncertain rows are asked for, the certain ones label themselves."""

from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import entropy, least_confidence, margin
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool

_SCORES = {
    "entropy": lambda proba_NC: entropy(proba_NC),
    "confidence": lambda proba_NC: least_confidence(proba_NC[None]),
    "margin": lambda proba_NC: margin(proba_NC[None]),
}


class CEAL(ScoreQueryStrategy):
    """Cost-Effective Active Learning (CEAL).

    Queries the rows that the classifier is least certain of. What makes it CEAL [1]_ is
    the training: a :class:`~skal_deep.classifier.PseudoLabelClassifier` takes its own
    certain predictions for labels, so that uncertain rows go to the annotator, and
    certain ones need none. With another classifier it is uncertainty sampling.

    Use it when the classifier's certain predictions are right, and labels are dear.

    Scoring N rows takes ``O(N C)`` operations beside the prediction.

    Parameters
    ----------
    kind : {"entropy", "confidence", "margin"}, default="entropy"
        What is read from the prediction; the paper has all three.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, as in the
        paper.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    skal_deep.classifier.PseudoLabelClassifier : The other half of the method.
    PredictiveEntropy : The same query, by that name.

    References
    ----------
    .. [1] K. Wang, D. Zhang, Y. Li, R. Zhang, L. Lin. Cost-Effective Active Learning
       for Deep Image Classification. TCSVT, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import PseudoLabelClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import CEAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = PseudoLabelClassifier(net, random_state=0)
    >>> CEAL(random_state=0).query(X, y, clf, batch_size=4).shape
    (4,)
    """

    _needs = (PredictsProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "kind": [StrOptions(set(_SCORES))],
    }

    def __init__(
        self, kind="entropy", selection=None, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.kind = kind
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return _SCORES[self.kind](pool.predict_proba())
