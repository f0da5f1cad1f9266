"""One cycle of active learning: the classifier is fitted, the strategy asks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.pool import RandomSampling
from skactiveml.utils import call_func, is_labeled
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.semi_supervised import (
    LabelPropagation,
    LabelSpreading,
    SelfTrainingClassifier,
)

from skal_deep.classifier.door._fitting import fit_on_labeled, labeled_rows
from skal_deep.classifier.door._inside import is_regressor, last_step, through_steps
from skal_deep.classifier.net._interrupts import leaves_on_interrupt
from skal_deep.classifier.net._shrink import shrink_weights
from skal_deep.evaluation.simulation._one_class import is_stand_in
from skal_deep.exceptions import CapabilityError
from skal_deep.pool import DeepQueryStrategy
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import is_finite, n_rows
from skal_deep.rows._lent import lent
from skal_deep.rows._numbers import numbers

# These learn from the rows without a label, too, and want them marked by -1.
_SEMI_SUPERVISED = (SelfTrainingClassifier, LabelPropagation, LabelSpreading)


def check_retrain(estimator: Any, retrain: str) -> None:
    """Raise unless training can go on from the weights of a fitted classifier."""
    if retrain == "scratch":
        return
    last = last_step(estimator)
    if not hasattr(last, "fit_from"):
        raise ValueError(
            f"retrain={retrain!r} needs a classifier with `fit_from`, as those of "
            f"skal_deep.classifier have; {type(last).__name__} has none. Use "
            "retrain='scratch', or a classifier of skal_deep."
        )


def tell_classes(estimator: Any, classes: NDArray[Any]) -> Any:
    """Tell the classifier all classes, if it asks for them, and return the estimator.

    So a class that no label shows yet has its column.
    """
    last = last_step(estimator)
    params = last.get_params(deep=False)
    if "classes" in params and params["classes"] is None:
        last.set_params(classes=classes)
    return estimator


def shrink_and_perturb(estimator: Any, seed: int) -> Any:
    """Return a fitted estimator with shrunk and perturbed weights in its last step.

    Parameters
    ----------
    estimator : object
        A fitted classifier, or a Pipeline that ends in one. It is not changed.
    seed : int
        Seed of the perturbation.
    """
    if isinstance(estimator, Pipeline):
        *earlier, (name, last) = estimator.steps
        return Pipeline([*earlier, (name, shrink_weights(last, seed))])
    return shrink_weights(estimator, seed)


def fit_warm(estimator: Any, previous: Any, X: Any, y: NDArray[Any]) -> Any:
    """Return a fitted clone that starts from the weights of a fitted one.

    The earlier steps of a Pipeline are fitted anew.

    Parameters
    ----------
    estimator : object
        What to fit.
    previous : object
        The same, fitted.
    X : object
        Inputs, in a form of ``as_data``.
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    """
    estimator = clone(estimator)
    if not isinstance(estimator, Pipeline):
        return estimator.fit_from(previous, X, y)
    if len(estimator) > 1:
        earlier = estimator[:-1]
        X = earlier.fit_transform(X, y)
        estimator.steps[:-1] = earlier.steps
    estimator[-1].fit_from(previous[-1], X, y)
    return estimator


def fit_clone(
    estimator: Any, previous: Any, X: Any, y: NDArray[Any], missing_label: Any
) -> Any:
    """Return a fitted clone, warm if there is something to start from.

    Parameters
    ----------
    estimator : object
        What to fit.
    previous : object or None
        The same, fitted; ``None`` starts from scratch.
    X : object
        Inputs, in a form of ``as_data``.
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    # Estimators of others may change their arguments in place; the arrays are shared by
    # all rounds.
    X, y = lent(X), lent(y)
    if isinstance(last_step(estimator), _SEMI_SUPERVISED):
        fit = leaves_on_interrupt(clone(estimator).fit)
        return fit(X, np.where(is_labeled(y, missing_label), y, -1))
    if previous is None:
        return fit_on_labeled(estimator, X, y, missing_label)
    return fit_warm(estimator, previous, X, y)


def query_rows(*args: Any) -> NDArray[np.intp]:
    """Return the rows that a strategy asks for, of what :func:`ask_strategy` does."""
    return ask_strategy(*args)[0]


