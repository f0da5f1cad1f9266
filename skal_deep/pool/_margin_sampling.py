"""Smallest margin between two classes."""

from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import margin
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class MarginSampling(ScoreQueryStrategy):
    """Margin sampling (best versus second best).

    Asks for the rows on which the two most probable classes are closest: one minus
    their difference in probability [1]_, between 0 and 1. With a single class every
    score is 0. With a posterior, p is the mean over its draws.

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

    References
    ----------
    .. [1] T. Scheffer, C. Decomain, S. Wrobel. Active Hidden Markov Models for
       Information Extraction. IDA, 2001.
    """

    _needs = (PredictsProba,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return margin(pool.predict_proba()[None])
