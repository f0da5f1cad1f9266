"""The start of a simulation: what is given, checked, and set up for the first fit."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_clusterer, is_outlier_detector
from sklearn.utils import check_array, check_consistent_length

from skal_deep.classifier.door._fitting import labeled_rows
from skal_deep.classifier.door._inside import is_regressor, last_step
from skal_deep.classifier.door._kinds_of_rows import rows_for, takes_rows_directly
from skal_deep.evaluation._metrics import named_scorers
from skal_deep.evaluation._probe import check_metrics
from skal_deep.evaluation.simulation._conditions import (
    add_copies,
    add_label_noise,
)
from skal_deep.evaluation.simulation._cycle import check_retrain
from skal_deep.evaluation.simulation._first_rows import (
    Rows,
    first_rows,
    seen_vectors,
    set_aside,
    spread_rows,
)
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.rows._as_data import as_data
from skal_deep.rows._costs import as_cost, check_budget
from skal_deep.rows._data import check_alike, is_numbers, n_rows, take
from skal_deep.rows._label_array import label_array, narrowed, one_class, vector


@dataclass(frozen=True)
class GivenData:
    """What a caller gives to play on.

    Attributes
    ----------
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,)
        The true labels, which the annotator gives.
    X_test : array-like of shape (n_test, ...), default=None
        Inputs to score on, instead of rows set aside.
    y_test : array-like of shape (n_test,), default=None
        Their labels.
    cost : array-like of shape (n_samples,), default=None
        What each label costs.
    budget : float, default=None
        What the labels of a query may cost together.
    """

    X: Any
    y: Any
    X_test: Any = None
    y_test: Any = None
    cost: Any = None
    budget: Any = None

    def for_model(self, estimator: Any) -> "GivenData":
        """Return the data with one column of targets as a vector, for a regressor."""
        if not is_regressor(estimator):
            return self
        return replace(self, y=vector(self.y), y_test=vector(self.y_test))


@dataclass(frozen=True)
class Start:
    """Data and first labels of a simulation; indices count the visible rows.

    Attributes
    ----------
    X : object
        Inputs, in a form of ``as_data``, that classifier and strategy may see.
    y : ndarray of shape (n_visible,)
        Labels that the annotator gives, errors included.
    visible : ndarray of shape (n_visible,)
        Which rows of the caller's X they are.
    pool : ndarray of shape (n_pool,)
        Rows that can be labelled.
    first : ndarray of shape (n_first,)
        Rows that are labelled first.
    classes : ndarray of shape (n_classes,)
        All classes.
    test_rows : ndarray of shape (n_aside,)
        Rows of the caller's X that are set aside for scores.
    X_test : array-like of shape (n_test, ...)
        Inputs to score on.
    y_test : array-like of shape (n_test,)
        Their labels.
    cost : ndarray of shape (n_visible,) or None
        What each label costs.
    budget : float or None
        What the labels of a query may cost together.
    """

    X: Any
    y: NDArray[Any]
    visible: Rows
    pool: Rows
    first: Rows
    classes: NDArray[Any]
    test_rows: Rows
    X_test: Any
    y_test: Any
    cost: NDArray[Any] | None
    budget: float | None


def start_of(learner: HasRules, seed: int, data: GivenData) -> Start:
    """Return where a simulation starts.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    seed : int
        Seed of the simulation.
    data : GivenData
        On what it is played.
    """
    learner._validate_params()
    check_retrain(learner.estimator, learner.retrain)
    check_learns_labels(learner.estimator)
    X = _as_inputs("X", data.X, learner.estimator)
    y = label_array(data.y, learner.missing_label)
    X_test, y_test, cost = data.X_test, data.y_test, data.cost
    check_consistent_length(np.empty(n_rows(X)), y)
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test go together: give both or neither.")
    known = known_rows(y, learner.missing_label)
    check_classes(learner, y, known)
    metrics, classes = named_scorers(learner.scoring), classes_of(learner, y, known)
    is_numbers = is_regressor(learner.estimator)
    check_metrics(metrics, learner.estimator, classes)
    test_size = learner.test_size if X_test is None else None
    pool, test_rows = set_aside(y, known, test_size, seed, by_class=not is_numbers)
    if X_test is None:
        X_test, y_test = take(X, test_rows), y[test_rows]
    else:
        X_test = _as_inputs("X_test", X_test, learner.estimator)
        check_alike(X_test, X, "X_test")
        y_test = label_array(y_test, learner.missing_label)
        if y_test.shape[1:] != y.shape[1:]:
            raise ValueError(
                f"y_test must have rows as y has, of shape {y.shape[1:]}, but its "
                f"shape is {y_test.shape}."
            )
    n = n_rows(X)
    if (
        len(y_test)
        and not is_numbers
        and not set(classes.tolist()) & set(y_test.tolist())
    ):
        raise ValueError("No label of y_test occurs in y: are both of the same kind?")
    first_copies = n * np.arange(learner.n_copies)[:, None]
    X = add_copies(X, learner.n_copies, learner.copy_noise, seed)
    visible = np.setdiff1d(np.arange(n_rows(X)), first_copies + test_rows)
    pool = np.searchsorted(visible, (first_copies + pool).ravel())
    y = add_label_noise(y[visible % n], pool, classes, learner.label_noise, seed)
    if cost is not None:
        cost = as_cost(cost, n)[visible % n]
    if data.budget is not None:
        _check_rounds(learner, cost, data.budget, pool)
    return Start(
        X=X if len(visible) == n_rows(X) else take(X, visible),
        y=y,
        visible=visible,
        pool=pool,
        first=(
            spread_rows(
                seen_vectors(learner.estimator, X, visible[pool]),
                pool,
                learner.n_initial,
                seed,
            )
            if is_numbers and learner.initial == "stratified"
            else first_rows(y, pool, learner.n_initial, learner.initial, seed)
        ),
        classes=classes,
        test_rows=test_rows,
        X_test=X_test,
        y_test=y_test,
        cost=cost,
        budget=data.budget,
    )


def _check_rounds(
    learner: HasRules, cost: NDArray[Any] | None, budget: Any, pool: Rows
) -> None:
    """Raise unless every strategy can play all rounds with a budget for each."""
    check_budget(None if cost is None else cost[pool], budget)
    most = learner.n_initial + learner.n_cycles * learner.batch_size
    if most > len(pool):
        raise ValueError(
            f"With a budget strategies label different numbers of rows, and {most} "
            f"(n_initial and n_cycles times batch_size) are more than the {len(pool)} "
            "of the pool: a strategy of cheap rows would run out of them. Ask for "
            "fewer."
        )


def _as_inputs(name: str, X: Any, estimator: Any) -> Any:
    """Return inputs as the estimator takes them, or say why it cannot."""
    X = rows_for(estimator, as_data(X, name))
    if is_numbers(X):
        is_direct = takes_rows_directly(estimator)
        X = check_array(X, allow_nd=True, ensure_all_finite=is_direct, input_name=name)
    if not n_rows(X):
        raise ValueError(f"{name} has no rows: there is nothing to play on.")
    return X


def known_rows(y: NDArray[Any], missing_label: Any) -> Rows:
    """Return the rows whose label is known.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or, of numbers, (n_samples, n_targets)
        All labels, from :func:`~skal_deep.rows._label_array.label_array`.
    missing_label : scalar, str, nan or None
        Marks a row whose label is unknown.
    """
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have one label a row, but its shape is {y.shape}.")
    try:
        is_known = labeled_rows(y, missing_label)
    except TypeError as error:
        raise TypeError(
            f"missing_label={missing_label!r} cannot stand among labels of type "
            f"{y.dtype}: pass missing_label=None, or whole numbers for labels, as "
            "sklearn.preprocessing.LabelEncoder gives them."
        ) from error
    if y.dtype.kind == "f" and np.isnan(y[is_known]).any():
        raise ValueError(
            f"y has NaN among its labels: where it marks unknown labels, pass "
            f"missing_label=np.nan, not {missing_label!r}."
        )
    return np.flatnonzero(is_known)


def check_learns_labels(estimator: Any) -> None:
    """Raise if an estimator says that it is no classifier and no regressor."""
    if is_clusterer(estimator) or is_outlier_detector(estimator):
        raise TypeError(
            f"{type(last_step(estimator)).__name__} learns without labels, but only "
            "classifiers and regressors can be simulated and compared: pass one, or a "
            "Pipeline that ends in one."
        )


def check_classes(learner: HasRules, y: NDArray[Any], known: Rows) -> None:
    """Raise unless there are labels, of two classes or of those that are given.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    y : ndarray of shape (n_samples,)
        All labels.
    known : ndarray of shape (n_known,)
        Rows whose label is known.
    """
    if not len(known):
        raise ValueError(
            f"Every label is {learner.missing_label!r}, that is, unknown: there is "
            "nothing to simulate with."
        )
    if is_regressor(learner.estimator):
        _check_numbers(learner, y)
        return
    if y.ndim != 1:
        raise ValueError(f"y must have one label a row, but its shape is {y.shape}.")
    given = getattr(last_step(learner.estimator), "classes", None)
    if given is None and (said := one_class(y, learner.missing_label)):
        raise ValueError(f"{said} There is nothing to learn.")


def _check_numbers(learner: HasRules, y: NDArray[Any]) -> None:
    """Raise unless the labels are targets of a regression, and said to be."""
    missing = learner.missing_label
    if (
        y.dtype.kind not in "biuf"
        or not isinstance(missing, float)
        or not np.isnan(missing)
    ):
        raise ValueError(
            f"{type(last_step(learner.estimator)).__name__} is a regressor: y must "
            f"hold numbers, and NaN where they are unknown. It is of type {y.dtype}, "
            f"and missing_label is {missing!r}. Pass missing_label=np.nan if "
            f"{missing!r} is a target, and write NaN for it if it is none."
        )
    if learner.label_noise:
        raise ValueError(
            "label_noise gives rows another class; for a regressor add noise to y."
        )


def classes_of(learner: HasRules, y: NDArray[Any], known: Rows) -> NDArray[Any]:
    """Return all classes, none of them where the learner predicts numbers.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    y : ndarray of shape (n_samples,)
        All labels.
    known : ndarray of shape (n_known,)
        Rows whose label is known.
    """
    if is_regressor(learner.estimator):
        return np.empty(0)
    return narrowed(np.unique(y[known]))