def refuse_without_rounds(strategy: Any) -> None:
    """Raise if a strategy reads the batches of its earlier queries."""
    if getattr(strategy, "_reads_rounds", False):
        raise CapabilityError(
            f"{type(strategy).__name__} learns from the batches of its earlier "
            "queries, of which nothing is kept here. It works in SimulatedActiveLearner"
            " and compare_strategies, and in a loop of your own that passes rounds=."
        )


def ask_strategy(
    strategy: Any,
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    candidates: NDArray[np.intp] | None,
    batch_size: int,
    missing_label: Any = -1,
    with_utilities: bool = False,
    cost: NDArray[np.float64] | None = None,
    rounds: Sequence[NDArray[np.intp]] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64] | None, Any]:
    """Return the rows that a strategy, ours or of scikit-activeml, asks for.

    Beside them are the utilities, if they are wanted, and the strategy that was asked:
    random sampling, where the model knows one class only.

    Parameters
    ----------
    strategy : QueryStrategy
        The query strategy.
    estimator : object or None
        The fitted classifier or regressor; ``None`` before the first label.
    X : object
        Inputs, in a form of ``as_data``.
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    candidates : ndarray of shape (n_candidates,) or None
        Rows that can be queried; ``None`` is all without a label.
    batch_size : int
        How many to ask for.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    with_utilities : bool, default=False
        Whether to return the utilities, too.
    cost : ndarray of shape (n_samples,), default=None
        What each label costs, for strategies that look at it.
    rounds : sequence of ndarray of shape (n_picks,), default=None
        The batches of the queries before, in order, where somebody keeps them.
    """
    if rounds is None:
        refuse_without_rounds(strategy)
    can_pick = (
        np.isin(np.arange(n_rows(X)), candidates)
        if candidates is not None
        else (~labeled_rows(y, missing_label))
    )
    X, y, candidates = lent(X), lent(y), lent(candidates)
    if is_stand_in(estimator) and getattr(strategy, "_needs", None):
        # What a model says that knows one class cannot tell one row from another.
        strategy = RandomSampling(strategy.missing_label, strategy.random_state)
    is_ours = isinstance(strategy, DeepQueryStrategy)
    if not is_ours:
        estimator, X = _for_scikit_activeml(strategy, estimator, X)
        if isinstance(strategy, RandomSampling) and y.ndim == 2:
            y = y[:, 0]  # it looks for rows without a label
    # scikit-activeml's strategies name the model clf, reg, ensemble or estimator.
    # call_func passes each strategy what its query knows.
    names = ("ensemble", "estimator", "reg" if is_regressor(estimator) else "clf")
    asked = call_func(
        strategy.query,
        X=X,
        y=y,
        **dict.fromkeys(names, estimator),
        **dict.fromkeys((f"fit_{name}" for name in names), False),
        candidates=candidates,
        batch_size=batch_size,
        return_utilities=with_utilities,
        cost=cost,
        rounds=rounds,
    )
    picks, utilities = asked if with_utilities else (asked, None)
    return _check_picks(np.asarray(picks), can_pick, strategy), utilities, strategy


def _for_scikit_activeml(strategy: Any, estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return model and rows for a strategy that knows no Pipeline, but arrays alone."""
    is_random = isinstance(strategy, RandomSampling)
    if isinstance(estimator, Pipeline):
        if len(estimator) > 1 and not is_random:
            X = as_data(through_steps(estimator[:-1], X))
        estimator = estimator[-1]
    if is_random:  # it looks at no row
        return estimator, X if is_finite(X) else np.zeros((n_rows(X), 1))
    return estimator, numbers(X, who=f"{type(strategy).__name__} of scikit-activeml")


def _check_picks(
    picks: NDArray[Any], can_pick: NDArray[np.bool_], strategy: Any
) -> NDArray[np.intp]:
    """Return what a strategy asks for if it may: distinct rows, each a candidate."""
    is_rows = picks.ndim == 1 and picks.dtype.kind in "iu" and len(picks) > 0
    is_inside = is_rows and picks.min() >= 0 and picks.max() < len(can_pick)
    if not is_inside or len(np.unique(picks)) < len(picks) or not can_pick[picks].all():
        raise ValueError(
            f"{type(strategy).__name__} should have returned distinct numbers of rows "
            f"that can be labelled; it returned {str(picks.tolist())[:200]}."
        )
    return picks.astype(np.intp)
