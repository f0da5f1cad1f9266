"""Metrics by name."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np
import torch
from sklearn.metrics import get_scorer, get_scorer_names, roc_auc_score
from sklearn.utils import check_consistent_length

from skal_deep.classifier.door._fitting import labeled_rows
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._export import check_name, shorten
from skal_deep.evaluation._number_metrics import METRICS_OF_NUMBERS
from skal_deep.functional import expected_calibration_error
from skal_deep.rows._as_data import as_data
from skal_deep.rows._contents import equal_rows
from skal_deep.rows._data import n_rows, take
from skal_deep.rows._label_array import label_array, narrowed
from skal_deep.rows._labels import known_classes
from skal_deep.rows._lent import lent

Scorer = Callable[[Any, Any, Any], float]
MEASURED = (  # differ from run to run
    "seconds_fit",
    "seconds_query",
    "seconds_score",
    "peak_megabytes",
)
RESERVED = ("strategy", "repeat", "stage", "indices", "n_labels", "cost", *MEASURED)


def neg_ece(estimator: Any, X: Any, y: Any) -> float:
    """Return minus the expected calibration error.

    Parameters
    ----------
    estimator : object
        A fitted classifier.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,)
        Labels.
    """
    proba_NC = np.asarray(estimator.predict_proba(X))
    is_right = np.asarray(estimator.classes_)[proba_NC.argmax(1)] == np.asarray(y)
    confidence = torch.from_numpy(proba_NC.max(1)).double()
    return -float(expected_calibration_error(confidence, torch.from_numpy(is_right)))


def neg_log_loss(estimator: Any, X: Any, y: Any) -> float:
    """Return the mean log-probability of the true classes, in nats.

    scikit-learn's of the same name, but for classes that the rows or the classifier
    lack: the first cost nothing, the second count as the smallest probability.

    Parameters
    ----------
    estimator : object
        A fitted classifier.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,)
        Labels.
    """
    proba_NC = np.asarray(estimator.predict_proba(X))
    is_true_NC = np.asarray(y)[:, None] == np.asarray(estimator.classes_)[None]
    proba = np.where(is_true_NC, proba_NC, 0).sum(1)
    eps = np.finfo(proba.dtype).eps  # as scikit-learn clips
    return float(np.log(proba.clip(eps, 1 - eps)).mean())


BY_CLASS = "recall_by_class"
_OF_CLASS = "recall of "


@dataclass(frozen=True)
class RecallOf:
    """The share of the rows of a class that are predicted to be; NaN without such rows.

    Attributes
    ----------
    label : object
        The class.
    """

    label: Any

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the recall on labelled rows."""
        is_of_class = np.asarray(y) == self.label
        if not is_of_class.any():
            return float("nan")
        guess = np.asarray(estimator.predict(X))
        return float((guess[is_of_class] == self.label).mean())


def asks_for_recalls(scoring: Any) -> bool:
    """Return whether "recall_by_class" is among metrics."""
    return any(isinstance(each, str) and each == BY_CLASS for each in _listed(scoring))


def _listed(scoring: Any) -> list[Any]:
    if isinstance(scoring, Mapping):
        return list(scoring.values())
    return list(scoring) if isinstance(scoring, list | tuple) else [scoring]


def with_recalls(
    scoring: Any, classes: Sequence[Any], names: Sequence[str] | None = None
) -> Any:
    """Return metrics in which "recall_by_class" has become one for each class.

    Parameters
    ----------
    scoring : str, callable, sequence of these, or dict of str to these
        Metrics.
    classes : sequence
        All classes.
    names : sequence of str, default=None
        What to call them.
    """
    if not asks_for_recalls(scoring):
        return scoring
    listed = _listed(scoring)
    if listed[0] == BY_CLASS:
        raise ValueError(
            f"scoring must begin with the metric that is compared, before {BY_CLASS!r}:"
            f" pass scoring=['balanced_accuracy', {BY_CLASS!r}], for example."
        )
    if not len(classes):
        raise ValueError(f"{BY_CLASS!r} needs classes, and a regressor knows none.")
    keys = scoring if isinstance(scoring, Mapping) else map(_name, listed)
    named = {
        key: metric
        for key, metric in zip(keys, listed, strict=True)
        if not (isinstance(metric, str) and metric == BY_CLASS)
    }
    shown = [str(label) for label in classes] if names is None else names
    return named | {
        f"{_OF_CLASS}{name}": RecallOf(label)
        for name, label in zip(shown, classes, strict=True)
    }


