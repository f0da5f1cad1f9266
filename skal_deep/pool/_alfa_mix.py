"""ALFA-Mix: rows whose prediction changes when a labelled class is mixed in."""

import math
import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import HasLinearHead
from skal_deep.functional import flipping_mix
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import representatives
from skal_deep.pool._pool import Pool

# The bound is raised at most to that many times its first value, as by the authors.
_MOST_RAISES = 5


class AlfaMix(DeepQueryStrategy):
    """Active Learning by Feature Mixing (ALFA-Mix).

    Mixes the embedding of a row with the mean embedding of each labelled class, in the
    direction that raises the loss of the predicted label most. If a small amount of
    mixing changes the predicted class, the row has features that the model has not
    learnt yet. Such rows are grouped by k-means on embeddings of unit length, one
    cluster for each label, and the row closest to each cluster centre is queried [1]_.

    Use it for batches of ten or more from a net, or from a linear classifier on
    embeddings, when the batch should be both uncertain and diverse. It needs labels:
    without any, it only groups the rows, and a warning says so.

    The best mixture has a closed form. For a linear last layer, so has the smallest
    amount that changes a prediction, so that nothing has to be mixed. The bound of the
    amount is ``epsilon / sqrt(D)`` for embeddings of D features. While no more rows
    change than labels are wanted, the bound is raised in steps of its size, up to five
    times, as in the authors' code. Rows that do not change come last, those closest to
    a centre first; the authors draw them at random.

    The utilities of row t are minus the distances to centre t, less 2 for rows that do
    not change. The centres depend on the batch size, so the first pick may depend on
    it, too. Finding the rows takes ``O(N C (C + D))`` operations, grouping them ``O(N b
    D)`` an iteration; memory is ``O(N (C + D))``, with utilities ``O(N (C + D + b))``.

    Parameters
    ----------
    epsilon : float, default=0.2
        First bound of the amount of mixing, times the square root of the number of
        features; the authors' value.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    DropQuery : Also queries fragile predictions; it drops features at random.
    Badge : Draws uncertain and diverse rows by their gradients; no clustering.
    Clue : Clusters all rows, weighted by their entropy.

    References
    ----------
    .. [1] A. Parvaneh, E. Abbasnejad, D. Teney, R. Haffari, A. van den Hengel, J. Q.
       Shi. Active Learning by Feature Mixing. CVPR, 2022.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import AlfaMix
    >>> X = [[-2.0, 1.0], [-1.5, 1.0], [0.1, 1.0], [1.5, 1.0], [2.0, 1.0]]
    >>> y = [0, -1, -1, -1, 1]
    >>> AlfaMix(random_state=0).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (HasLinearHead,)
    _does_without_labels: ClassVar[bool] = True
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, epsilon=0.2, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.epsilon = epsilon

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        rows_ND, rows_UD = pool.embed(), pool.population.embed()
        flips_N, flips_U = (
            torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
            for rows in (rows_ND, rows_UD)
        )
        if len(pool.labeled):
            rows_LD, y_L = pool.labeled.embed(), pool.y_labeled
            anchors_KD = torch.stack(
                [rows_LD[np.flatnonzero(y_L == c)].mean(0) for c in np.unique(y_L)]
            )
            head = pool.linear_head()
            epsilon_N, epsilon_U = (
                flipping_mix(rows, anchors_KD, *head) for rows in (rows_ND, rows_UD)
            )
            for raises in range(1, _MOST_RAISES + 1):
                bound = raises * self.epsilon / math.sqrt(rows_ND.shape[1])
                flips_N, flips_U = epsilon_N < bound, epsilon_U < bound
                if flips_U.sum() > batch_size:
                    break
        else:
            warnings.warn(
                "AlfaMix mixes in the means of labelled classes; without any it groups "
                "all rows.",
                stacklevel=3,
            )
        return representatives(pool, flips_N, flips_U, batch_size)
