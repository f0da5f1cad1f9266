"""TypiClust: one typical row of each cluster."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import typi_clust
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import features, k_means
from skal_deep.pool._pool import Pool

# The paper's largest number of clusters.
_MOST_CLUSTERS = 500


class TypiClust(DeepQueryStrategy):
    """Typical clustering (TypiClust), for the first few labels.

    Groups all rows, labelled or not, into as many clusters as there will be labels,
    at most 500, by k-means. Clusters without a label come first, large before small;
    of each it asks for the most typical row: the one with the smallest mean distance
    to its nearest neighbours in the cluster [1]_. Made for budgets of a few labels a
    class, where uncertainty says little yet; no label at all is needed.

    Embeddings should be good without labels: precomputed ones as ``X`` with
    ``clf=None``, as of a self-supervised net. A classifier that has no embeddings, or
    none, makes it work on the inputs themselves.

    The utilities are typicalities, one over mean distances, of the cluster whose turn
    it is, and 0 elsewhere. Clusters depend on the batch size, so the first pick may.
    With K clusters of N rows a query takes about ``N K D`` operations an iteration of
    k-means and at most ``N^2 D`` for neighbours, less the more clusters there are;
    its memory is ``O(N D)``, with utilities ``O(N (D + b))``.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours that typicality looks at, at most half the cluster; the paper's.
    normalize : bool, default=True
        Whether to scale embeddings to unit length first, as the paper does.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    References
    ----------
    .. [1] G. Hacohen, A. Dekel, D. Weinshall. Active Learning on a Budget: Opposite
       Strategies Suit High and Low Budgets. ICML, 2022.
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
    }

    def __init__(
        self, n_neighbors=20, normalize=True, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_neighbors = n_neighbors
        self.normalize = normalize

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND, data_MD = features(pool, self.normalize)
        n_labeled = len(pool.labeled)
        n_clusters = min(n_labeled + batch_size, _MOST_CLUSTERS)
        centroids_KD = k_means(data_MD, n_clusters, pool.generator)
        return typi_clust(
            points_ND,
            data_MD,
            n_labeled,
            centroids_KD,
            batch_size,
            n_neighbors=self.n_neighbors,
            with_utilities=pool.with_utilities,
            rows=None if pool.is_foreign else pool.rows_of_data(),
        )