def recalled(metric: str) -> str | None:
    """Return the class whose recall a metric of that name is, if it is one."""
    return metric.removeprefix(_OF_CLASS) if metric.startswith(_OF_CLASS) else None


_OURS: dict[str, Scorer] = {
    "neg_ece": neg_ece,
    "neg_log_loss": neg_log_loss,
    **METRICS_OF_NUMBERS,
}


def default_metric(estimator: Any, y: Any) -> str:
    """Return the metric of a model where nobody has named one.

    Parameters
    ----------
    estimator : object
        A classifier, or a regressor.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Labels. Errors of several targets, in units of their own, have no mean.
    """
    if not is_regressor(estimator):
        return "accuracy"
    if np.ndim(y) > 1:
        return "neg_standardized_rmse"
    return "neg_root_mean_squared_error"


def named_scorers(scoring: Any) -> dict[str, Scorer]:
    """Return scorers by name, in the caller's order.

    Parameters
    ----------
    scoring : str, callable, sequence of these, or dict of str to these
        Metrics as in scikit-learn, and ours: "neg_ece", "neg_crps" and others.
    """
    if isinstance(scoring, Mapping):
        items = list(scoring.items())
    elif isinstance(scoring, list | tuple):
        items = [(_name(metric), metric) for metric in scoring]
    else:
        items = [(_name(scoring), scoring)]
    for name, _ in items:
        check_name("metric", name)
    named = {name: as_scorer(metric) for name, metric in items}
    if not named or len(named) < len(items) or set(named) & set(RESERVED):
        raise ValueError(
            f"scoring must name at least one metric, none twice, none of "
            f"{', '.join(RESERVED)}; it names {[name for name, _ in items]}. "
            "A dict {name: metric} gives names."
        )
    return named


def as_scorer(metric: Any) -> Scorer:
    """Return a metric that may be given by its name."""
    if callable(metric):
        return metric
    known = {*get_scorer_names(), *_OURS}
    if not isinstance(metric, str) or metric not in known:
        near = [name for name in sorted(known) if name.startswith(str(metric))]
        near = near or get_close_matches(str(metric), known)
        raise ValueError(
            f"There is no metric {shorten(metric)}. "
            + (f"Did you mean {' or '.join(map(repr, near))}? " if near else "")
            + f"Metrics are {', '.join(map(repr, _OURS))}, those of "
            "sklearn.metrics.get_scorer_names() and functions of (estimator, X, y)."
        )
    return _OURS[metric] if metric in _OURS else get_scorer(metric)


def _name(metric: Any) -> str:
    """Return the name of a metric: its own, or that of what a scorer wraps."""
    if isinstance(metric, str):
        return metric
    wrapped = getattr(metric, "_score_func", metric)
    return str(getattr(wrapped, "__name__", type(wrapped).__name__))


_QUESTIONS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
)


def _answer_once(estimator: Any, X: Any, lendings: list[Any]) -> Any:
    """Return a view of a classifier that lends it what it is asked about.

    So a classifier that writes into its input changes neither X nor the answer to the
    next question. ``predict`` and ``predict_proba`` answer once about X; a ``predict``
    that asks ``predict_proba`` shares its answer.
    """
    try:  # no `copy`: nets pickle what they copy
        asked = object.__new__(type(estimator))
        asked.__dict__.update(estimator.__dict__)
    except (AttributeError, TypeError):  # a type that is not written in Python
        return estimator
    for name in _QUESTIONS:
        if hasattr(asked, name):
            method = getattr(asked, name)
            is_kept = name in ("predict", "predict_proba")
            answer = _once(method, X, lendings) if is_kept else _on_copies(method)
            asked.__dict__[name] = answer
    return asked


