"""Bait: the batch that makes the last layer best known, by its Fisher information."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import Embeds, PredictsProba
from skal_deep.functional import bait, bait_regression
from skal_deep.functional._design import is_too_large
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class Bait(DeepQueryStrategy):
    """Batch Active learning via Information maTrices (BAIT).

    Queries the batch after which the weights of the last layer are known best, in the
    directions that matter for predictions: it minimises ``tr(M^-1 F)`` with the Fisher
    information F of all rows, and M of the labelled and the queried ones [1]_. Twice as
    many rows as wanted are added greedily, then half of them are removed greedily.

    Use it for nets with few classes and short embeddings, when a principled batch is
    worth more computation than :class:`Badge` takes.

    For C classes and embeddings of size D, the last layer has ``W = (C - 1) D`` free
    weights. Looking at N rows takes ``O(N W^2 + W^3)``
    operations, each pick ``O(N C W + C W^2)``, and memory is ``O(N (C^2 + D) + W^2)``,
    with utilities 2 b N numbers more. So with more than 10,000 weights only the most
    probable class is told from the rest [2]_, which makes ``W = D``. In eight pools of
    400 rows, 10 to 30 classes and 15 or 20 features such a batch lowered the trace by
    77 to 94 % of what the full form did, and random batches by 17 to 47 %.

    With a regressor, ``reg``, the information of a row is that of its features [h, 1]
    in a linear regression, whatever is predicted: the batch makes the mean epistemic
    variance of the whole pool small. ``n_top`` and ``binary`` are for classes.

    The utilities of row t are the amounts that each candidate would take off the trace
    when pick t was added. F is the mean over all rows of ``X``, candidates or not, so
    that a pool may be scored in parts.

    Parameters
    ----------
    regularization : float, default=1.0
        Added to the diagonal of M. The authors take 1, and 0.01 for CIFAR. With a
        regressor it is prior precision times noise.
    weighting : {"official", "paper", "consistent"}, default="official"
        Weights of labelled and new rows in M, for L labelled rows and b new ones.
        ``"official"``, as the authors' code: the mean information of the labelled rows
        has the weight ``L / (L + b)``, each new row ``b / (L + b)``. ``"paper"``: both
        weights are 1. ``"consistent"``: ``L / (L + b)`` and ``1 / (L + b)``, so that M
        is the mean over all labelled rows, old and new.
    n_top : int, default=None
        Number of most probable labels that the information is averaged over [2]_;
        ``None`` is all.
    binary : bool, default=None
        Whether to tell the most probable class from the rest only; ``None`` does so
        with more than 10,000 weights if ``n_top`` is not given. The full form of more
        weights is refused.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    Badge : A cheaper approximation by gradients of the most probable label.
    MaxDet : Minimises the determinant of the posterior, not its trace over the pool.
    BatchBALD : A batch that is informative about the weights, by posterior draws.

    References
    ----------
    .. [1] J. T. Ash, S. Goel, A. Krishnamurthy, S. Kakade. Gone Fishing: Neural
       Active Learning with Fisher Embeddings. NeurIPS, 2021.
    .. [2] D. Huseljic, P. Hahn, M. Herde, L. Rauch, B. Sick. Fast Fishing:
       Approximating Bait for Efficient and Scalable Deep Active Image
       Classification. arXiv:2404.08981, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import Bait
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=20, lr=0.1, train_split=None, verbose=0
    ... )
    >>> Bait(random_state=0).query(X, y, DeepClassifier(net, random_state=0))
    array([2])
    """

    _needs = (PredictsProba, Embeds)
    _needs_of_regressor = (Embeds,)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "weighting": [StrOptions({"official", "paper", "consistent"})],
        "n_top": [Interval(Integral, 1, None, closed="left"), None],
        "binary": ["boolean", None],
    }

    def __init__(
        self,
        regularization=1.0,
        weighting="official",
        n_top=None,
        binary=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.regularization = regularization
        self.weighting = weighting
        self.n_top = n_top
        self.binary = binary

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        if not pool.has_classes:
            return self._select_numbers(pool, batch_size)
        proba_NC, embedding_ND = pool.predict_and_embed()
        labeled = proba_NC[:0], embedding_ND[:0]
        if len(pool.labeled):
            labeled = pool.labeled.predict_and_embed()
        others = pool.unlabeled_beside
        is_binary = self.binary
        if is_binary is None:
            n_weights = (proba_NC.shape[1] - 1) * embedding_ND.shape[1]
            is_binary = self.n_top is None and is_too_large(n_weights)
        return bait(
            proba_NC,
            embedding_ND,
            *labeled,
            batch_size,
            pool=None if others is None else others.predict_and_embed(),
            regularization=self.regularization,
            weighting=self.weighting,
            n_top=self.n_top,
            binary=is_binary,
            with_utilities=pool.with_utilities,
        )

    def _select_numbers(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        """Choose for a regressor, whose information hangs on the features alone."""
        rows_ND, others = pool.features_with_bias(), pool.unlabeled_beside
        return bait_regression(
            rows_ND,
            pool.labeled.features_with_bias() if len(pool.labeled) else rows_ND[:0],
            batch_size,
            pool=None if others is None else others.features_with_bias(),
            regularization=self.regularization,
            weighting=self.weighting,
            with_utilities=pool.with_utilities,
        )
