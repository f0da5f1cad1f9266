"""ICAL: a batch whose predictions depend most on those of the pool."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import ical
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class ICAL(DeepQueryStrategy):
    """Information Condensing Active Learning (ICAL).

    Builds a batch row by row so that the predictions for the batch depend as much as
    possible on the predictions for the rest of the pool. Dependence, over posterior
    draws, is measured by the Hilbert-Schmidt independence criterion between the batch
    and a set of random unlabelled rows, another set for each pick [1]_.

    Use it with a posterior of many draws for batches that are too large for
    :class:`BatchBALD`, that is, larger than about 20. With few draws the measured
    dependence is noisy.

    The paper draws labels from the predictions; here the predicted probabilities are
    used themselves, which leaves out the noise of the draw. Plain ICAL spreads a batch
    only by the new random rows of each pick. With ``n_probes`` it is ICAL-pointwise,
    which gives low scores to rows that do not raise the dependence of the batch on
    single random rows.

    The utilities are dependences. Sixteen picks of N rows take ``O(S^2 N C)``
    operations with S draws, and a pick with ``n_probes`` probes ``O(S N C^2 n_probes)``
    more; memory is ``O(S N C)``, with utilities ``O(N (S C + b))``.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    n_condense : int, default=200
        Number of random rows that a pick is to depend on, 200 as in the paper.
    n_probes : int, default=None
        Number of single random rows of ICAL-pointwise, 20 in the paper; ``None`` is
        plain ICAL.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    BatchBALD : Joint information about the weights; for small batches.
    EPIG : Information about other predictions, row by row.
    BALD : With ``Power`` the cheapest batch from a posterior.

    References
    ----------
    .. [1] S. Jain, G. Liu, D. Gifford. Information Condensing Active Learning.
       arXiv:2002.07916, 2020.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import ICAL
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> ICAL(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "n_condense": [Interval(Integral, 1, None, closed="left")],
        "n_probes": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_samples=None,
        n_condense=200,
        n_probes=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.n_condense = n_condense
        self.n_probes = n_probes

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        def others(n_rows: int) -> Tensor:
            rows = pool.population.draw(n_rows, pool.generator)
            return rows.sample_proba(self.n_samples)

        samples_SNC = pool.sample_proba(self.n_samples)
        return ical(
            samples_SNC,
            others,
            batch_size,
            n_condense=self.n_condense,
            n_probes=self.n_probes,
            with_utilities=pool.with_utilities,
        )
