"""Falcun: uncertain predictions that differ from each other."""

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import falcun, margin
from skal_deep.functional.falcun_sampling import log_relevance
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class Falcun(DeepQueryStrategy):
    """Fast Active Learning by Contrastive UNcertainty (FALCUN).

    Draws rows whose prediction is uncertain and unlike the predictions of the picks
    before: with probability proportional to ``(d' + u) ** gamma``. Here u is one minus
    the margin of the two most probable classes, and d' the smallest ``sum_c |p_c -
    q_c|`` to a pick, scaled to 0 ... 1 over what is left [1]_.

    Use it for batches when queries must be fast, or when there are no embeddings: it
    looks at probabilities alone. With two classes, predictions can hardly differ in
    more than their uncertainty, and it adds little to :class:`MarginSampling`.

    scikit-activeml's version scales again a distance that it has scaled before; here,
    as in the authors' code, the distances stay unscaled from pick to pick. Picking b of
    N rows takes ``O(b N C)`` operations and memory ``O(N C)``, with utilities ``O(N (C
    + b))``.

    The utilities are the probabilities of each draw. For candidates given as inputs,
    row 0 is relative to the unlabelled rows of ``X``, so that a pool may be scored in
    parts.

    Parameters
    ----------
    gamma : float, default=10.0
        0 is random sampling; the larger, the closer to the highest sum. The authors'
        value.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MarginSampling : The same uncertainty without diversity.
    Badge : Also uses embeddings for what is diverse.
    Power : Draws by one score, whatever the other picks are.

    References
    ----------
    .. [1] S. Gilhuber, A. Beer, Y. Ma, T. Seidl. FALCUN: A Simple and Efficient Deep
       Active Learning Strategy. ECML PKDD, 2024.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import Falcun
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> Falcun(random_state=0).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, gamma=10.0, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.gamma = gamma

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        proba_NC = pool.predict_proba()
        picks, utilities = falcun(
            proba_NC,
            batch_size,
            gamma=self.gamma,
            generator=pool.generator,
            with_utilities=pool.with_utilities,
        )
        if pool.with_utilities and pool.is_foreign and pool.unlabeled_beside:
            u_N, u_U = (
                margin(rows.predict_proba().double()[None])
                for rows in (pool, pool.unlabeled)
            )
            log_N, log_U = (
                log_relevance(u, u, u_U.min(), u_U.max(), self.gamma)
                for u in (u_N, u_U)
            )
            if log_U.isfinite().any():
                utilities[0] = (log_N - log_U.logsumexp(0)).exp()
        return picks, utilities
