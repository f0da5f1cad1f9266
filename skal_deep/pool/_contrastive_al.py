"""Contrastive active learning: predicted unlike the nearest labelled rows."""

import warnings
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import contrast, unit_rows
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class ContrastiveAL(ScoreQueryStrategy):
    """Contrastive Active Learning (CAL).

    Queries rows that look like labelled rows but are predicted differently: the score
    is the mean Kullback-Leibler divergence ``KL(p_j || p)`` over the nearest labelled
    rows j, in nats, with neighbours by embeddings of unit length [1]_. Such rows lie
    near the decision boundary. Classifiers without embeddings use their inputs.

    Use it for fine-tuned text or image encoders with some dozens of labels or more,
    whose embeddings put similar rows together. It does not spread a batch, so add
    ``selection=Power()`` for large ones.

    Unlike scikit-activeml's, it scales embeddings to unit length and looks at 10
    neighbours, as the paper does. Without a label there is nothing to compare with: all
    scores are equal, the draw is random, and a warning says so. Scoring N candidates
    against M labelled rows takes ``O(N M D)`` operations, in chunks, and memory ``O(N
    (C + D + k))`` for k neighbours.

    Parameters
    ----------
    n_neighbors : int, default=10
        Number of nearest labelled rows; the paper's value.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, as in the
        paper.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MarginSampling : Finds rows near the boundary from their predictions alone.
    Badge : Uses embeddings, too, and spreads the batch.
    DiffusionAL : Compares with labelled neighbours along a graph.

    References
    ----------
    .. [1] K. Margatina, G. Vernikos, L. Barrault, N. Aletras. Active Learning by
       Acquiring Contrastive Examples. EMNLP, 2021.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import ContrastiveAL
    >>> X = [[-2.0, 1.0], [-1.5, 1.0], [0.1, 1.0], [1.5, 1.0], [2.0, 1.0]]
    >>> y = [0, -1, -1, -1, 1]
    >>> ContrastiveAL(n_neighbors=1).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)
    _does_without_labels: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self, n_neighbors=10, selection=None, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_neighbors = n_neighbors
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        if not len(pool.labeled):
            warnings.warn(
                "ContrastiveAL compares candidates with labelled rows; without any it "
                "draws at random.",
                stacklevel=4,
            )
            return torch.ones(len(pool))
        (proba_NC, rows_ND), (proba_MC, rows_MD) = (
            rows.predict_and_embed() for rows in (pool, pool.labeled)
        )
        return contrast(
            proba_NC, unit_rows(rows_ND), proba_MC, unit_rows(rows_MD), self.n_neighbors
        )
