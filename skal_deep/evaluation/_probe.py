"""Metrics tried out on made-up answers, before anything is trained for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
)
from sklearn.utils.metaestimators import available_if

from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._metrics import Scorer, as_scorer, is_named
from skal_deep.evaluation._number_metrics import knows_its_errors


class _Knowing(ClassifierMixin, BaseEstimator):
    """A classifier that knows the labels of a few rows, and answers as another may."""

    def __init__(self, classes: NDArray[Any], answers: tuple[str, ...]):
        self.classes_ = classes
        self.answers = answers

    def predict(self, X: Any) -> NDArray[Any]:
        labels: NDArray[Any] = self.classes_[X]
        return labels

    @available_if(lambda self: "predict_proba" in self.answers)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        n_classes = len(self.classes_)
        return (np.eye(n_classes)[X] + 1) / (n_classes + 1)

    @available_if(lambda self: "decision_function" in self.answers)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        if len(self.classes_) == 2:
            return X - 0.5
        return np.eye(len(self.classes_))[X]


def check_metrics(
    metrics: Mapping[str, Scorer], estimator: Any, classes: NDArray[Any]
) -> None:
    """Raise if a metric cannot score such classes, or such a classifier.

    Functions of the user are not tried: they may look at anything.

    Parameters
    ----------
    metrics : dict of str to callable
        From :func:`~skal_deep.evaluation._metrics.named_scorers`.
    estimator : object
        The classifier, fitted or not.
    classes : ndarray of shape (n_classes,)
        All classes.
    """
    if is_regressor(estimator):
        _check_of_numbers(metrics, estimator)
        return
    answers = tuple(
        name
        for name in ("predict_proba", "decision_function")
        if hasattr(estimator, name)
    )
    for name, metric in metrics.items():
        if is_named(metric) and (error := _failure(metric, classes, answers)):
            shown = ", ".join(map(repr, classes[:5].tolist()))
            said = str(error).strip().rstrip(".")
            raise ValueError(
                f"The metric {name!r} cannot score {type(estimator).__name__} on "
                f"{len(classes)} classes ({shown}{', ...' if len(classes) > 5 else ''})"
                f": {said}. {_remedy(name, error, classes, answers)}"
            ) from error


class _KnowingNumbers(RegressorMixin, BaseEstimator):
    """A regressor that knows the targets, which are the inputs."""

    def __init__(self, is_sure: bool = True):
        self.is_sure = is_sure

    def predict(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(X, dtype=float)

    @available_if(lambda self: self.is_sure)  # type: ignore[untyped-decorator]
    def predict_variance(self, X: Any) -> NDArray[np.float64]:
        return np.ones((2, len(X)))


def _check_of_numbers(metrics: Mapping[str, Scorer], estimator: Any) -> None:
    """Raise if a metric cannot score a regressor."""
    targets, knowing = np.arange(4) + 0.5, _KnowingNumbers(knows_its_errors(estimator))
    for name, metric in metrics.items():
        try:
            if is_named(metric):
                metric(knowing, targets, targets)
        except (ValueError, TypeError, AttributeError) as error:
            said = str(error).strip().rstrip(".")
            raise ValueError(
                f"The metric {name!r} cannot score {type(estimator).__name__}, which "
                f"predicts numbers: {said}. Use 'neg_root_mean_squared_error', "
                "'neg_mean_absolute_error' or 'r2'."
            ) from error


def _failure(
    metric: Scorer, classes: NDArray[Any], answers: tuple[str, ...]
) -> Exception | None:
    """Return what a metric raises on rows of all classes, or nothing."""
    rows = np.tile(np.arange(len(classes)), 2)
    try:
        metric(_Knowing(classes, answers), rows, classes[rows])
    except (ValueError, TypeError, AttributeError) as error:
        return error
    return None


def _remedy(
    name: str, error: Exception, classes: NDArray[Any], answers: tuple[str, ...]
) -> str:
    """Return what to do: a metric of the same family that works, or how to say more."""
    if "pos_label" in str(error):
        return (
            "Say which class counts with sklearn.metrics.make_scorer(..., pos_label="
            f"{classes.tolist()[-1]!r})."
        )
    for ending in ("macro", "ovr"):
        try:
            metric = as_scorer(f"{name}_{ending}")
        except ValueError:
            continue
        if _failure(metric, classes, answers) is None:
            return f"Use '{name}_{ending}'."
    return "Use another metric, such as 'accuracy' or 'balanced_accuracy'."
