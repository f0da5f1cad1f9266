"""What a control arm asks for, and what it is told."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation.simulation._start import known_rows
from skal_deep.rows._label_array import label_array


@dataclass(frozen=True)
class Ask:
    """Rows to label next, in the order in which to show them.

    :meth:`ControlArm.ask` returns it. Show the rows without their roles: an annotator
    who knows them labels otherwise.

    Attributes
    ----------
    indices : ndarray of shape (batch_size,)
        Rows of X, shuffled.
    role : ndarray of shape (batch_size,)
        "chosen" by the strategy, "control" by chance, or "referee" between the arms;
        with ``guard=True`` also "guard".

    See Also
    --------
    ControlArm : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import ControlArm
    >>> X, truth = load_iris(return_X_y=True)
    >>> y = np.where(np.arange(150) % 10 == 0, truth, -1)
    >>> arm = ControlArm(GaussianNB(), random_state=0)
    >>> ask = arm.ask(X, y)
    >>> len(ask.indices), int((ask.role == "control").sum())
    (16, 4)
    """

    indices: NDArray[np.intp]
    role: NDArray[np.str_]


def told_rows(
    indices: ArrayLike, y: ArrayLike, asked: NDArray[np.intp], missing_label: Any
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return rows and labels that were told, if they were asked for.

    Parameters
    ----------
    indices : array-like of shape (n,)
        The rows.
    y : array-like of shape (n,)
        Their labels.
    asked : ndarray of shape (n_asked,)
        Rows that were asked for and not told yet.
    missing_label : scalar, str, nan or None
        Marks a row that cannot be labelled.
    """
    rows, labels = np.asarray(indices), label_array(y, missing_label)
    if rows.ndim != 1 or labels.shape != rows.shape:
        raise ValueError(
            "One label a row is wanted: indices and y have the shapes "
            f"{rows.shape} and {labels.shape}."
        )
    is_new = np.isin(rows, asked)
    if len(np.unique(rows)) < len(rows) or not is_new.all():
        raise ValueError(
            "Rows must be told once, and only those that were asked for: "
            f"{rows[~is_new][:5].tolist() or 'some twice'}."
        )
    return rows, labels


def of_one_kind(
    before: NDArray[Any], labels: NDArray[Any], missing_label: Any
) -> NDArray[Any]:
    """Return labels behind those before, if all are of one kind.

    Parameters
    ----------
    before : ndarray of shape (n_before,)
        Labels that are known.
    labels : ndarray of shape (n,)
        Labels that were told.
    missing_label : scalar, str, nan or None
        Marks a row that cannot be labelled.
    """
    objects = [each.astype(object) for each in (before, labels)]
    told = label_array(np.concatenate(objects), missing_label)
    known_rows(told, missing_label)
    return told
