"""Joint label propagation: rows that labels reach least along a graph."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import cosine_graph, propagate_labels
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class JointLabelPropagation(DeepQueryStrategy):
    """Joint label propagation (jLP): core-set selection along the data.

    Lets all labels together, whatever their classes, propagate over a graph of nearest
    neighbours. Queries, one after another, the row that they reach least; each pick
    propagates, too [1]_. It covers the data as :class:`CoreSet` does, but along paths
    through the data in place of straight lines. Without a label the first pick is the
    row that all rows together reach most. Without a classifier, or with one that has no
    embeddings, the inputs themselves are used.

    Use it for diverse batches when the classes lie on curved or elongated clusters, and
    the pool is small enough for a graph. Like CoreSet it does not look at predictions.

    The utilities are minus the amount that reaches a row. Candidates that are given as
    inputs stand for the nearest row of ``X``. Finding neighbours of N rows takes
    ``O(N^2 D)`` operations in chunks; each pick takes some hundred steps of conjugate
    gradients of ``O(N k)``, and memory is ``O(N (D + k))``, with utilities ``O(N (D + k
    + b))``.

    Parameters
    ----------
    n_neighbors : int, default=50
        Number of neighbours k in the graph; the authors' value.
    alpha : float, default=0.99
        How far labels reach, below 1; the authors' value.
    max_exact : int, default=30_000
        Up to that many rows have exact neighbours, for N^2 D operations; those of more
        are sought in six groups, which finds most of them, and what reaches rows is
        found to a residual of 1e-4 in place of 1e-8. What that loses is told by
        :func:`~skal_deep.functional.cosine_graph` and
        :func:`~skal_deep.functional.propagate_labels`.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    CoreSet : Distances in straight lines; faster.
    DiffusionAL : Also looks where labels of different classes meet.
    MaxHerding : Covers the bulk of the data, for the first labels.

    References
    ----------
    .. [1] O. Siméoni, M. Budnik, Y. Avrithis, G. Gravier. Rethinking Deep Active
       Learning: Using Unlabeled Data at Model Training. ICPR, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import JointLabelPropagation
    >>> noise = np.random.default_rng(0).normal(size=(15, 3))
    >>> X = np.repeat(np.eye(3), 5, axis=0) + 0.05 * noise  # three groups of five rows
    >>> strategy = JointLabelPropagation(n_neighbors=4, random_state=0)
    >>> picks = strategy.query(X, np.full(15, -1), batch_size=3)
    >>> np.unique(picks // 5)  # one row of each group
    array([0, 1, 2])
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_exact": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        n_neighbors=50,
        alpha=0.99,
        max_exact=30_000,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.max_exact = max_exact

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        return propagate_labels(
            cosine_graph(pool.embed_data(), self.n_neighbors, max_exact=self.max_exact),
            torch.arange(len(pool.labeled)),
            pool.rows_of_data(),
            batch_size,
            alpha=self.alpha,
            max_exact=self.max_exact,
            with_utilities=pool.with_utilities,
        )
