"""BatchBALD: the joint information of a batch."""

import warnings
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsVariance, SamplesPredictions, SamplesProba
from skal_deep.functional import batch_bald, gaussian_batch_bald
from skal_deep.functional.gaussian_regression import deviations
from skal_deep.functional.joint_entropy import n_informed_picks
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool


class BatchBALD(DeepQueryStrategy):
    """BatchBALD: greedy joint mutual information.

    Builds a batch row by row so that the labels of the whole batch tell as much as
    possible about the weights: ``I(y_1 ... y_b; w)`` in nats [1]_. Unlike the highest
    scores of :class:`BALD`, information that several rows share counts once.

    Use it for small batches, up to about 20, with a posterior of many draws, above all
    where the pool repeats itself. For larger batches ``BALD(selection=Power())`` is
    much faster and often as good.

    S posterior draws can tell at most ``log S`` nats. With small S this is used up
    after a few picks; the rest of the batch then follows the order of BALD, with a
    warning. Take at least ten times as many draws as rows.

    With a regressor, ``reg``, predictions are Gaussian, and the information is ``sum_t
    log det(I + K_t / s_t) / 2`` of the covariance K of the draws of the batch and the
    noise s, for each output t. Two draws a pick are the least.

    Of classes, the joint entropy is exact while there are few configurations of labels;
    after that it is estimated from sampled ones. The utilities of row t are the joint
    information of the picks so far together with each candidate, with a regressor what
    each candidate adds. With utilities, a pick costs ``O(M S C N)`` for M
    configurations; without, upper bounds leave most candidates with a few groups of
    configurations in place of M.

    In pools of more than ``n_exact`` rows, only that many, which are best by BALD and
    to second order, are scored with all configurations after the first pick: it takes
    ``O(S^2 N)`` operations a pick to find them. The utilities of the others are
    estimates then, never above the exact ones. In pools of 3,000 rows of eleven kinds
    100 rows lost less than 0.1 % of the information, but 0.5 % where all rows are
    copies of eight. Memory beside the draws is ``O(S min(S, C) N)``, with utilities b N
    numbers more.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    n_configurations : int, default=2000
        Largest number of label configurations of the batch; the paper uses 40,000.
        Here each stands for more, since it carries the whole posterior that it
        implies, so that fewer do.
    n_exact : int, default=2000
        Number of rows that are scored with all configurations at each pick; none with
        a regressor.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    BALD : The same for one row at a time; with ``Power`` a fast rule for batches.
    ICAL : Another joint criterion, whose cost does not grow with configurations.
    Badge : Diverse batches without a posterior.

    References
    ----------
    .. [1] A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse
       Batch Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import BatchBALD
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> BatchBALD(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _needs_of_regressor = (SamplesPredictions, PredictsVariance)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "n_configurations": [Interval(Integral, 1, None, closed="left")],
        "n_exact": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_samples=None,
        n_configurations=2000,
        n_exact=2000,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.n_configurations = n_configurations
        self.n_exact = n_exact

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        if pool.has_numbers:
            return self._select_numbers(pool, batch_size)
        samples_SNC = pool.sample_proba(self.n_samples)
        picks, utilities = batch_bald(
            samples_SNC,
            batch_size,
            n_configurations=self.n_configurations,
            n_exact=self.n_exact,
            generator=pool.generator,
            with_utilities=pool.with_utilities,
        )
        n_informed = n_informed_picks(utilities, picks, len(samples_SNC))
        if n_informed < batch_size:
            warnings.warn(
                f"{len(samples_SNC)} posterior draws are used up after {n_informed} of "
                f"{batch_size} picks; the others follow the order of BALD. Raise "
                "`n_samples` or lower `batch_size`.",
                stacklevel=3,
            )
        return picks, utilities

    def _select_numbers(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        """Choose for a regressor: the largest determinant of its covariance."""
        samples_SNT = pool.sample_predictions(self.n_samples)
        n_draws = len(samples_SNT)
        if 2 * batch_size > n_draws:
            raise ValueError(
                f"BatchBALD needs two draws a pick: {n_draws} draws cannot tell "
                f"{batch_size} picks apart. Raise `n_samples`, lower `batch_size`, or "
                "use BALD(selection=Power())."
            )
        return gaussian_batch_bald(
            deviations(samples_SNT),
            pool.predict_variance()[1],
            batch_size,
            with_utilities=pool.with_utilities,
        )
