"""Cluster-Margin: small margins from many clusters."""

from typing import Any, ClassVar

from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._cluster_rounds import _CONSTRAINTS, ClusterRounds
from skal_deep.pool._margin_sampling import MarginSampling
from skal_deep.pool._pool import Pool


class ClusterMargin(DeepQueryStrategy):
    """Cluster-Margin: small margins from many clusters.

    Considers the candidates with the smallest margin between the two most probable
    classes, several for each pick, and takes them by turns from clusters of embeddings,
    small clusters first [1]_. It is :class:`MarginSampling` with the rule
    :class:`ClusterRounds`. Classifiers without embeddings are clustered by their
    inputs.

    Use it for very large batches, of hundreds of rows or more, for which it was made.
    For small ones MarginSampling does nearly the same in less time.

    The paper clusters once, by the embeddings of the first model, and takes a random
    row of a cluster. Here each query clusters by the present embeddings, since
    strategies keep no state, and takes the row with the smallest margin. More than
    5,000 rows are split into halves until each part has at most L = 1,000, and each
    part is clustered by itself: ``O(N L D)`` operations for N rows, and memory ``O(N (C
    + D))``, with utilities ``O(N (C + D + b))``.

    The utilities are one minus the margin, for the cluster that the pick is taken from.

    Parameters
    ----------
    oversampling : float, default=10.0
        Number of smallest margins that are considered for each pick. With 1 it is
        margin sampling; larger numbers spread the batch over more clusters.
    cluster_size : int, default=10
        Mean number of rows of a cluster.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MarginSampling : The same score without clusters.
    ClusterRounds : The rule by itself, for other scores.
    Badge : Diverse and uncertain batches without clustering.

    References
    ----------
    .. [1] G. Citovsky, G. DeSalvo, C. Gentile, L. Karydas, A. Rajagopalan, A.
       Rostamizadeh, S. Kumar. Batch Active Learning at Scale. NeurIPS, 2021.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import ClusterMargin
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> ClusterMargin(random_state=0).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        **_CONSTRAINTS,
    }

    def __init__(
        self, oversampling=10.0, cluster_size=10, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.oversampling = oversampling
        self.cluster_size = cluster_size

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        pool.predict_and_embed()
        rule = ClusterRounds(self.oversampling, self.cluster_size)
        return MarginSampling(rule)._select(pool, batch_size)
