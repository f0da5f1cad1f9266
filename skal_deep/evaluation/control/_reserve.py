"""The labels that a control arm starts with, and the rows that it sets aside."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.utils import is_labeled

from skal_deep.evaluation.simulation._start import known_rows
from skal_deep.rows._data import n_rows
from skal_deep.rows._label_array import label_array, narrowed


def known_at_start(X: Any, y: NDArray[Any], missing_label: Any) -> NDArray[np.bool_]:
    """Return which rows have a label, if these suffice to start.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        All inputs.
    y : ndarray of shape (n_samples,)
        The labels of the start.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    if y.ndim != 1 or len(y) != n_rows(X):
        raise ValueError(
            f"X has {n_rows(X)} rows and y the shape {y.shape}: one label a row is "
            "wanted."
        )
    known = np.isin(np.arange(len(y)), known_rows(y, missing_label))
    if len(np.unique(narrowed(y[known]))) < 2:
        raise ValueError(
            "The labels of the start must show two classes or more. Label some rows at "
            "random first."
        )
    return known


def set_aside(
    known: NDArray[np.bool_],
    n_reserved: int | None,
    wanted: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return random rows without a label, from which no strategy may choose.

    Parameters
    ----------
    known : ndarray of shape (n_samples,)
        Which rows have a label.
    n_reserved : int or None
        How many rows; ``None`` is as many as are wanted, but half of them at most.
    wanted : int
        How many would do.
    rng : numpy Generator
        Source of randomness.
    """
    free = np.flatnonzero(~known)
    n = n_reserved or min(len(free) // 2, wanted)
    if n >= len(free):
        raise ValueError(
            f"n_reserved={n} leaves nothing to choose from: {len(free)} rows have no "
            "label."
        )
    return rng.permutation(free)[:n]


def check_same_pool(
    X: Any, y: ArrayLike, told: NDArray[Any], missing_label: Any
) -> None:
    """Raise unless X and y are the pool that was begun with, and labels those told.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        All inputs.
    y : array-like of shape (n_samples,)
        Labels, all or some of those that were told.
    told : ndarray of shape (n_samples,)
        All labels that were told, and those of the start.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    y = label_array(y, missing_label)
    if y.shape != told.shape or n_rows(X) != len(y):
        raise ValueError(
            f"The pool has {len(told)} rows; X has {n_rows(X)} and y the shape "
            f"{y.shape}. A control arm stays with its pool."
        )
    rows = np.flatnonzero(is_labeled(y, missing_label))
    strange = [row for row in rows if told[row] != y[row]]
    if strange:
        raise ValueError(
            "y has labels that were not told, or others than were told, in rows "
            f"{strange[:5]}. Pass labels by tell(); those of the start stay."
        )


def warn_used_up() -> None:
    """Warn that there are no more random rows, on behalf of ``ControlArm.ask``."""
    warnings.warn(
        "The random rows that were set aside are used up: all labels are chosen from "
        "here on, and the verdict stays as it is. A larger n_reserved lasts longer.",
        UserWarning,
        stacklevel=3,
    )
