"""CoreMSE: the expected change of the predictions for other inputs."""

from functools import partial
from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import core_mse
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class CoreMSE(ScoreQueryStrategy):
    """Bayesian estimate of mean proper scores, with the squared error (BEMPS CoreMSE).

    Asks for the rows whose label is expected to change the mean predictions for other
    unlabelled rows most, in squared distance: by how much the Brier score is expected
    to fall [1]_. With the logarithmic score in its place it is :class:`EPIG`. Use it
    where the classifier's posterior has a moderate number of draws and calibrated
    probabilities matter.

    Scores are computed without training again, by Bayes' weights of the posterior
    draws. The official code weighs draws alike after a label; here the paper's rule is
    used. Scoring N rows against M targets with S draws takes ``O(S^2 (N + M) C)``
    operations.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    n_targets : int, default=300
        Number of unlabelled rows to draw as targets, as in the paper's experiments.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    EPIG : The same with the logarithmic score.
    BatchEPIG : A batch that is chosen as a whole.

    References
    ----------
    .. [1] W. Tan, L. Du, W. Buntine. Diversity Enhanced Active Learning with Strictly
       Proper Scoring Rules. NeurIPS, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import CoreMSE
    >>> X = np.linspace(0, 1, 30)[:, None]
    >>> y = np.full(30, -1)
    >>> y[[0, 5, 25, 29]] = 0, 0, 1, 1
    >>> CoreMSE(random_state=0).query(X, y, RandomForestClassifier(20)).shape
    (1,)
    """

    _needs = (SamplesProba,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_samples=None,
        n_targets=300,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.n_targets = n_targets
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        targets = pool.population.draw(self.n_targets, pool.generator)
        kernel = partial(core_mse, target_samples=targets.sample_proba(self.n_samples))
        return pool.score_samples(kernel, self.n_samples)
