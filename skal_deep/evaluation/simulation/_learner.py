"""Simulated active learning on data whose labels are known."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from skactiveml.base import QueryStrategy
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
)
from sklearn.utils import RegressorTags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation.simulation._first_labels import warn_of_first_rows
from skal_deep.evaluation.simulation._interrupts import interrupts_leave
from skal_deep.evaluation.simulation._loop import play
from skal_deep.evaluation.simulation._rules import settled
from skal_deep.evaluation.simulation._start import GivenData, start_of
from skal_deep.evaluation.statistics._curves import area_under_curve
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import n_columns
from skal_deep.rows._label_array import label_array, warn_of_look_alikes
from skal_deep.rows._lent import lent


def _predicts_proba(learner: "SimulatedActiveLearner") -> bool:
    return hasattr(getattr(learner, "estimator_", learner.estimator), "predict_proba")


class SimulatedActiveLearner(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier that asks for its training labels.

    ``fit`` hides the labels it is given, reveals a few, and plays the annotator: fit,
    query, reveal, and again. So any combination of classifier, strategy and batch
    size is an estimator, for ``cross_validate`` or a grid search.

    Use it to see how one strategy would have done on data whose labels are known, or to
    search over strategies and models.

    Parameters
    ----------
    estimator : object
        The classifier: one of ours, a skorch net, a classifier of scikit-activeml or
        scikit-learn, or a Pipeline that ends in one. It is cloned; its
        ``random_state``, and ``missing_label`` and ``classes`` where it has them, are
        set by the learner. Or a regressor, of one target or several.
    query_strategy : QueryStrategy, default=None
        The query strategy, of ours or of scikit-activeml. ``None`` is random
        sampling. Its ``random_state`` and ``missing_label`` are set by the learner.
    n_initial : int, default=10
        Number of labels at the start.
    batch_size : int, default=10
        Number of labels a query asks for.
    n_cycles : int, default=10
        Number of queries. The simulation ends early when no label is left.
    initial : {"stratified", "random"}, default="stratified"
        How the first rows are drawn: as many of each class as possible, or at random.
        For a regressor "stratified" takes the rows nearest to the centres of k-means
        on the inputs.
    retrain : {"scratch", "warm", "shrink_perturb"}, default="scratch"
        What each fit starts from: new weights, those of the cycle before, or these
        times 0.6 plus a little noise [1]_.
    scoring : str, callable, list or dict of these, default=None
        Metrics of the learning curve, as in scikit-learn; "neg_ece" is minus the
        expected calibration error. Regressors that know their errors have "neg_crps",
        "neg_log_predictive", "neg_coverage_error" and "neg_interval_width", too.
        :meth:`score` uses the first. ``None`` is "accuracy", of a regressor
        "neg_root_mean_squared_error", and "neg_standardized_rmse" of several targets,
        each in units of its own.
    keep_stages : bool, default=False
        Whether to keep the fitted classifier of each stage.
    score_by : {"final", "area"}, default="final"
        Whether :meth:`score` is the metric at the end, or its mean over the budget:
        the area under the learning curve, divided by the labels spent. For the area
        the stages are kept.
    test_size : float, int or None, default=0.25
        Rows of the training data that are set aside for the learning curve, as in
        ``train_test_split``; they are never queried. ``None`` sets none aside, and
        the curve has no scores unless ``fit`` is given test data.
    label_noise : float, default=0.0
        Probability that the annotator errs on a row, and gives another class at
        random. The rows that scores are computed on keep their labels.
    n_copies : int, default=1
        How often each row of the pool occurs, to see what a strategy does with
        redundancy. Copies are numbered after the rows of X: index i is a copy of row
        ``i % n_samples``.
    copy_noise : float, default=0.1
        Standard deviation of the Gaussian noise on copies, as a share of that of X.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row whose label is unknown. It can never be queried. Unknown targets of
        a regression are NaN.
    random_state : int, RandomState or None, default=None
        Seed of everything: the rows set aside, the first labels, the classifier and
        the strategy, each with a stream of its own.

    Attributes
    ----------
    learning_curve_ : dict of str to ndarray of shape (n_stages,)
        "n_labels"; "cost", if ``fit`` is given costs; one entry for each metric;
        "seconds_fit", "seconds_query" and "seconds_score", the time of a stage's fit,
        of the query that came before it, and of its scores; "peak_megabytes", the
        highest resident memory of the process in that time, in MiB (since its start,
        where the system does not tell: elsewhere than on Linux).
    query_indices_ : list of ndarray
        Rows of X in the order of labelling; the first entry is the start.
    test_indices_ : ndarray
        Rows of X that were set aside.
    stages_ : list of object
        The fitted classifier of each stage, if they are kept.
    estimator_ : object
        The fitted classifier of the last stage.
    classes_ : ndarray of shape (n_classes,)
        All classes.

    See Also
    --------
    compare_strategies : Plays several strategies from the same starts.
    does_al_help : Plays a few strategies and answers in words.

    References
    ----------
    .. [1] J. Ash, R. Adams. On Warm-Starting Neural Network Training. NeurIPS, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.evaluation import SimulatedActiveLearner
    >>> from skal_deep.pool import BALD
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = SimulatedActiveLearner(
    ...     RandomForestClassifier(), BALD(), batch_size=5, n_cycles=4, random_state=0
    ... )
    >>> learner.fit(X, y).learning_curve_["n_labels"]
    array([10, 15, 20, 25, 30])
    """

    _parameter_constraints = {
        "estimator": [HasMethods("fit")],
        "query_strategy": [QueryStrategy, None],
        "n_initial": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_cycles": [Interval(Integral, 0, None, closed="left")],
        "initial": [StrOptions({"stratified", "random"})],
        "retrain": [StrOptions({"scratch", "warm", "shrink_perturb"})],
        "scoring": [str, callable, list, tuple, dict, None],
        "keep_stages": ["boolean"],
        "score_by": [StrOptions({"final", "area"})],
        "test_size": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "label_noise": [Interval(Real, 0, 1, closed="left")],
        "n_copies": [Interval(Integral, 1, None, closed="left")],
        "copy_noise": [Interval(Real, 0, None, closed="left")],
        "missing_label": "no_validation",
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        query_strategy=None,
        n_initial=10,
        batch_size=10,
        n_cycles=10,
        initial="stratified",
        retrain="scratch",
        scoring=None,
        keep_stages=False,
        score_by="final",
        test_size=0.25,
        label_noise=0.0,
        n_copies=1,
        copy_noise=0.1,
        missing_label=-1,
        random_state=None,
    ):
        self.estimator = estimator
        self.query_strategy = query_strategy
        self.n_initial = n_initial
        self.batch_size = batch_size
        self.n_cycles = n_cycles
        self.initial = initial
        self.retrain = retrain
        self.scoring = scoring
        self.keep_stages = keep_stages
        self.score_by = score_by
        self.test_size = test_size
        self.label_noise = label_noise
        self.n_copies = n_copies
        self.copy_noise = copy_noise
        self.missing_label = missing_label
        self.random_state = random_state

    def fit(self, X, y, X_test=None, y_test=None, cost=None, budget=None):
        """Simulate active learning on data whose labels are known.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,) or, with a regressor, (..., n_targets)
            The true labels; ``missing_label`` where nobody knows them.
        X_test : array-like of shape (n_test_samples, ...), default=None
            Inputs for the learning curve, instead of rows set aside from ``X``.
        y_test : array-like of shape (n_test_samples,), default=None
            Their labels.
        cost : array-like of shape (n_samples,), default=None
            Cost of each label; the learning curve then has an entry "cost".
        budget : float, default=None
            What the labels of a query may cost together: it ends at ``batch_size``
            labels, or before the one that is too dear. What it leaves is added to the
            next.

        Returns
        -------
        object
            The fitted learner.
        """
        data = GivenData(X, y, X_test, y_test, cost, budget).for_model(self.estimator)
        rules = settled(self, data.y)
        metrics, seed = named_scorers(rules.scoring), as_seed(self.random_state)
        start = start_of(rules, seed, data)
        warn_of_first_rows(rules, data.y)
        warn_of_look_alikes(label_array(data.y, rules.missing_label), stacklevel=3)
        indices, points = [], []
        stages: list[Any] = []
        with interrupts_leave() as check_interrupt:
            for played in play(rules, seed, start):
                check_interrupt()
                indices.append(played.indices)
                points.append(played.measured)
                if not (self.keep_stages or self.score_by == "area"):
                    stages.clear()
                stages.append(played.estimator)
        # all at once: a fit that fails leaves the one before
        self._metrics, self._missing_label = metrics, rules.missing_label
        self.n_features_in_ = n_columns(start.X)
        self.classes_, self.test_indices_ = start.classes, start.test_rows
        self.query_indices_, self.estimator_ = indices, stages[-1]
        is_kept = self.keep_stages or self.score_by == "area"
        self.stages_ = stages if is_kept else []
        self.learning_curve_ = {
            name: np.array([point[name] for point in points]) for name in points[0]
        }
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if is_regressor(self.estimator):  # searches then cut no folds by class
            tags.estimator_type = "regressor"
            tags.classifier_tags, tags.regressor_tags = None, RegressorTags()
        return tags

    def predict(self, X):
        """Predict with the classifier of the last stage.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.
        """
        check_is_fitted(self)
        return self.estimator_.predict(lent(as_data(X)))

    @available_if(_predicts_proba)
    def predict_proba(self, X):
        """Return class probabilities of the classifier of the last stage.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(lent(as_data(X)))

    def _scores(self, estimator, X, y) -> dict[str, float]:
        return scores_of(self._metrics, estimator, X, y, self._missing_label)

    def staged_score(self, X, y):
        """Return the first metric of each stage on data of the caller.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs that the learner has not seen.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        ndarray of shape (n_stages,)
            The learning curve, against ``learning_curve_["n_labels"]``.
        """
        check_is_fitted(self)
        if not self.stages_:
            raise ValueError("The stages were not kept: use keep_stages=True.")
        name = next(iter(self._metrics))
        return np.array([self._scores(stage, X, y)[name] for stage in self.stages_])

    def score(self, X, y):
        """Return the first metric at the end, or its mean over the budget.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs that the learner has not seen.
        y : array-like of shape (n_samples,)
            Their labels; rows at ``missing_label`` do not count.

        Returns
        -------
        float
            The higher the better.
        """
        check_is_fitted(self)
        if self.score_by == "final":
            return next(iter(self._scores(self.estimator_, X, y).values()))
        return area_under_curve(
            self.learning_curve_["n_labels"], self.staged_score(X, y)
        )
