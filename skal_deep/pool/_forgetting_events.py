"""Forgetting events: rows whose class changed often in training."""

from typing import Any, ClassVar

from torch import Tensor

from skal_deep.classifier import PredictsVotes
from skal_deep.functional import prediction_switches
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class ForgettingEvents(ScoreQueryStrategy):
    """Prediction switches: queries rows whose predicted class changed often.

    An example is forgotten when a net that got it right gets it wrong one step later
    [1]_. That needs labels. For unlabelled rows the score is how often the predicted
    class changed from checkpoint to checkpoint, which is another quantity and our
    substitute; :func:`~skal_deep.functional.forgetting_events` is that of [1]_ for
    labelled rows.

    Use it as :class:`LabelDispersion`, where it matters that a row was undecided all
    along, and not for one half of the training.

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
    LabelDispersion : How much the class changed, in place of how often.

    References
    ----------
    .. [1] M. Toneva, A. Sordoni, R. Tachet des Combes, A. Trischler, Y. Bengio, G. J.
       Gordon. An Empirical Study of Example Forgetting during Deep Neural Network
       Learning. ICLR, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import CheckpointClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import ForgettingEvents
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = CheckpointClassifier(net, random_state=0)
    >>> ForgettingEvents(random_state=0).query(X, y, clf, batch_size=4).shape
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
        return prediction_switches(pool.predict_votes().T)
