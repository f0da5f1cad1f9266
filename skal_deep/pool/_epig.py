"""EPIG: information about predictions, not weights."""

from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsVariance, SamplesPredictions, SamplesProba
from skal_deep.functional import epig, gaussian_epig, second_order_epig
from skal_deep.functional.gaussian_regression import gaussian_epig_of_draws
from skal_deep.functional.prediction_information import class_weights, with_exact
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._checks import warn_of_few_draws
from skal_deep.pool._pool import Pool
from skal_deep.pool._rows import Rows

# From that many classes on not all rows are scored exactly.
_MANY_CLASSES = 200
# Nor where there are more pairs of a row's and a target's label, of which an exact
# score looks at each: so many take about five seconds.
_MOST_PAIRS = 2**32


class EPIG(ScoreQueryStrategy):
    """Expected Predictive Information Gain (EPIG).

    Queries the rows whose label is expected to tell most about the labels of other
    inputs, the targets: ``mean_* I(y; y_*)`` in nats [1]_. :class:`BALD` also rewards
    information about weights that no target depends on, for instance weights that only
    matter for odd inputs. Scores lie between 0 and those of BALD.

    Use it when the pool holds much that the test data do not, and pass inputs like the
    test data as ``X_target``. With a pool that resembles the test data it has less to
    gain over BALD, and costs more.

    Without ``X_target`` the targets are drawn from the unlabelled rows. Where the
    distribution of their classes is known, pass it as ``target_classes``: targets of
    classes that the drawn ones show too rarely then get more weight. The paper
    estimates the shares of the classes from the pool; here they are estimated from the
    targets themselves.

    With a regressor, ``reg``, it is ``mean_* -log(1 - c^2 / ((v + s)(v_* + s_*))) / 2``
    of the covariance c of the predictions of a row and a target, their epistemic
    variances v and their noise s. Linear models and Gaussian processes know c; others
    tell it by their draws, of which there should be a hundred. For batches take
    :class:`BatchEPIG`: the highest scores are often those of neighbours.

    Scoring N rows against M targets takes ``O(S N M C^2)`` operations. So from 200
    classes on, or where ``N M C^2`` is above 2^32, only the ``n_exact`` rows that are
    best to second order, which has a closed form, are scored exactly. The utilities of
    the others are estimates then, scaled to the exact ones and never above them. Memory
    is that of the targets' draws, ``O(S M C)``, and ``O(N)``: the draws of a large pool
    never exist at once.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    n_targets : int, default=100
        Number of targets to draw, 100 as in the paper. The time grows with it.
    X_target : array-like of shape (n_targets, ...), default=None
        The targets; ``None`` draws them.
    target_classes : array-like of shape (n_classes,), default=None
        Probabilities of the classes among the inputs that matter, in the order of the
        classifier's classes; ``None`` weighs all targets equally.
    n_exact : int, default=30
        Number of rows that are scored exactly where that takes long: from 200 classes
        on, and in large pools. Take three times the size of the batch; with the size of
        the pool all rows are.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    BALD : Information about the weights; needs no targets.
    BatchEPIG : The same for a batch as a whole.
    BatchBALD : A joint criterion for batches.
    ICAL : Dependence of a batch on the rest of the pool, by another measure.

    References
    ----------
    .. [1] F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
       Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import EPIG
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> EPIG(X_target=[[2.7], [3.1]]).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _needs_of_regressor = (SamplesPredictions, PredictsVariance)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
        "X_target": ["array-like", "sparse matrix", None],
        "target_classes": ["array-like", None],
        "n_exact": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_samples=None,
        n_targets=100,
        X_target=None,
        target_classes=None,
        n_exact=30,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.n_targets = n_targets
        self.X_target = X_target
        self.target_classes = target_classes
        self.n_exact = n_exact
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        if self.X_target is None:
            targets = pool.population.draw(self.n_targets, pool.generator)
        else:
            targets = pool.others(self.X_target)
        if pool.has_numbers:
            return self._score_numbers(pool, targets)
        target_SMC = targets.sample_proba(self.n_samples)
        weight_M = None
        if self.target_classes is not None:
            class_C = torch.as_tensor(self.target_classes)
            weight_M = class_weights(target_SMC.mean(0), class_C)
        exact, second_order = (
            partial(kernel, target_samples=target_SMC, target_weights=weight_M)
            for kernel in (epig, second_order_epig)
        )
        _, n_targets, n_classes = target_SMC.shape
        n_pairs = len(pool) * n_targets * n_classes**2
        is_quick = n_classes < _MANY_CLASSES and n_pairs <= _MOST_PAIRS
        if is_quick or len(pool) <= self.n_exact:
            return pool.score_samples(exact, self.n_samples)
        estimate_N = pool.score_samples(second_order, self.n_samples)
        best = estimate_N.topk(self.n_exact).indices
        exact_b = pool.at(best).score_samples(exact, self.n_samples)
        return with_exact(estimate_N, best, exact_b)

    def _score_numbers(self, pool: Pool, targets: Rows) -> Tensor:
        """Return information about what a regressor predicts for the targets."""
        if self.target_classes is not None:
            raise ValueError("EPIG has target_classes for classifiers; `reg` has none.")
        variance_NT, noise_NT = pool.predict_variance()
        target_MT, target_noise_MT = targets.predict_variance()
        covariance_NMT = pool.covariances(targets)
        if covariance_NMT is not None:
            return gaussian_epig(
                covariance_NMT, variance_NT + noise_NT, target_MT + target_noise_MT
            )
        samples_SNT = pool.sample_predictions(self.n_samples)
        warn_of_few_draws("EPIG", len(samples_SNT), stacklevel=5)
        return gaussian_epig_of_draws(
            samples_SNT,
            noise_NT,
            targets.sample_predictions(self.n_samples),
            target_noise_MT,
        )
