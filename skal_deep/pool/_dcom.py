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

# Of more rows than that, coverage and radii are those of a sample of so many rows, and
# so many rows show the largest radius and count for balls as make so many pairs with
# all, but no fewer than that.
_MOST_ROWS, _N_SEEN, _MOST_PAIRS, _LEAST_ROWS = 20_000, 10_000, 100_000_000, 1_000


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
    for N rows, whatever the batch size, in chunks, and from 20,000 rows on 1e8 D.

    Of more than 20,000 rows, coverage and radii are those of a sample of 10,000, unless
    ``max_data`` is given. Balls of 0.3 to 0.5 around labels and 50 picks then held, on
    average, 6 to 7 % less of 40,000 rows in clusters than with all seen and twice as
    many counted, and of 100,000 rows those of 0.4 and 0.5 held 7 to 9 % less.

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
        20,000 rows, and of N more 1e8 / N, but at least 1,000.
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
        pool.look_at_data()
        points_ND, data_MD = features(pool, True)
        n_labeled, max_data = len(pool.labeled), self.max_data
        is_part = max_data is None and len(data_MD) > _MOST_ROWS
        if is_part:
            max_data = max(_LEAST_ROWS, _MOST_PAIRS // len(data_MD))
        largest = self.radius or radius_by_clusters(
            "DCoM", pool, data_MD, self.n_classes, max_data=max_data
        )
        parts = [rows for rows in (pool.labeled, pool.unlabeled) if len(rows)]
        predicted_M = torch.cat([rows.predict_proba().argmax(1) for rows in parts])
        source = pool.generator if is_part else None
        seen_SD, is_covered_S, radius_L = _balls(
            data_MD, predicted_M, n_labeled, largest, source
        )
        open_S = (~is_covered_S).nonzero()[:, 0].cpu()
        drawn = sample_rows(len(open_S), max_data, pool.generator)
        whole, population = pool.whole(), None
        if whole is not pool:
            theirs_U = margin(whole.predict_proba()[None])
            population = unit_rows(whole.embed()), theirs_U
        return uncertain_cover(
            points_ND,
            margin(pool.predict_proba()[None]),
            seen_SD[open_S[drawn]],
            batch_size,
            radius=radius_L.mean().item() if len(radius_L) else largest,
            trust=competence(
                is_covered_S.double().mean().item(), self.midpoint, self.slope
            ),
            population=population,
            with_utilities=pool.with_utilities,
        )


def _balls(
    data_MD: Tensor,
    predicted_M: Tensor,
    n_labeled: int,
    largest: float,
    source: torch.Generator | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, which of them balls around labelled ones cover, and the radii.

    The rows are the data or, with a source, some drawn ones; labelled ones come first
    in the data, and all of them have balls.
    """
    seen_SD, centers_LD = data_MD, data_MD[:n_labeled]
    if source is not None:
        seen = sample_rows(len(data_MD), _N_SEEN, source)
        seen_SD = data_MD[seen]
        around = torch.cat([torch.arange(n_labeled), seen[seen >= n_labeled]])
        data_MD, predicted_M = data_MD[around], predicted_M[around]
    whole_L = data_MD.new_full((n_labeled,), largest)
    is_covered_S = covered_rows(seen_SD, centers_LD, whole_L)
    coverage = is_covered_S.double().mean().item()
    # the more is covered, the purer balls must be, as in the authors' code
    purity = 0.4 + 0.2 * coverage
    radius_L = pure_radii(data_MD, predicted_M, n_labeled, purity, largest)
    near_S = is_covered_S.nonzero()[:, 0]
    is_covered_S[near_S] = covered_rows(seen_SD[near_S], centers_LD, radius_L)
    return seen_SD, is_covered_S, radius_L
