"""UHerding: rows that cover uncertain regions of the data softly."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional import apply_temperature, margin, max_herding
from skal_deep.functional.neighbors import closest_pair
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._calibration import calibrated_temperature
from skal_deep.pool._features import features, sample_rows
from skal_deep.pool._pool import Pool


class UncertaintyHerding(DeepQueryStrategy):
    """Uncertainty herding (UHerding), for small and large budgets.

    :class:`MaxHerding` in which each row counts by how uncertain its prediction is: one
    minus the margin between its two most probable classes [1]_. The kernel is as wide
    as the distance of the two closest labelled rows. So with few labels it covers the
    data, and with many labels, when the kernel is narrow, it queries the most uncertain
    rows. Without a label all rows count alike.

    Use it when one strategy shall serve from the first label to many. Its time grows
    with the square of the number of rows up to ``max_data`` of them, and linearly then.

    Nets that are fitted to few labels are too confident. So probabilities are
    calibrated first, as in the paper: ``softmax(z / T)`` with the temperature T that
    makes held-out labels most probable [2]_. Which labels are held out is our choice:
    as for :class:`AskNLearn`, a clone of the classifier is fitted without a third of
    the labels of each class, which doubles the time of training. Where no class has two
    labels, ``T = 1``.

    Embeddings are the classifier's, or the inputs where it has none. The utilities are
    gains in weighted coverage, between 0 and 1. Beside the training, picking b of N
    rows takes about ``N^2 D (1 + log b)`` operations and memory ``O(N (C + D))``, with
    utilities ``O(N (C + D + b))``.

    Parameters
    ----------
    bandwidth : float, default=None
        Width of the kernel; ``None`` is the smallest distance between two labelled
        rows that is not 0, as in the paper, and 1 where there is none.
    normalize : bool, default=True
        Whether to scale embeddings to unit length first, as the paper does.
    max_data : int, default=None
        Most rows that are covered. Of a larger pool a uniform sample is, and utilities
        are those for the sample. ``None`` covers all of up to 20,000 rows, and of N
        more 2e8 / N, but at least 2,000, so that a query takes seconds;
        :class:`MaxHerding` has the coverage that this loses.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    MaxHerding : Coverage alone, which needs no classifier.
    Badge : Uncertain and diverse rows, linear in the size of the pool.
    MixedScore : A change from one score to another at a chosen number of labels.

    References
    ----------
    .. [1] W. Bae, D. J. Sutherland, G. L. Oliveira. Uncertainty Herding: One Active
       Learning Method for All Label Budgets. ICLR, 2025.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern
       Neural Networks. ICML, 2017.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import UncertaintyHerding
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> UncertaintyHerding(normalize=False).query(X, y, LogisticRegression())
    array([2])
    """

    _needs = (PredictsProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "bandwidth": [Interval(Real, 0, None, closed="neither"), None],
        "normalize": ["boolean"],
        "max_data": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        bandwidth=None,
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
        n_labeled = len(pool.labeled)
        n_rows = n_labeled + len(pool.unlabeled)
        temperature = calibrated_temperature(pool) if n_labeled else 1.0
        covered = sample_rows(n_rows, self.max_data, pool.generator)
        if n_labeled and len(covered) == n_rows:
            pool.look_at_data()
        points_ND, data_MD = features(pool, self.normalize)
        weights = torch.ones(len(covered))
        if n_labeled:
            proba_MC = pool.predict_data(covered)
            weights = margin(apply_temperature(proba_MC, temperature)[None])
        return max_herding(
            points_ND,
            data_MD[covered],
            data_MD[:n_labeled],
            batch_size,
            bandwidth=self.bandwidth or closest_pair(data_MD[:n_labeled]),
            weights=weights.to(data_MD),
            with_utilities=pool.with_utilities,
        )
