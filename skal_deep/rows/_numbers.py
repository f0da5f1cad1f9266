"""Rows in one of our forms as an array of numbers, for who can measure nothing else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array

from skal_deep.rows._data import RowDict, is_numbers, kind_of

# Sparse rows become dense up to so many numbers, 1 GiB.
_MOST_DENSE = 2**27


def numbers(X: Any, name: str = "X", who: str = "") -> NDArray[Any]:
    """Return inputs in one of our forms as an array of numbers.

    Parameters
    ----------
    X : object
        Inputs in one of our forms.
    name : str, default="X"
        Their name, for messages.
    who : str, default=""
        Who wants numbers, and what for, for messages.
    """
    if is_numbers(X):
        array: NDArray[Any] = X
        return array
    if issparse(X):
        if X.shape[0] * X.shape[1] > _MOST_DENSE:
            raise ValueError(
                f"{name} is sparse, with {X.shape[0]} rows of {X.shape[1]} columns, "
                "which are too many to be held densely. Reduce the columns first, for "
                "example by TruncatedSVD in a Pipeline."
            )
        return np.asarray(X.toarray())
    if who:
        who = f"{who} "
    if isinstance(X, np.ndarray):
        return _numbers_of_objects(X, name, who)
    if isinstance(X, RowDict):
        raise ValueError(
            f"{who}needs rows of numbers, and {name} is {kind_of(X)}: pass a net whose "
            "`forward` takes them by name, or a Pipeline that makes vectors of them."
        )
    if len(X.shape) == 1:
        return _numbers_of_objects(np.asarray(X, dtype=object), name, who)
    try:
        checked = check_array(
            X,
            accept_sparse=True,  # of pandas, too
            ensure_all_finite=False,
            ensure_min_samples=0,
            ensure_min_features=0,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who}needs rows of numbers, and {name} has columns that hold others "
            f"({error}). Pass a Pipeline that encodes them, for example by "
            "ColumnTransformer and OneHotEncoder."
        ) from error
    return numbers(checked, name, who) if issparse(checked) else np.asarray(checked)


def _numbers_of_objects(X: NDArray[Any], name: str, who: str) -> NDArray[Any]:
    if X.ndim == 1:
        raise ValueError(
            f"{who}needs rows of numbers, and {name} holds objects, such as texts or "
            "names of files: pass a Pipeline that makes vectors of them, for example "
            "by TfidfVectorizer or skal_deep.embedding."
        )
    if X.dtype.kind != "O":
        raise ValueError(
            f"{name} must hold numbers, not {X.dtype}. Encode it first, for example by "
            "scikit-learn's OrdinalEncoder."
        )
    return as_floats(X, name)


def as_floats(objects: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        return objects.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{name} holds Python objects that are no numbers of float64 ({error}). "
            "Encode them first, for example by scikit-learn's OrdinalEncoder."
        ) from None
