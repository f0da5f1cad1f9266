"""Least confidence."""

from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import least_confidence
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class LeastConfidence(ScoreQueryStrategy):
    """Least confidence.

    Queries the rows whose most probable class is least probable: ``1 - max_c p_c``
    [1]_, between 0 and ``1 - 1/C``. With a posterior, p is the mean over its draws, and
    the score equals the variation ratio as the paper of Gal et al. prints it.

    Use it as a cheap baseline for any classifier with probabilities. With two classes
    it ranks rows as :class:`MarginSampling` and :class:`PredictiveEntropy` do; with
    more, MarginSampling is usually the better first choice.

    Scoring N rows takes ``O(N C)`` operations and memory beside the prediction.

    Parameters
    ----------
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MarginSampling : Compares the two most probable classes.
    PredictiveEntropy : Looks at all classes.
    VariationRatio : Counts votes of posterior draws.

    References
    ----------
    .. [1] D. D. Lewis, W. A. Gale. A Sequential Algorithm for Training Text
       Classifiers. SIGIR, 1994.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import LeastConfidence
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> LeastConfidence(random_state=0).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return least_confidence(pool.predict_proba()[None])
