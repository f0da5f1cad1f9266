"""Metrics of the command line: which class is the positive one, recall by class."""

import copy
from inspect import signature
from typing import Any

import numpy as np

from skal_deep.datasets import Data
from skal_deep.evaluation._metrics import as_scorer, with_recalls


def scoring(metrics: list[str] | None, positive: str | None, data: Data) -> Any:
    """Return metrics for labels that are whole numbers, whatever they stand for.

    Parameters
    ----------
    metrics : list of str or None
        Names; ``None`` leaves the choice to the model.
    positive : str or None
        The class that counts, for metrics of one class, as the data spell it.
    data : Data
        The data.
    """
    if data.is_regression:
        if positive is not None:
            raise ValueError("--positive names a class, and --target has none.")
        return with_recalls(metrics, [])
    classes = np.unique(data.y[data.y != -1]).tolist()
    names = [data.class_names[c] if data.class_names else str(c) for c in classes]
    if positive is not None and positive not in names:
        raise ValueError(
            f"--positive names a class, one of {', '.join(names[:12])}; "
            f"{positive!r} is none."
        )
    told: dict[str, Any] = {}
    if metrics is None:
        return None
    for name in metrics:
        told[name] = name
        if name == "recall_by_class" or not _has_positive(name):
            continue
        if positive is None and data.class_names and len(classes) == 2:
            raise ValueError(
                f"--metrics {name} is of one class: say which by --positive, "
                f"{' or '.join(names)}."
            )
        if positive is not None:
            scorer: Any = copy.copy(as_scorer(name))
            label = classes[names.index(positive)]
            scorer._kwargs = {**scorer._kwargs, "pos_label": label}
            told[name] = scorer
    return with_recalls(told, classes, names)


def _has_positive(name: str) -> bool:
    """Return whether a metric is of one class, the positive one."""
    function = getattr(as_scorer(name), "_score_func", None)
    if function is None or "pos_label" not in signature(function).parameters:
        return False
    return not name.endswith(("_macro", "_micro", "_weighted", "_samples"))
