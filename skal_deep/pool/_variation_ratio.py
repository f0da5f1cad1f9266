"""Disagreement of votes."""

from functools import partial
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import variation_ratio
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class VariationRatio(ScoreQueryStrategy):
    """Variation ratio.

    Queries the rows on whose class the posterior draws agree least. With votes the
    score is the share of draws that do not vote for the commonest class [1]_; with
    probabilities it is ``1 - max_c mean_s p_sc`` [2]_. The paper [2]_ prints the second
    and its code computes the first. Votes are the default, since the second is the same
    as :class:`LeastConfidence`.

    Use it with ensembles, or with many dropout draws, when only the predicted class
    matters. With few draws the votes take few values, and most rows tie.

    Scoring N rows by S draws takes ``O(S N C)`` operations beside the predictions.
    Memory is ``O(N)`` beside the draws, and the draws of a large pool never exist all
    at once.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    kind : {"votes", "proba"}, default="votes"
        What is compared among the draws.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    VoteEntropy : The entropy of the votes; also sees how the minority is split.
    BALD : Also looks at how confident each draw is.
    LeastConfidence : The probability form; needs no posterior.

    References
    ----------
    .. [1] L. C. Freeman. Elementary Applied Statistics. Wiley, 1965.
    .. [2] Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image
       Data. ICML, 2017.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import VariationRatio
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> VariationRatio(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "kind": [StrOptions({"votes", "proba"})],
    }

    def __init__(
        self,
        n_samples=None,
        kind="votes",
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.kind = kind
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return pool.score_samples(
            partial(variation_ratio, kind=self.kind), self.n_samples
        )
