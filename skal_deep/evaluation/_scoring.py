"""Metrics by name."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from skactiveml.utils import is_labeled
from sklearn.metrics import get_scorer
from sklearn.utils import check_array, check_consistent_length

Scorer = Callable[[Any, Any, Any], float]
MEASURED = ("seconds_fit", "seconds_query", "peak_megabytes")  # differ from run to run
RESERVED = ("n_labels", *MEASURED)


def named_scorers(scoring: Any) -> dict[str, Scorer]:
    """Return scorers by name, in the caller's order.

    Parameters
    ----------
    scoring : str, callable, sequence of these, or dict of str to these
        Metrics as in scikit-learn.
    """
    if isinstance(scoring, Mapping):
        items = list(scoring.items())
    elif isinstance(scoring, list | tuple):
        items = [(_name(metric), metric) for metric in scoring]
    else:
        items = [(_name(scoring), scoring)]
    named = {
        name: get_scorer(metric) if isinstance(metric, str) else metric
        for name, metric in items
    }
    if not named or len(named) < len(items) or set(named) & set(RESERVED):
        raise ValueError(
            f"scoring must name at least one metric, none twice, none of "
            f"{', '.join(RESERVED)}; it names {[name for name, _ in items]}. "
            "A dict {name: metric} gives names."
        )
    return named


def _name(metric: Any) -> str:
    """Return the name of a metric: its own, or that of what a scorer wraps."""
    if isinstance(metric, str):
        return metric
    wrapped = getattr(metric, "_score_func", metric)
    return str(getattr(wrapped, "__name__", type(wrapped).__name__))


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
    X, y = check_array(X, allow_nd=True, ensure_min_samples=0), np.asarray(y)
    check_consistent_length(X, y)
    is_known = is_labeled(y, missing_label)
    if not is_known.any():
        return dict.fromkeys(metrics, float("nan"))
    if not is_known.all():
        X, y = X[is_known], y[is_known]
    return {name: float(metric(estimator, X, y)) for name, metric in metrics.items()}
