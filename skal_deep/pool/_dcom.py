"""DCoM: cover first, uncertainty once the classifier is competent."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import margin, unit_rows
from skal_deep.functional.competence import (
    competence,
    covered_rows,
    pure_radii,
    uncertain_cover,
)
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import features, radius_by_clusters, sample_rows
from skal_deep.pool._pool import Pool


class DCoM(DeepQueryStrategy):
    """Dynamic Coverage and Margin mix (DCoM).

    Gives each labelled row a ball of its own, as large as its rows are predicted to be
    of one class, and looks at how much of the data these balls cover. While that is
    little, queries the row whose ball newly covers most rows; as it becomes more, the
    row with the smallest margin [1]_.

    Use it when the budget is not known beforehand, from the first labels on.

    Our reading in one place: the paper keeps the radii of earlier rounds and searches
    those of new labels by bisection; here all are found anew, exactly, and no state is
    kept. A ball's largest radius is by default that of :class:`ProbCover`. Embeddings
    are the inputs where the classifier has none. A query takes ``O(N^2 D)`` operations
    for N rows, whatever the batch size, in chunks, and from 20,000 rows on 2e8 D.

    Parameters
    ----------
    radius : float, default=None
        Largest radius of the balls, for embeddings of unit length; ``None`` chooses it
        by the purity of clusters.
    n_classes : int, default=None
        Number of clusters that stand for classes in the choice of the radius; ``None``
        is the number of classes that the classifier predicts.
    midpoint : float, default=0.8
        Coverage at which both criteria count about equally.
    slope : float, default=50.0
        How quickly one takes over from the other.
    max_data : int, default=None
        Most rows that balls are counted over: of more uncovered ones a uniform sample
        is, and as many balls show the largest radius. ``None`` takes all of up to
        20,000 rows, and of N more 2e8 / N, but at least 2,000, and 1,000 balls.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    ProbCover : The cover alone.
    MarginSampling : The margin alone.
    UncertaintyHerding : Goes from one to the other by itself, too.

    References
    ----------
    .. [1] I. Mishal, D. Weinshall. DCoM: Active Learning for All Learners.
       arXiv:2407.01804, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import DCoM
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> DCoM(random_state=0).query(X, y, LogisticRegression(), batch_size=4).shape
    (4,)
    """

    _needs = (PredictsProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "radius": [Interval(Real, 0, None, closed="neither"), None],
        "n_classes": [Interval(Integral, 2, None, closed="left"), None],
        "midpoint": [Interval(Real, 0, 1, closed="both")],
        "slope": [Interval(Real, 0, None, closed="neither")],
        "max_data": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        radius=None,
        n_classes=None,
        midpoint=0.8,
        slope=50.0,
        max_data=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.radius = radius
        self.n_classes = n_classes
        self.midpoint = midpoint
        self.slope = slope
        self.max_data = max_data

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND, data_MD = features(pool, True)
        largest = self.radius or radius_by_clusters(
            "DCoM", pool, data_MD, self.n_classes, max_data=self.max_data
        )
        parts = [rows for rows in (pool.labeled, pool.unlabeled) if len(rows)]
        predicted_M = torch.cat([rows.predict_proba().argmax(1) for rows in parts])
        centers_LD = data_MD[: len(pool.labeled)]
        whole_L = data_MD.new_full((len(centers_LD),), largest)
        is_covered_M = covered_rows(data_MD, centers_LD, whole_L)
        coverage = is_covered_M.double().mean().item()
        # the more is covered, the purer balls must be, as in the authors' code
        radius_L = pure_radii(
            data_MD, predicted_M, len(centers_LD), 0.4 + 0.2 * coverage, largest
        )
        near_M = is_covered_M.nonzero()[:, 0]
        is_covered_M[near_M] = covered_rows(data_MD[near_M], centers_LD, radius_L)
        open_M = (~is_covered_M).nonzero()[:, 0].cpu()
        drawn = sample_rows(len(open_M), self.max_data, pool.generator)
        whole, population = pool.whole(), None
        if whole is not pool:
            theirs_U = margin(whole.predict_proba()[None])
            population = unit_rows(whole.embed()), theirs_U
        return uncertain_cover(
            points_ND,
            margin(pool.predict_proba()[None]),
            data_MD[open_M[drawn]],
            batch_size,
            radius=radius_L.mean().item() if len(radius_L) else largest,
            trust=competence(
                is_covered_M.double().mean().item(), self.midpoint, self.slope
            ),
            population=population,
            with_utilities=pool.with_utilities,
        )
