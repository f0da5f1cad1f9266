"""MaxHerding: rows that raise a soft coverage of the data most."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import max_herding
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import features, sample_rows
from skal_deep.pool._pool import Pool


class MaxHerding(DeepQueryStrategy):
    """MaxHerding: greedy generalised coverage, for the first few labels.

    A labelled row covers another row by ``exp(-d^2 / bandwidth^2)``, with d the
    distance of their embeddings. Queries, one after another, the row that raises the
    mean coverage of all rows most [1]_. It is :class:`ProbCover` with soft balls, and
    depends less on their width. The coverage that a batch adds is at least 1 - 1/e of
    the best possible.

    Use it for the first few labels a class, with good embeddings and no label needed.
    In ``python -m benchmarks low-budget`` (Fashion-MNIST, 10 to 50 labels) it was above
    random sampling and a little below :class:`TypiClust`. With more labels, strategies
    that read predictions take over.

    The embeddings should separate the classes without any label, as those of a
    self-supervised net do. Compute them first and pass them as ``X``, with
    ``clf=None``. Without a classifier, or with one that has no embeddings, the inputs
    themselves are used.

    The utilities are exact gains in coverage, between 0 and 1. Rows that are no
    candidates count as rows to cover. Picking b of N rows takes about ``N^2 D (1 + log
    b)`` operations and memory ``O(N D)``, with utilities ``O(N (D + b))``, where
    scikit-activeml's keeps an N x N matrix.

    Parameters
    ----------
    bandwidth : float, default=1.0
        Width of the kernel; the paper's value for embeddings of unit length.
    normalize : bool, default=True
        Whether to scale embeddings to unit length first, as the paper does.
    max_data : int, default=None
        Most rows that are covered. Of a larger pool a uniform sample is, and utilities
        are those for the sample. ``None`` covers all of up to 20,000 rows, and of N
        more 2e8 / N, but at least 2,000, so that a query takes seconds; covering
        3,000 of 12,000 rows in place of all lost 0.2 to 1.6 % of the coverage, and
        2,000 of 60,000 in place of 20,000 0.4 to 1.4 %.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    UncertaintyHerding : Weighs rows by uncertainty, for more labels.
    TypiClust : Picks a typical row of each cluster; faster on large pools.
    ProbCover : Hard balls, very sensitive to their radius.

    References
    ----------
    .. [1] W. Bae, J. Noh, D. J. Sutherland. Generalized Coverage for More Robust
       Low-Budget Active Learning. ECCV, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import MaxHerding
    >>> noise = np.random.default_rng(0).normal(size=(15, 3))
    >>> X = np.repeat(np.eye(3), 5, axis=0) + 0.05 * noise  # three groups of five rows
    >>> strategy = MaxHerding(random_state=0)
    >>> picks = strategy.query(X, np.full(15, -1), batch_size=3)
    >>> np.unique(picks // 5)  # one row of each group
    array([0, 1, 2])
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither")],
        "normalize": ["boolean"],
        "max_data": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        bandwidth=1.0,
        normalize=True,
        max_data=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.bandwidth = bandwidth
        self.normalize = normalize
        self.max_data = max_data

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND, data_MD = features(pool, self.normalize)
        centers_LD = data_MD[: len(pool.labeled)]
        covered = sample_rows(len(data_MD), self.max_data, pool.generator)
        return max_herding(
            points_ND,
            data_MD[covered],
            centers_LD,
            batch_size,
            bandwidth=self.bandwidth,
            with_utilities=pool.with_utilities,
        )
