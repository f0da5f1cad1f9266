"""Divergence of a committee from its consensus."""

from functools import partial
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import consensus_kl
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class ConsensusKL(ScoreQueryStrategy):
    """Kullback-Leibler divergence to the consensus: query by committee.

    Queries the rows on which the members of a committee are furthest from what they
    predict together: ``KL(p_s || mean_s p_s)`` in nats, averaged over the members [1]_.
    Here the members are posterior draws. The average equals the score of :class:`BALD`;
    with ``kind="max"`` the member that is furthest away decides.

    Use it with ``kind="max"`` when a single dissenting member should be enough to query
    a row; otherwise use BALD. With dropout, a single unusual draw may decide.

    Scoring N rows by S draws takes ``O(S N C)`` operations beside the predictions.
    Memory is ``O(N)`` beside the draws, and the draws of a large pool never exist all
    at once.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    kind : {"mean", "max"}, default="mean"
        Average over the draws, as in the paper, or the largest.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    BALD : The same score as the average, named after information.
    VoteEntropy : Compares the members' classes only, not their confidence.
    VariationRatio : The share of members that do not vote for the majority.

    References
    ----------
    .. [1] A. McCallum, K. Nigam. Employing EM and Pool-Based Active Learning for Text
       Classification. ICML, 1998.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import ConsensusKL
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> ConsensusKL(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "kind": [StrOptions({"mean", "max"})],
    }

    def __init__(
        self,
        n_samples=None,
        kind="mean",
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.kind = kind
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return pool.score_samples(partial(consensus_kl, kind=self.kind), self.n_samples)
