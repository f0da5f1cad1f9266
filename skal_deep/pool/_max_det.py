"""MaxDet: the most uncertain outputs of a Gaussian model on the gradients."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import Embeds, HasWeightGradients
from skal_deep.functional import max_det
from skal_deep.functional.determinant import noise_variance
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class MaxDet(DeepQueryStrategy):
    """Determinant maximisation (MaxDet), for regression and classification.

    Treats the network as a linear model in the gradients of its weights. Given the
    labelled rows, queries the row whose output is most uncertain, takes it as known,
    and continues [1]_. That greedily maximises the determinant of the posterior
    covariance of the batch, and is BatchBALD for a Gaussian process.

    Use it in regression when the outputs have little noise and extreme rows are
    welcome. Where the pool has outliers, prefer :class:`LCMD`, which looks at how many
    rows a pick stands for.

    The features are ``[h, 1]`` for a regression net, with h the embedding. For a
    classifier, which the paper does not treat, they are the gradient of the loss of the
    most probable label, as in :class:`Badge`. With ``weights="all"`` they are gradients
    of the weights of all linear layers, see LCMD. Gradients longer than ``n_features``
    are sketched by random signs. Without a net that has embeddings the inputs serve as
    h.

    The utilities are variances, in units of the prior variance of a weight. Time
    ``O(p^2 (N + M + b) + b N p)`` for M labelled rows and ``p = n_features``, memory
    ``O(N p + p^2)``, with utilities ``O(N (p + b) + p^2)``.

    Parameters
    ----------
    noise : float, default=1e-6
        Variance of the noise, relative to the mean squared length of the features of
        labelled rows, or of the candidates without them. The paper's default.
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
    LCMD : Covers gradients; the better default for regression.
    Bait : Lowers the uncertainty of the whole pool, not of the batch alone.
    BatchBALD : The same idea for classifiers with posterior draws.

    References
    ----------
    .. [1] D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and
       Benchmark for Deep Batch Active Learning for Regression. JMLR, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skal_deep.pool import MaxDet
    >>> X, y = [[0.0], [1.0], [9.0], [10.0], [4.0]], [0.0] + [np.nan] * 4
    >>> MaxDet(missing_label=np.nan).query(X, y, reg=LinearRegression())
    array([3])
    """

    _works_on_inputs: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="neither")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions({"last", "all"})],
    }

    def __init__(
        self,
        noise=1e-6,
        n_features=512,
        weights="last",
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.noise = noise
        self.n_features = n_features
        self.weights = weights

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        return (Embeds if self.weights == "last" else HasWeightGradients,)

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        features_NP, labeled_MP = pool.features_beside_labeled(
            self.weights, self.n_features
        )
        return max_det(
            features_NP,
            labeled_MP,
            batch_size,
            noise=noise_variance(self.noise, features_NP, labeled_MP),
            with_utilities=pool.with_utilities,
        )
