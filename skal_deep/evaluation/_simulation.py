"""Active learning played through on labels that are known."""

import time
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import QueryStrategy
from skactiveml.pool import RandomSampling
from skactiveml.utils import call_func, is_labeled
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skal_deep.classifier import as_seed, derived_seed, fit_on_labeled
from skal_deep.evaluation._statistics import area_under_curve

# Purposes of random numbers. Each has a stream of its own, so that what one takes
# does not change another.
_SPLIT, _START, _MODEL, _STRATEGY = range(4)


def seeded(estimator: Any, seed: int) -> Any:
    """Return a clone whose every ``random_state`` is derived from a seed."""
    names = sorted(
        name
        for name in estimator.get_params()
        if name == "random_state" or name.endswith("__random_state")
    )
    seeds = {name: derived_seed(seed, i) for i, name in enumerate(names)}
    return clone(estimator).set_params(**seeds)


def _predicts_proba(learner: "SimulatedActiveLearner") -> bool:
    return hasattr(getattr(learner, "estimator_", learner.estimator), "predict_proba")


class SimulatedActiveLearner(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier that asks for its training labels.

    ``fit`` hides the labels it is given, reveals a few, and plays the annotator: fit,
    query, reveal, and again. So any combination of classifier, strategy and batch
    size is an estimator, for ``cross_validate`` or a grid search.

    Parameters
    ----------
    estimator : object
        The classifier: one of ours, a skorch net, a classifier of scikit-activeml or
        scikit-learn, or a Pipeline that ends in one. It is cloned; its
        ``random_state``, and ``missing_label`` and ``classes`` where it has them, are
        set by the learner.
    query_strategy : QueryStrategy, default=None
        Who asks: a strategy of ours or of scikit-activeml. ``None`` is random
        sampling. Its ``random_state`` and ``missing_label`` are set by the learner.
    n_initial : int, default=10
        Number of labels at the start.
    batch_size : int, default=10
        Number of labels a query asks for.
    n_cycles : int, default=10
        Number of queries. The simulation ends early when no label is left.
    initial : {"stratified", "random"}, default="stratified"
        How the first rows are drawn: as many of each class as possible, or at random.
    retrain : {"scratch", "warm"}, default="scratch"
        Whether each fit starts from new weights or from those of the cycle before.
    scoring : str, callable or sequence of these, default="accuracy"
        Metrics of the learning curve, as in scikit-learn. :meth:`score` uses the first.
    score_by : {"final", "area"}, default="final"
        Whether :meth:`score` is the metric at the end, or its mean over the budget:
        the area under the learning curve, divided by the labels spent.
    test_size : float, int or None, default=0.25
        Rows of the training data that are set aside for the learning curve, as in
        ``train_test_split``; they are never queried. ``None`` sets none aside, and
        the curve has no scores unless ``fit`` is given test data.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row whose label nobody knows. It can never be queried.
    random_state : int, RandomState or None, default=None
        Seed of everything: the rows set aside, the first labels, the classifier and
        the strategy, each with a stream of its own.

    Attributes
    ----------
    learning_curve_ : dict of str to ndarray of shape (n_stages,)
        "n_labels", one entry for each metric, "seconds_fit", "seconds_query".
    query_indices_ : list of ndarray
        Rows of X in the order of labelling; the first entry is the start.
    test_indices_ : ndarray
        Rows of X that were set aside.
    stages_ : list of object
        The fitted classifier of each stage.
    estimator_ : object
        The fitted classifier of the last stage.
    classes_ : ndarray of shape (n_classes,)
        All classes.

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
        "retrain": [StrOptions({"scratch", "warm"})],
        "scoring": [str, callable, list, tuple],
        "score_by": [StrOptions({"final", "area"})],
        "test_size": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
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
        scoring="accuracy",
        score_by="final",
        test_size=0.25,
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
        self.score_by = score_by
        self.test_size = test_size
        self.missing_label = missing_label
        self.random_state = random_state

    def fit(self, X, y, X_test=None, y_test=None):
        """Play active learning through.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,)
            What the annotator knows; ``missing_label`` where nobody does.
        X_test : array-like of shape (n_test_samples, ...), default=None
            Inputs for the learning curve, instead of rows set aside from ``X``.
        y_test : array-like of shape (n_test_samples,), default=None
            Their labels.

        Returns
        -------
        self : object
            The fitted learner.
        """
        validate_parameter_constraints(
            self._parameter_constraints,
            self.get_params(deep=False),
            type(self).__name__,
        )
        X, y = check_array(X, allow_nd=True), np.asarray(y)
        check_consistent_length(X, y)
        self.n_features_in_ = X.shape[1]
        is_known = is_labeled(y, self.missing_label)
        self.classes_ = np.unique(y[is_known])
        if not len(self.classes_):
            raise ValueError("y holds no label: there is nothing to simulate with.")
        self._seed = as_seed(self.random_state)
        self._prepare_estimator()
        pool, self.test_indices_ = self._split(y, np.flatnonzero(is_known))
        if X_test is None:
            X_test, y_test = X[self.test_indices_], y[self.test_indices_]
        visible = np.ones(len(X), dtype=bool)
        visible[self.test_indices_] = False
        self._play(X, y, np.flatnonzero(visible), pool, X_test, y_test)
        return self

    def _prepare_estimator(self) -> None:
        """Check what can be checked before time is spent."""
        last = self._last(self.estimator)
        if self.retrain == "warm" and not hasattr(last, "fit_from"):
            raise ValueError(
                f"retrain='warm' needs a classifier with `fit_from`, as those of "
                f"skal_deep.classifier; {type(last).__name__} has none."
            )
        if self.retrain == "warm" and isinstance(self.estimator, Pipeline):
            raise ValueError(
                "retrain='warm' does not work inside a Pipeline, whose earlier steps "
                "would change under the weights. Put the Pipeline around the learner."
            )

    @staticmethod
    def _last(estimator: Any) -> Any:
        return estimator[-1] if isinstance(estimator, Pipeline) else estimator

    def _split(
        self, y: NDArray[Any], known: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows that can be queried, and those that are set aside."""
        if self.test_size is None:
            return known, known[:0]
        seed = derived_seed(self._seed, _SPLIT)
        counts = np.unique(y[known], return_counts=True)[1]
        stratify = y[known] if counts.min() > 1 else None
        try:
            pool, test = train_test_split(
                known, test_size=self.test_size, stratify=stratify, random_state=seed
            )
        except ValueError:  # fewer test rows than classes
            pool, test = train_test_split(
                known, test_size=self.test_size, random_state=seed
            )
        return np.sort(pool), np.sort(test)

    def _start(self, y: NDArray[Any], pool: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows that are labelled first."""
        rng = np.random.default_rng(derived_seed(self._seed, _START))
        rows = rng.permutation(pool)
        if self.initial == "stratified":
            rank = np.zeros(len(rows), dtype=int)
            for label in self.classes_:
                of_class = y[rows] == label
                rank[of_class] = np.arange(of_class.sum())
            rows = rows[np.argsort(rank, kind="stable")]
        return rows[: self.n_initial]

    def _play(self, X, y, visible, pool, X_test, y_test):
        """Label, fit, score, query, again and again."""
        hidden = y.copy()
        hidden[:] = self.missing_label
        new = self._start(y, pool)
        self.query_indices_, self.stages_ = [], []
        stages = []
        for cycle in range(self.n_cycles + 1):
            hidden[new] = y[new]
            pool = np.setdiff1d(pool, new)
            self.query_indices_.append(new)
            started = time.perf_counter()
            self.estimator_ = self._fitted(X[visible], hidden[visible], cycle)
            stage = {
                "n_labels": sum(map(len, self.query_indices_)),
                **self._scores(self.estimator_, X_test, y_test),
                "seconds_fit": time.perf_counter() - started,
                "seconds_query": 0.0,
            }
            self.stages_.append(self.estimator_)
            stages.append(stage)
            if cycle == self.n_cycles or not len(pool):
                break
            started = time.perf_counter()
            new = self._query(X, hidden, visible, pool, cycle)
            stage["seconds_query"] = time.perf_counter() - started
        self.learning_curve_ = {
            name: np.array([stage[name] for stage in stages]) for name in stages[0]
        }

    def _fitted(self, X, y, cycle):
        """Return the classifier of one cycle."""
        estimator = seeded(self.estimator, derived_seed(self._seed, _MODEL, cycle))
        last = self._last(estimator)
        known = last.get_params(deep=False)
        if "missing_label" in known:
            last.set_params(missing_label=self.missing_label)
        if "classes" in known and known["classes"] is None:
            last.set_params(classes=self.classes_)
        if self.retrain == "warm" and cycle:
            return estimator.fit_from(self.stages_[-1], X, y)
        return fit_on_labeled(estimator, X, y, self.missing_label)

    def _query(self, X, y, visible, pool, cycle):
        """Return the rows to label next."""
        strategy = (
            RandomSampling() if self.query_strategy is None else (self.query_strategy)
        )
        strategy = seeded(strategy, derived_seed(self._seed, _STRATEGY, cycle))
        strategy.set_params(missing_label=self.missing_label)
        candidates = np.searchsorted(visible, pool)
        y_visible = y[visible]
        n_unlabeled = len(visible) - is_labeled(y_visible, self.missing_label).sum()
        indices = call_func(
            strategy.query,
            X=X[visible],
            y=y_visible,
            clf=self.estimator_,
            fit_clf=False,
            ensemble=self.estimator_,
            fit_ensemble=False,
            estimator=self.estimator_,
            fit_estimator=False,
            candidates=None if len(candidates) == n_unlabeled else candidates,
            batch_size=min(self.batch_size, len(pool)),
        )
        return visible[np.asarray(indices)]

    def _metrics(self) -> dict[str, Any]:
        """Return the metrics by name, the one of :meth:`score` first."""
        several = isinstance(self.scoring, list | tuple)
        metrics = self.scoring if several else [self.scoring]
        return {
            metric if isinstance(metric, str) else metric.__name__: (
                get_scorer(metric) if isinstance(metric, str) else metric
            )
            for metric in metrics
        }

    def _scores(self, estimator, X, y) -> dict[str, float]:
        """Return each metric of a fitted classifier; NaN without test data."""
        return {
            name: float(metric(estimator, X, y)) if len(y) else float("nan")
            for name, metric in self._metrics().items()
        }

    def predict(self, X):
        """Predict with the classifier of the last stage.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_predicts_proba)
    def predict_proba(self, X):
        """Return class probabilities of the classifier of the last stage.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

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
        scores : ndarray of shape (n_stages,)
            The learning curve, against ``learning_curve_["n_labels"]``.
        """
        check_is_fitted(self)
        metric = next(iter(self._metrics().values()))
        return np.array([metric(stage, X, y) for stage in self.stages_])

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
        score : float
            The higher the better.
        """
        check_is_fitted(self)
        is_known = is_labeled(y, self.missing_label)
        X, y = np.asarray(X)[is_known], np.asarray(y)[is_known]
        if self.score_by == "final":
            return float(next(iter(self._metrics().values()))(self.estimator_, X, y))
        return area_under_curve(
            self.learning_curve_["n_labels"], self.staged_score(X, y)
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "learning_curve_")
