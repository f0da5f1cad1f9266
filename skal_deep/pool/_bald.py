"""Bayesian active learning by disagreement."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import bald
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class BALD(ScoreQueryStrategy):
    """Bayesian Active Learning by Disagreement (BALD).

    Asks for the rows on whose label the posterior draws of the network disagree most
    while each of them is sure: the mutual information between label and weights,
    ``H[mean_s p_s] - mean_s H[p_s]`` in nats [1]_, estimated with dropout or an
    ensemble [2]_. It lies between 0 and ``log(min(S, C))``.

    Scoring N rows takes ``O(S N C)`` operations beside the predictions. Memory is
    ``O(N)`` beside the draws, and those of a large pool never exist at once.

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

    References
    ----------
    .. [1] N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel. Bayesian Active
       Learning for Classification and Preference Learning. arXiv:1112.5745, 2011.
    .. [2] Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image
       Data. ICML, 2017.
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
        return pool.score_samples(bald, self.n_samples)
