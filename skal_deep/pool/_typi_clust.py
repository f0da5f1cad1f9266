"""TypiClust: one typical row of each cluster."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import typi_clust
from skal_deep.functional._k_means import k_means
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import features
from skal_deep.pool._pool import Pool

# The paper's largest number of clusters.
_MOST_CLUSTERS = 500


class TypiClust(DeepQueryStrategy):
    """Typical clustering (TypiClust), for the first few labels.

    Groups all rows, labelled or not, into as many clusters as there will be labels, at
    most 500, by k-means. Clusters without a label come first, large before small. In
    each it queries the most typical row: the one with the smallest mean distance to its
    nearest neighbours in the cluster [1]_.

    Use it for the first few labels a class, when predictions say little; it needs no
    label at all. In ``python -m benchmarks low-budget`` (Fashion-MNIST, 10 to 50
    labels) it was the best of the strategies compared. With more labels change to a
    strategy that reads predictions, such as :class:`MarginSampling` or :class:`Badge`.

    The embeddings should separate the classes without any label, as those of a
    self-supervised net do. Compute them first and pass them as ``X``, with
    ``clf=None``. Without a classifier, or with one that has no embeddings, the inputs
    themselves are used.

    Clusters are those of k-means proper. The authors' code takes mini-batches for more
    than 50, which are quicker by scikit-learn, but group less well.

    The utilities are typicalities, one over mean distances, for the cluster that the
    pick is taken from, and 0 elsewhere. Clusters depend on the batch size, so the first
    pick may depend on it, too. With K clusters of N rows a query takes about ``N K D``
    operations an iteration of k-means and at most ``N^2 D`` for neighbours, fewer with
    more clusters; its memory is ``O(N D)``, with utilities ``O(N (D + b))``.

    Parameters
    ----------
    n_neighbors : int, default=20
        Number of neighbours for typicality, at most half the cluster; the paper's
        value.
    normalize : bool, default=True
        Whether to scale embeddings to unit length first, as the paper does.
    max_exact : int, default=30_000
        Clusters of up to that many rows have exact neighbours; those of larger ones are
        sought in groups, which finds most of them.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MaxHerding : Covers the data softly; its picks do not depend on the batch size.
    ProbCover : Covers by balls; very sensitive to their radius.
    UncertaintyHerding : Goes over to uncertainty as labels come in.

    References
    ----------
    .. [1] G. Hacohen, A. Dekel, D. Weinshall. Active Learning on a Budget: Opposite
       Strategies Suit High and Low Budgets. ICML, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import TypiClust
    >>> noise = np.random.default_rng(0).normal(size=(15, 3))
    >>> X = np.repeat(np.eye(3), 5, axis=0) + 0.05 * noise  # three groups of five rows
    >>> strategy = TypiClust(random_state=0)
    >>> picks = strategy.query(X, np.full(15, -1), batch_size=3)
    >>> np.unique(picks // 5)  # one row of each group
    array([0, 1, 2])
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_exact": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
    }

    def __init__(
        self,
        n_neighbors=20,
        normalize=True,
        max_exact=30_000,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_neighbors = n_neighbors
        self.normalize = normalize
        self.max_exact = max_exact

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
            max_exact=self.max_exact,
            with_utilities=pool.with_utilities,
            rows=None if pool.is_foreign else pool.rows_of_data(),
        )
