"""Diverse mini-batch active learning: centres of what is uncertain."""

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import margin, nearest_distinct
from skal_deep.functional._k_means import k_means
from skal_deep.functional.representatives import largest_distance
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import most_uncertain
from skal_deep.pool._pool import Pool


class DiverseMiniBatch(DeepQueryStrategy):
    """Diverse mini-batch active learning: centres of uncertain rows.

    First takes the rows with the smallest margins, many for each pick; then groups
    them into as many clusters as there are picks, by k-means in which a row weighs as
    much as it is uncertain, and asks for the row nearest to each centre [1]_. Use it
    for large batches with any classifier that predicts probabilities.

    Embeddings are the inputs where the classifier has none. The utilities of row t are
    minus the distances to centre t, less the diameter of the data for rows that are
    not uncertain enough.

    Parameters
    ----------
    oversampling : float, default=10.0
        Number of uncertain rows for each pick; the paper takes 10 to 50. With 1 the
        picks are those with the smallest margins.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    Clue : Weighs all rows by their entropy in place of taking the most uncertain.
    ClusterMargin : Small margins from many clusters.

    References
    ----------
    .. [1] F. Zhdanov. Diverse Mini-Batch Active Learning. arXiv:1901.05954,
       2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import DiverseMiniBatch
    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> y = np.full(30, -1)
    >>> y[:4] = 0, 0, 1, 1
    >>> strategy = DiverseMiniBatch(random_state=0)
    >>> strategy.query(X, y, LogisticRegression(), batch_size=3).shape
    (3,)
    """

    _needs = (PredictsProba,)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "oversampling": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(self, oversampling=10.0, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.oversampling = oversampling

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        chosen_N, (chosen_U, score_U) = most_uncertain(
            pool,
            lambda rows: margin(rows.predict_and_embed()[0][None]),
            round(self.oversampling * batch_size),
        )
        rows_ND, rows_UD = pool.embed(), pool.population.embed()
        weight_K = score_U[chosen_U]
        if not weight_K.any():  # nothing is uncertain
            weight_K = torch.ones_like(weight_K)
        centroids_KD = k_means(rows_UD[chosen_U], batch_size, pool.generator, weight_K)
        handicap_N = torch.where(chosen_N, 0, largest_distance(rows_UD))
        return nearest_distinct(
            rows_ND,
            centroids_KD,
            batch_size,
            handicaps=handicap_N.to(rows_ND),
            with_utilities=pool.with_utilities,
        )
