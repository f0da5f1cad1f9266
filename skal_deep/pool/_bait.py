"""Bait: designs for the last layer."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import Embeds, PredictsProba
from skal_deep.functional import bait
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class Bait(DeepQueryStrategy):
    """Batch Active learning via Information maTrices (BAIT).

    Asks for the batch after which the weights of the last layer are known best where
    it matters for predictions: it minimises ``tr(M^-1 F)`` with the Fisher
    information F of all rows and M of the labelled and asked ones [1]_. Twice as many
    rows as wanted are added greedily, then half of them removed greedily.

    For C classes and embeddings of size D, the last layer has ``W = (C - 1) D`` free
    weights, of which up to 10,000 are taken. Looking at N rows takes ``O(N W^2 + W^3)``
    operations, each pick ``O(N C W + C W^2)``, and memory is ``O(N (C^2 + D) + W^2)``,
    with utilities 2 b N numbers more.
    For more weights use ``binary=True``, which tells the most probable class from the
    rest [2]_, so that ``W = D``.

    The utilities of row t are what each candidate would take off the trace when pick t
    was added. F is the mean over all rows of ``X``, candidates or not, so that a pool
    may be scored in parts.

    Parameters
    ----------
    regularization : float, default=1.0
        Added to the diagonal of M. The authors take 1, and 0.01 for CIFAR.
    weighting : {"official", "paper", "consistent"}, default="official"
        How labelled and new rows count in M. For M labelled rows and b new ones, the
        mean information of the labelled ones counts ``M / (M + b)`` and each new one
        ``b / (M + b)`` in the authors' code, ``1`` and ``1`` in the paper; and
        ``M / (M + b)`` and ``1 / (M + b)`` where M is the mean over all labelled rows.
    n_top : int, default=None
        Number of most probable labels that the information is averaged over [2]_;
        ``None`` is all.
    binary : bool, default=False
        Whether to tell the most probable class from the rest only.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    References
    ----------
    .. [1] J. T. Ash, S. Goel, A. Krishnamurthy, S. Kakade. Gone Fishing: Neural
       Active Learning with Fisher Embeddings. NeurIPS, 2021.
    .. [2] D. Huseljic, P. Hahn, M. Herde, L. Rauch, B. Sick. Fast Fishing:
       Approximating Bait for Efficient and Scalable Deep Active Image
       Classification. arXiv:2404.08981, 2024.
    """

    _needs = (PredictsProba, Embeds)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "regularization": [Interval(Real, 0, None, closed="neither")],
        "weighting": [StrOptions({"official", "paper", "consistent"})],
        "n_top": [Interval(Integral, 1, None, closed="left"), None],
        "binary": ["boolean"],
    }

    def __init__(
        self,
        regularization=1.0,
        weighting="official",
        n_top=None,
        binary=False,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.regularization = regularization
        self.weighting = weighting
        self.n_top = n_top
        self.binary = binary

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        proba_NC, embedding_ND = pool.predict_and_embed()
        labeled = proba_NC[:0], embedding_ND[:0]
        if len(pool.labeled):
            labeled = pool.labeled.predict_and_embed()
        others = pool.unlabeled_beside
        return bait(
            proba_NC,
            embedding_ND,
            *labeled,
            batch_size,
            pool=None if others is None else others.predict_and_embed(),
            regularization=self.regularization,
            weighting=self.weighting,
            n_top=self.n_top,
            binary=self.binary,
            with_utilities=pool.with_utilities,
        )
