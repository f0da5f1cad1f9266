"""ProbCover: balls that hold as much of the data as possible."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import prob_cover
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import features, radius_by_clusters, sample_rows
from skal_deep.pool._pool import Pool


class ProbCover(DeepQueryStrategy):
    """Probability coverage (ProbCover), for the first few labels.

    Covers as many rows as possible by balls of one radius around the labelled rows.
    Queries, one after another, the row whose ball holds most rows that no ball holds
    yet [1]_. The coverage that a batch adds is at least 1 - 1/e of the best possible.

    Use it for the first few labels a class when the right radius is known; otherwise
    use :class:`TypiClust` or :class:`MaxHerding`. It is very sensitive to the radius.
    In ``python -m benchmarks low-budget`` (Fashion-MNIST, 10 to 50 labels) it was below
    random sampling with the radius that the paper's rule gives.

    By default the radius is the largest at which 95 % of the balls are pure, that is,
    hold rows of one cluster only, with as many clusters as classes. The paper searches
    a grid for it; here it is exact. Where embeddings do not separate the classes well,
    that radius is too small or too large to help.

    The embeddings should separate the classes without any label, as those of a
    self-supervised net do. Compute them first and pass them as ``X``, with
    ``clf=None``. Without a classifier, or with one that has no embeddings, the inputs
    themselves are used.

    The utilities are numbers of rows that a pick would newly cover. Rows that are no
    candidates count as rows to cover. A query takes ``O(N^2 D)`` operations for N rows,
    whatever the batch size, and memory ``O(N D)``, with utilities ``O(N (D + b))``: no
    graph is stored.

    Parameters
    ----------
    radius : float, default=None
        Radius of the balls, in units of the embeddings; ``None`` chooses it by purity.
    n_classes : int, default=None
        Number of clusters that stand for classes in the choice of the radius;
        ``None`` is the number of classes that the classifier predicts, or that are
        labelled where there is none. Where that is less than 2, it is 2, and a warning
        says so.
    purity : float, default=0.95
        Smallest share of pure balls; the paper's.
    normalize : bool, default=True
        Whether to scale embeddings to unit length first, as the paper does.
    max_data : int, default=None
        Most rows that are covered. Of a larger pool a uniform sample is, and utilities
        are those for the sample. ``None`` covers all of up to 20,000 rows, and of N
        more 2e8 / N, but at least 2,000, so that a query takes seconds; 1,000
        balls show the radius then. Covering 3,000 of 12,000 rows in place of all lost
        7 % of the coverage.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MaxHerding : Soft balls, whose width matters less.
    TypiClust : Needs no radius.
    CoreSet : Covers all rows, outliers included.

    References
    ----------
    .. [1] O. Yehuda, A. Dekel, G. Hacohen, D. Weinshall. Active Learning Through a
       Covering Lens. NeurIPS, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import ProbCover
    >>> noise = np.random.default_rng(0).normal(size=(15, 3))
    >>> X = np.repeat(np.eye(3), 5, axis=0) + 0.05 * noise  # three groups of five rows
    >>> strategy = ProbCover(n_classes=3, random_state=0)
    >>> picks = strategy.query(X, np.full(15, -1), batch_size=3)
    >>> np.unique(picks // 5)  # one row of each group
    array([0, 1, 2])
    """

    _needs = (Embeds,)
    _works_on_inputs: ClassVar[bool] = True
    _reads_classes: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "radius": [Interval(Real, 0, None, closed="neither"), None],
        "n_classes": [Interval(Integral, 2, None, closed="left"), None],
        "purity": [Interval(Real, 0, 1, closed="right")],
        "normalize": ["boolean"],
        "max_data": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        radius=None,
        n_classes=None,
        purity=0.95,
        normalize=True,
        max_data=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.radius = radius
        self.n_classes = n_classes
        self.purity = purity
        self.normalize = normalize
        self.max_data = max_data

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        points_ND, data_MD = features(pool, self.normalize)
        radius = self.radius
        if radius is None:
            radius = radius_by_clusters(
                "ProbCover", pool, data_MD, self.n_classes, self.purity, self.max_data
            )
        centers_LD = data_MD[: len(pool.labeled)]
        covered = sample_rows(len(data_MD), self.max_data, pool.generator)
        return prob_cover(
            points_ND,
            data_MD[covered],
            centers_LD,
            batch_size,
            radius=radius,
            with_utilities=pool.with_utilities,
        )
