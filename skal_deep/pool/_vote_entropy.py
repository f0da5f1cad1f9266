"""Entropy of votes."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import vote_entropy
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class VoteEntropy(ScoreQueryStrategy):
    """Vote entropy: query by committee.

    Queries the rows on whose class the members of a committee are split most evenly:
    the entropy of their votes in nats, ``H[V / S]`` where V counts the members that
    vote for each class [1]_. Here the members are posterior draws. The paper divides by
    ``log(min(S, C))``, which changes no order.

    Use it with ensembles of ten or more members whose probabilities cannot be trusted:
    only their classes count. With few members the scores take few values, and ties are
    broken at random.

    Scoring N rows by S draws takes ``O(S N C)`` operations beside the predictions.
    Memory is ``O(N)`` beside the draws, and the draws of a large pool never exist all
    at once.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    ConsensusKL : Compares the members' probabilities.
    VariationRatio : The share of votes against the majority.
    BALD : Disagreement as information, with the members' confidence.

    References
    ----------
    .. [1] S. P. Engelson, I. Dagan. Minimizing Manual Annotation Cost in Supervised
       Training from Corpora. ACL, 1996.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import VoteEntropy
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> VoteEntropy(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
    }

    def __init__(
        self, n_samples=None, selection=None, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return pool.score_samples(vote_entropy, self.n_samples)
