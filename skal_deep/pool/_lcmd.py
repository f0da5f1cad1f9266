"""LCMD: cover the gradients, with more picks in dense regions."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import Embeds, HasWeightGradients
from skal_deep.functional import lcmd
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class LCMD(DeepQueryStrategy):
    """Largest Cluster Maximum Distance (LCMD), for regression and classification.

    Each unlabelled row belongs to the nearest labelled or already picked row, which
    makes clusters. The pick is the farthest row of the cluster with the largest sum of
    squared distances [1]_. So dense regions get more labels than with :class:`CoreSet`.
    Without a labelled row the first pick is the row with the largest features.

    Use it as the default for batches in regression: it was the best method of the
    comparison in [1]_. For classification it is untested by that paper.

    Distances are those of gradients of the last layer: ``[h, 1]`` for a regression net,
    with h the embedding, which is the paper's last-layer kernel. For a classifier it is
    the gradient of the loss of the most probable label, as in :class:`Badge`, for
    labelled rows too. Gradients longer than ``n_features`` are sketched by random
    signs. Without a net that has embeddings the inputs serve as h.

    With ``weights="all"`` the gradients are those of the weights and biases of all
    linear layers: the paper's full gradient kernel, which it found best with sketches
    of 512 features. Other layers, such as convolutions, are left out. The paper's nets
    use the NTK parametrisation, which weighs layers differently; here they are weighed
    as the net has them.

    The utilities are squared distances in the largest cluster, and 0 elsewhere. Time
    ``O(N p (M + b))`` for M labelled rows and ``p = n_features``; for gradients of all
    layers one backward pass more, and ``O(N p)`` for each unit of each layer; memory
    ``O(N p)``, with utilities ``O(N (p + b))``. Clusters are those of all unlabelled
    rows of ``X``, candidates or not, so that a pool may be scored in parts.

    Parameters
    ----------
    n_features : int, default=512
        Largest length of the features, as in the paper; longer ones are sketched.
    weights : {"last", "all"}, default="last"
        Whose gradient: of the last layer, or of all linear layers.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MaxDet : Picks the most uncertain output of a Gaussian model on the gradients.
    CoreSet : Distances of embeddings; covers sparse regions as densely.
    Badge : Draws by gradients at random; classification only.

    References
    ----------
    .. [1] D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and
       Benchmark for Deep Batch Active Learning for Regression. JMLR, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skal_deep.pool import LCMD
    >>> X, y = [[0.0], [1.0], [9.0], [10.0], [4.0]], [0.0] + [np.nan] * 4
    >>> LCMD(missing_label=np.nan).query(X, y, reg=LinearRegression(), batch_size=2)
    array([3, 4])
    """

    _works_on_inputs: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions({"last", "all"})],
    }

    def __init__(
        self, n_features=512, weights="last", missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_features = n_features
        self.weights = weights

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        return (Embeds if self.weights == "last" else HasWeightGradients,)

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        features_NP, centers_MP = pool.features_beside_labeled(
            self.weights, self.n_features
        )
        mass_UP, others = None, pool.unlabeled_beside
        if others is not None:
            mass_UP = others.gradient_features(self.weights, self.n_features)
        return lcmd(
            features_NP,
            centers_MP,
            batch_size,
            mass=mass_UP,
            with_utilities=pool.with_utilities,
        )
