"""Bayesian active learning by disagreement."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsVariance, SamplesProba
from skal_deep.functional import bald, gaussian_bald
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class BALD(ScoreQueryStrategy):
    """Bayesian Active Learning by Disagreement (BALD).

    Queries the rows on whose label the posterior draws of the network disagree most,
    although each draw is confident: the mutual information between label and weights,
    ``H[mean_s p_s] - mean_s H[p_s]`` in nats [1]_, estimated with dropout or an
    ensemble [2]_. It lies between 0 and ``log(min(S, C))``.

    Use it to query one row at a time, or with ``selection=Power()`` for batches, when
    the classifier has a posterior and labels are noisy: noise that all draws agree on
    does not count. Do not use the highest scores of a pool with many similar rows as a
    batch: in ``python -m benchmarks repeated`` that was worse than random sampling.

    With a regressor, ``reg``, it is ``log(1 + v / s) / 2`` of the epistemic variance v
    and the noise s, summed over targets. Where the noise is the same for all rows, the
    order is that of the epistemic variance.

    Scoring N rows takes ``O(S N C)`` operations beside the predictions. Memory is
    ``O(N)`` beside the draws, and the draws of a large pool never exist all at once.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives PowerBALD.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    BatchBALD : Counts information that rows of a batch share only once; slower.
    EPIG : Information about predictions in place of weights.
    PredictiveEntropy : Needs no posterior; counts noise in the labels, too.
    Power : The rule that makes PowerBALD, for batches.

    References
    ----------
    .. [1] N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel. Bayesian Active
       Learning for Classification and Preference Learning. arXiv:1112.5745, 2011.
    .. [2] Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image
       Data. ICML, 2017.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import BALD
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> BALD(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _needs_of_regressor = (PredictsVariance,)
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
        if pool.has_numbers:
            return gaussian_bald(*pool.predict_variance())
        return pool.score_samples(bald, self.n_samples)
