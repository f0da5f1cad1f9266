"""Checks of what a query is given and of what a strategy returns."""

import operator
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from skactiveml.utils import is_unlabeled
from torch import Tensor

from skal_deep.rows._shape import check_is_rows


def as_batch_size(batch_size: Any) -> int:
    """Return a batch size as an int, NumPy's integers included."""
    if isinstance(batch_size, bool | np.bool_):
        raise TypeError(f"batch_size must be an integer, not {batch_size!r}.")
    try:
        return operator.index(batch_size)
    except TypeError:
        raise TypeError(f"batch_size must be an integer, not {batch_size!r}.") from None


def as_inputs(name: str, X: Any) -> Any:
    """Return inputs as they are; refuse what is no numbers, by name."""
    if hasattr(X, "iloc"):
        check_is_rows(X, name)
    if hasattr(X, "iloc") or issparse(X):  # scikit-learn converts or refuses these
        return X
    try:
        array = np.asarray(X)
    except ValueError:
        raise ValueError(f"The rows of {name} are not all of one shape.") from None
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"{name} holds Python objects that are no numbers. Encode them first, "
                "for example by scikit-learn's OrdinalEncoder."
            ) from None
    if not array.ndim:
        raise ValueError(f"{name} must be an array of rows, not {X!r}.")
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must hold numbers, not {array.dtype}. Encode it first, for "
            "example by scikit-learn's OrdinalEncoder."
        )
    check_is_rows(array, name)
    return array


def as_candidates(candidates: Any, X: Any) -> NDArray[Any] | None:
    """Return candidates as an array; refuse what would be misread as indices."""
    if candidates is None:
        return None
    try:
        candidates = np.asarray(candidates)
    except ValueError:
        raise ValueError("The rows of candidates are not all of one shape.") from None
    if not candidates.ndim:
        kind = TypeError if candidates.dtype == object else ValueError
        raise kind(
            f"candidates must be None, a list of rows of X, or inputs; it is "
            f"{candidates.item()!r}."
        )
    if not len(candidates):
        raise ValueError("candidates is empty: there is nothing to query.")
    if candidates.ndim > 1:
        return _as_foreign(candidates, np.shape(X)[1:])
    if candidates.dtype == bool:
        raise ValueError(
            "candidates is a boolean mask. Pass indices: np.flatnonzero(mask)."
        )
    if candidates.dtype.kind not in "iu":
        raise ValueError(
            "candidates of one axis must be integers of at most 64 bits, not "
            f"{candidates.dtype}. To pass inputs, give them the axes of X."
        )
    if candidates.min() < 0:
        raise ValueError("candidates must not be negative: they are rows of X.")
    if candidates.max() >= (n_rows := np.shape(X)[0]):
        raise ValueError(
            f"candidates holds {candidates.max()}, but X has {n_rows} rows, 0 ... "
            f"{n_rows - 1}."
        )
    return candidates.astype(np.intp)


def _as_foreign(candidates: NDArray[Any], shape: tuple[int, ...]) -> Any:
    """Return candidates that are inputs; their rows must be like those of X."""
    if candidates.shape[1:] != shape:
        hint = ""
        if candidates.dtype.kind in "iub":
            hint = " To pass rows of X by their number, give integers of one axis."
        raise ValueError(
            f"candidates holds rows of shape {candidates.shape[1:]}, but those of X "
            f"have shape {shape}.{hint}"
        )
    return as_inputs("candidates", candidates)


def check_labels(y: Any) -> None:
    """Raise if labels are not at least a sequence."""
    if np.ndim(y) == 0:
        raise TypeError(f"y must hold one label for each row of X; it is {y!r}.")


def check_unlabeled_left(y: Any, missing_label: Any) -> None:
    """Raise if every row has a label."""
    if len(y) and not is_unlabeled(np.asarray(y), missing_label).any():
        raise ValueError(
            "Every row of y has a label, so there is nothing left to query. Unlabelled "
            f"rows hold missing_label={missing_label!r}."
        )


def warn_untrained(name: str, works_on_inputs: bool) -> None:
    """Warn that a model which has seen no label decides, and say what else to do."""
    remedy = "Pass first labels, drawn at random or by TypiClust with clf=None"
    if works_on_inputs:
        remedy = "Pass clf=None, which looks at the inputs themselves, or first labels"
    warnings.warn(
        f"{name} asks a model that has seen no label: unless its weights are pretrained"
        f" ones, what it answers says nothing about the data. {remedy}.",
        stacklevel=3,
    )


def check_picks(name: str, picks: Tensor, batch_size: int, n: int) -> NDArray[Any]:
    """Return what a strategy picked as an array, or say what is wrong with it."""
    if not isinstance(picks, Tensor):
        raise TypeError(f"{name}._select must return tensors, not {type(picks)}.")
    positions = picks.numpy(force=True)
    if (
        positions.shape != (batch_size,)
        or len(np.unique(positions)) != batch_size
        or not np.isin(positions, np.arange(n)).all()
    ):
        raise ValueError(
            f"{name}._select must return {batch_size} distinct positions in 0 ... "
            f"{n - 1}; it returned {positions}."
        )
    return positions.astype(np.intp)


def check_utilities(
    name: str, utilities: Tensor, picks: NDArray[np.intp], n: int
) -> NDArray[np.float64]:
    """Return utilities of shape (batch_size, n), NaN at earlier picks alone."""
    rows_TN = np.empty((len(picks), n))
    rows_TN[:] = utilities.numpy(force=True)
    for step in range(1, len(picks)):
        rows_TN[step:, picks[step - 1]] = np.nan
    n_missing = np.isnan(rows_TN).sum(axis=1)
    if np.isinf(rows_TN).any() or (n_missing != np.arange(len(picks))).any():
        raise ValueError(
            f"{name} computed utilities that are NaN or infinite. Are there NaN or "
            "infinite values in what the classifier predicts?"
        )
    return rows_TN
