"""A rule that takes high scores from many clusters."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.functional import cluster_rounds
from skal_deep.functional.rounds import first_turn
from skal_deep.pool._features import linkage_clusters
from skal_deep.pool._selection import SelectionRule

_CONSTRAINTS: dict[str, Any] = {
    "oversampling": [Interval(Real, 1, None, closed="left")],
    "cluster_size": [Interval(Integral, 1, None, closed="left")],
}


class ClusterRounds(SelectionRule):
    """Take the highest scores by turns from clusters, small clusters first.

    Considers the highest scores, several for each pick, and groups them by clusters of
    embeddings. In each round every group that has a row left gives its highest score,
    the smallest group first [1]_. So the batch is spread over the uncertain regions.
    With the margin as score it is :class:`ClusterMargin`. Classifiers without
    embeddings are clustered by their inputs.

    Use it with any score for large batches, when similar rows would otherwise fill the
    batch. A query that scores a few rows does not need it.

    The clusters are those of average linkage on all data, cut so that they have
    ``cluster_size`` rows on average. More than 5,000 rows are split into halves until
    each part has at most 1,000, and each part is clustered by itself. Candidates that
    are given as inputs belong to the cluster of the nearest row of ``X``, and the first
    row of their utilities is that of the turn which the unlabelled rows of ``X`` begin
    with.

    Parameters
    ----------
    oversampling : float, default=10.0
        Number of highest scores that are considered for each pick. With 1 the batch is
        that of :class:`TopK`; larger numbers spread it over more clusters.
    cluster_size : int, default=10
        Mean number of rows of a cluster.

    See Also
    --------
    TopK : The highest scores, similar or not.
    Power : Spreads a batch by drawing at random; needs no embeddings.
    ClusterMargin : This rule with the margin as score.

    References
    ----------
    .. [1] G. Citovsky, G. DeSalvo, C. Gentile, L. Karydas, A. Rajagopalan, A.
       Rostamizadeh, S. Kumar. Batch Active Learning at Scale. NeurIPS, 2021.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import ClusterRounds, LeastConfidence
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> strategy = LeastConfidence(selection=ClusterRounds(cluster_size=1))
    >>> strategy.query(X, y, LogisticRegression())
    array([2])
    """

    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = _CONSTRAINTS

    def __init__(self, oversampling=10.0, cluster_size=10):
        self.oversampling = oversampling
        self.cluster_size = cluster_size

    def _select(self, scores, batch_size, pool):
        n_considered = round(self.oversampling * batch_size)
        scores = scores.to(pool.population.embed().device)  # where clusters are
        row_N = pool.rows_of_data().to(scores.device)
        asked = [row_N[_highest(scores, max(n_considered, batch_size))]]
        if pool.score_whole is not None:
            score_U = pool.score_whole().to(scores.device)
            row_U = pool.whole().rows_of_data().to(scores.device)
            asked.append(row_U[_highest(score_U, max(n_considered, 1))])
        n_rows = len(pool.labeled) + len(pool.unlabeled)
        wanted_M = torch.zeros(n_rows, dtype=torch.bool, device=scores.device)
        wanted_M[torch.cat(asked)] = True
        cluster_M = linkage_clusters(pool, self.cluster_size, wanted_M)
        cluster_N = cluster_M[row_N]
        picks, utilities = cluster_rounds(
            scores,
            cluster_N,
            batch_size,
            n_considered=n_considered,
            with_utilities=pool.with_utilities,
        )
        if pool.score_whole is not None:
            utilities[0] = first_turn(
                scores, cluster_N, score_U, cluster_M[row_U], n_considered
            )
        return picks, utilities


def _highest(scores: Tensor, n: int) -> Tensor:
    """Return which scores are among the n highest, or tie with the last of them."""
    return scores >= scores.topk(min(n, len(scores))).values[-1]
