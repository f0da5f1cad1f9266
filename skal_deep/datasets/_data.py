"""What a data set is, and how arrays of a user become one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import take

_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Data:
    """A data set with its labels, and its test data if it has any.

    :func:`load` returns it; take ``X`` and ``y`` from it for a comparison.

    Attributes
    ----------
    name : str
        Its name.
    X : ndarray of shape (n, ...), or table of pandas
        Inputs in float32: vectors, or images (n, c, h, w) between 0 and 1; texts, names
        of files, or a table, where these are asked for.
    y : ndarray of shape (n,)
        Labels, whole numbers; -1 where a row has none. Or targets of a regression,
        floats, (n,) or (n, n_targets); NaN where a row has none.
    X_test, y_test : ndarray or None
        Test data, where the data set comes with a split.
    class_names : tuple of str or None
        What the labels stand for, where they were words.
    image_shape : tuple of int or None
        Shape of an image, where rows of X are images written as vectors.
    cost : ndarray of shape (n,) or None
        What the label of each row of X costs, where that is asked for.

    See Also
    --------
    load : Loads a data set by its name or from a file.
    some_rows : Draws some of its rows.

    Examples
    --------
    >>> from skal_deep.datasets import load
    >>> data = load("digits")
    >>> data.X.shape, data.X_test is None
    ((1797, 64), True)
    """

    name: str
    X: Any
    y: NDArray[Any]
    X_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    cost: NDArray[np.float64] | None = None

    @property
    def is_regression(self) -> bool:
        """Whether there are targets, numbers to predict, in place of classes."""
        return self.y.dtype.kind == "f"


def as_inputs(X: NDArray[Any]) -> NDArray[np.float32]:
    """Return vectors or images in float32.

    Images get a channel axis in front of height and width; bytes become numbers
    between 0 and 1.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Vectors, or images with no channel axis or one before or after the others.
    """
    if X.dtype.kind not in "buif":
        raise ValueError(f"Inputs must be numbers, not {X.dtype}.")
    if X.ndim not in (2, 3, 4) or not X.size:
        raise ValueError(
            "Inputs must be vectors (n, d) or images (n, h, w) or (n, c, h, w), at "
            f"least one of at least one number; their shape is {X.shape}."
        )
    if X.ndim == 3:
        X = X[:, None]
    elif X.ndim == 4 and X.shape[-1] in _CHANNELS and X.shape[1] not in _CHANNELS:
        X = np.moveaxis(X, -1, 1)
    scale = 255 if X.dtype == np.uint8 and X.ndim == 4 else 1
    with np.errstate(over="ignore"):  # what is too large is seen below
        inputs = np.ascontiguousarray(X, np.float32) / np.float32(scale)
    if not np.isfinite(inputs).all():
        row = int(np.argwhere(~np.isfinite(inputs))[0, 0])
        raise ValueError(
            f"Inputs must be finite numbers below 3e38: row {row} (from 0) holds NaN, "
            "infinity or more. Leave such rows out, or fill them in."
        )
    return inputs


def some_rows(
    X: Any, y: NDArray[Any], n_rows: int | None, rng: np.random.Generator
) -> tuple[Any, NDArray[Any]]:
    """Return rows drawn at random, or all if there are no more.

    Use it to try a comparison on a part of a large data set first.

    Parameters
    ----------
    X : array-like of shape (n, ...), table, sparse matrix or dict of arrays
        Inputs.
    y : ndarray of shape (n,)
        Labels.
    n_rows : int or None
        Number of rows; ``None`` is all.
    rng : numpy.random.Generator
        Source of the random draws.

    Returns
    -------
    tuple of ndarray
        Inputs and labels of the rows.

    See Also
    --------
    load : Loads a data set.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.datasets import some_rows
    >>> X, y = np.zeros((10, 2)), np.arange(10)
    >>> X_some, y_some = some_rows(X, y, 4, np.random.default_rng(0))
    >>> X_some.shape, y_some.shape
    ((4, 2), (4,))
    """
    if n_rows is None or n_rows >= len(y):
        return X, y
    rows = rng.permutation(len(y))[:n_rows]
    return take(as_data(X), rows), y[rows]
