"""DropQuery: predictions that change when features are dropped."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import HasLinearHead
from skal_deep.functional import disagreements
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import representatives
from skal_deep.pool._pool import Pool

# While fewer rows than that for each label change, fewer changes do; as the authors.
_ROWS_PER_PICK = 25


class DropQuery(DeepQueryStrategy):
    """DropQuery: predictions that change when features are dropped.

    Drops features of the embedding at random, several times, and finds the rows whose
    prediction changes in most of these trials. Such rows are grouped by k-means on
    embeddings of unit length, one cluster for each label, and the row closest to each
    cluster centre is queried [1]_.

    Use it for linear classifiers on the embeddings of a foundation model, for which it
    was made: pass the embeddings as ``X`` and, for instance, a ``LogisticRegression``.
    Where a row has few features, dropping most of them is no small change.

    Unlike scikit-activeml's, it drops features of the embedding, not of the input,
    divides the kept ones by one minus the rate, and has seeded clusters. Each mask is
    shared by all rows, so that a row's answer does not depend on the other rows; the
    authors draw one for each row. While fewer than 25 rows for each wanted label change
    in most masks, rows that change in fewer masks count too, as in the authors' code.
    Other rows come last, those closest to a centre first; the authors draw them at
    random.

    The utilities of row t are minus the distances to centre t, less 2 for rows that do
    not change. The centres depend on the batch size, so the first pick may depend on
    it, too. Finding the rows takes ``O(M N C D)`` operations for M masks, grouping them
    ``O(N b D)`` an iteration; memory is ``O(N (C + D))``, with utilities ``O(N (C + D +
    b))``. If more than 20,000 rows change, a sample of 10,000 is grouped, and the
    centres then move to the means of all of them.

    Parameters
    ----------
    n_masks : int, default=3
        Number of masks; the paper's value.
    rate : float, default=0.75
        Probability of dropping a feature; the paper's value.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    AlfaMix : Changes predictions by mixing in labelled classes, not at random.
    BALD : Disagreement of whole networks under dropout.
    Clue : Clusters all rows, weighted by their entropy.

    References
    ----------
    .. [1] S. R. Gupte, J. Aklilu, J. J. Nirschl, S. Yeung-Levy. Revisiting Active
       Learning in the Era of Vision Foundation Models. TMLR, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import DropQuery
    >>> ones, mixed = np.ones(32), np.tile([1.2, -1.0], 16)
    >>> X = np.array([-ones, ones, -0.9 * ones, mixed, 0.9 * ones])
    >>> y = [0, 1, -1, -1, -1]
    >>> DropQuery(random_state=0).query(X, y, LogisticRegression())
    array([3])
    """

    _needs = (HasLinearHead,)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_masks": [Interval(Integral, 1, None, closed="left")],
        "rate": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, n_masks=3, rate=0.75, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_masks = n_masks
        self.rate = rate

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        rows_ND, rows_UD = pool.embed(), pool.population.embed()
        shape = (self.n_masks, 1, rows_ND.shape[1])
        kept_M1D = torch.rand(shape, generator=pool.generator) >= self.rate
        head = pool.linear_head()
        kept_M1D = kept_M1D.to(rows_ND.device)
        changes_N = changes_U = disagreements(rows_ND, *head, kept_M1D, self.rate)
        if rows_UD is not rows_ND:
            changes_U = disagreements(rows_UD, *head, kept_M1D, self.rate)
        enough = self.n_masks // 2 + 1
        while enough > 1 and (changes_U >= enough).sum() < _ROWS_PER_PICK * batch_size:
            enough -= 1
        return representatives(
            pool, changes_N >= enough, changes_U >= enough, batch_size
        )