def _on_copies(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return method(*map(lent, args), **kwargs)

    return answer


def _once(
    method: Callable[..., Any], about: Any, lendings: list[Any]
) -> Callable[..., Any]:
    answers: list[Any] = []

    @wraps(method)
    def answer(X: Any, *args: Any, **kwargs: Any) -> Any:
        is_lent = X is about or any(X is each for each in lendings)
        if args or kwargs or not is_lent or not _equal(X, about):
            return method(lent(X), *args, **kwargs)
        if not answers:
            lendings.append(lent(about))  # a `predict` may ask `predict_proba` about it
            answers.append(method(lendings[-1]))
            lendings.pop()
        return lent(answers[0])

    return answer


def _equal(X: Any, about: Any) -> bool:
    """Return whether a metric left X as it was lent."""
    return equal_rows(X, about)


def scores_of(
    metrics: Mapping[str, Scorer], estimator: Any, X: Any, y: Any, missing_label: Any
) -> dict[str, float]:
    """Return each metric on the rows that have a label; NaN if there are none.

    Parameters
    ----------
    metrics : dict of str to callable
        From :func:`named_scorers`.
    estimator : object
        A fitted classifier.
    X : array-like of shape (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,)
        Labels, with missing ones.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    X, y = as_data(X), label_array(y, missing_label)
    check_consistent_length(np.empty(n_rows(X)), y)
    is_known = labeled_rows(y, missing_label)
    if not is_known.any():
        return dict.fromkeys(metrics, float("nan"))
    if not is_known.all():
        X, y = take(X, is_known), y[is_known]
    y = narrowed(y)
    lendings: list[Any] = []
    asked, scores = _answer_once(estimator, X, lendings), {}
    with known_classes():
        for name, metric in metrics.items():
            lendings[:] = [lent(X)]
            scores[name] = _score(name, metric, asked, lendings[0], lent(y))
    return scores


def _score(name: str, metric: Scorer, estimator: Any, X: Any, y: Any) -> float:
    """Return a metric; NaN where it has no value without rows of every class."""
    try:
        score: Any = metric(estimator, X, y)
    except ValueError as error:
        absent = sorted(set(_classes(estimator)) - set(y.tolist()), key=str)
        if not (absent and is_named(metric)):
            raise
        with suppress(ValueError, TypeError, AttributeError):
            return float(_of_all_classes(metric, estimator)(estimator, X, y))
        warnings.warn(
            f"{name} has no score on the {len(y)} test rows: none is of class "
            f"{', '.join(map(repr, absent[:5]))}{', ...' if len(absent) > 5 else ''} "
            f"({error}). Score on more rows, or by another metric, such as 'accuracy'.",
            UserWarning,
            stacklevel=4,
        )
        return float("nan")
    try:
        if not isinstance(score, str):
            return float(score)
    except (TypeError, ValueError):  # what it says of its type is no help
        pass
    raise TypeError(
        f"The metric {name} returned {score!r}: let it return one real number."
    )


def _classes(estimator: Any) -> list[Any]:
    return list(np.asarray(getattr(estimator, "classes_", ())).tolist())


def _of_all_classes(metric: Any, estimator: Any) -> Scorer:
    """Return a metric of scikit-learn that is told which classes there are."""
    function = metric._score_func
    if function is roc_auc_score or "labels" not in signature(function).parameters:
        raise ValueError("It cannot be told, or has no value for a class without rows.")
    told: Scorer = copy.copy(metric)
    told._kwargs = {**metric._kwargs, "labels": estimator.classes_}  # type: ignore[attr-defined]
    return told


def is_named(metric: Any) -> bool:
    """Return whether a metric is one of scikit-learn or of ours, not of the user."""
    return metric in _OURS.values() or hasattr(metric, "_score_func")
