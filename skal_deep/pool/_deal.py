"""Uncertainty of evidential nets."""

from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from skal_deep.classifier import PredictsEvidence
from skal_deep.functional import (
    dirichlet_information,
    dirichlet_mean,
    margin,
    vacuity,
)
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool

_SCORES = {
    "margin": lambda evidence_NC: margin(dirichlet_mean(evidence_NC)[None]),
    "vacuity": vacuity,
    "information": dirichlet_information,
}


class DEAL(ScoreQueryStrategy):
    """Deep Evidential Active Learning (DEAL).

    An evidential net predicts how much evidence there is for each class. That is a
    Dirichlet distribution over class probabilities, in one pass. DEAL queries the rows
    whose two most probable classes are closest, by the mean of that distribution [1]_.
    With ``kind="vacuity"`` the score is the lack of evidence, ``C / sum_c (e_c + 1)``;
    with ``kind="information"`` it is the information that a label carries about the
    probabilities, which is BALD in closed form.

    Use it when one pass per row must be enough and the net can be trained with an
    evidential loss. With few labels such nets learn slowly; compare them with
    :class:`MarginSampling` on an ordinary net.

    Scoring N rows takes ``O(N C)`` operations and memory beside the prediction.

    Parameters
    ----------
    kind : {"margin", "vacuity", "information"}, default="margin"
        What is read from the evidence; the margin is the paper's.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MarginSampling : The margin of an ordinary classifier.
    BALD : Information from posterior draws, for any posterior.
    skal_deep.classifier.EvidentialClassifier : The classifier that it needs.

    References
    ----------
    .. [1] P. Hemmer, N. Kühl, J. Schöffer. DEAL: Deep Evidential Active Learning for
       Image Classification. ICMLA, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import EvidentialClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import DEAL
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=30, lr=0.1, train_split=None, verbose=0
    ... )
    >>> DEAL().query(X, y, EvidentialClassifier(net, random_state=0))
    array([2])
    """

    _needs = (PredictsEvidence,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "kind": [StrOptions(set(_SCORES))],
    }

    def __init__(
        self, kind="margin", selection=None, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.kind = kind
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return _SCORES[self.kind](pool.predict_evidence())
