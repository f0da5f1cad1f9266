"""Clue: centres of clusters in which uncertain rows weigh more."""

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import apply_temperature, entropy, nearest_distinct
from skal_deep.functional._k_means import k_means
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class Clue(DeepQueryStrategy):
    """Clustering Uncertainty-weighted Embeddings (CLUE).

    Groups the unlabelled rows into as many clusters as labels are wanted, by k-means on
    embeddings, in which each row has the entropy of its prediction as its weight.
    Queries the row closest to each cluster centre [1]_. Classifiers without embeddings
    are clustered by their inputs.

    Use it for batches from a classifier that is already trained, for instance on data
    of another domain, for which it was made. It needs probabilities that mean
    something: after a handful of labels :class:`TypiClust` is better founded.

    Unlike in scikit-activeml, the clusters are seeded, so that equal seeds give equal
    picks. Rows that are no candidates count in the clusters. The utilities of row t are
    minus the distances to centre t. The centres depend on the batch size, so the first
    pick may depend on it, too. A query of b of N rows takes about ``N b D`` operations
    an iteration, and memory ``O(N (C + D))``, with utilities ``O(N (C + D + b))``. Of
    more than 20,000 rows a sample of 10,000, drawn by their weights, is clustered, and
    the centres then move to the means of all rows.

    Parameters
    ----------
    temperature : float, default=1.0
        Divides the logits before the entropy; small ones let certain rows count
        less. The authors take 1 for digits and 0.1 for DomainNet.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    AlfaMix : Clusters only the rows whose prediction is fragile.
    ClusterMargin : Clusters first and takes small margins by turns.
    TypiClust : Clusters without predictions, for the first labels.

    References
    ----------
    .. [1] V. Prabhu, A. Chandrasekaran, K. Saenko, J. Hoffman. Active Domain
       Adaptation via Clustering Uncertainty-weighted Embeddings. ICCV, 2021.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import Clue
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> Clue(random_state=0).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "temperature": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, temperature=1.0, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.temperature = temperature

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        proba_UC, rows_UD = pool.population.predict_and_embed()
        weights = entropy(apply_temperature(proba_UC, self.temperature))
        if not weights.any():  # nothing is uncertain
            weights = torch.ones_like(weights)
        centroids_KD = k_means(rows_UD, batch_size, pool.generator, weights)
        return nearest_distinct(
            pool.embed(), centroids_KD, batch_size, with_utilities=pool.with_utilities
        )
