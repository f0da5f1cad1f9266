"""Checks of what a query is given and of what a strategy returns."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.utils import is_unlabeled
from torch import Tensor


def as_batch_size(batch_size: Any) -> int:
    """Return a batch size as an int, NumPy's integers included."""
    if isinstance(batch_size, bool | np.bool_):
        raise TypeError(f"batch_size must be an integer, not {batch_size!r}.")
    try:
        return operator.index(batch_size)
    except TypeError:
        raise TypeError(f"batch_size must be an integer, not {batch_size!r}.") from None


def as_candidates(candidates: Any) -> NDArray[Any] | None:
    """Return candidates as an array; refuse what would be misread as indices."""
    if candidates is None:
        return None
    candidates = np.asarray(candidates)
    if candidates.ndim != 1:
        return candidates
    if candidates.dtype == bool:
        raise ValueError(
            "candidates is a boolean mask. Pass indices: np.flatnonzero(mask)."
        )
    if not len(candidates):
        raise ValueError("candidates is empty: there is nothing to query.")
    if candidates.dtype.kind not in "iu":
        raise ValueError(
            f"candidates of one axis must be integers, not {candidates.dtype}. To pass "
            "inputs, give them the axes of X."
        )
    if candidates.min() < 0:
        raise ValueError("candidates must not be negative: they are rows of X.")
    return candidates


def as_sample_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Return weights as an array, one number for each row of X."""
    if sample_weight is None:
        return None
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "sample_weight must hold numbers, one for each row of X."
        ) from None
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must hold one number for each of the {n_rows} rows of X, "
            f"labelled or not; its shape is {weight.shape}."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            "sample_weight must be finite and not negative. Give rows without a label "
            "any weight, such as 1: it does not count."
        )
    return weight


def check_unlabeled_left(y: Any, missing_label: Any) -> None:
    """Raise if every row has a label."""
    if len(y) and not is_unlabeled(np.asarray(y), missing_label).any():
        raise ValueError(
            "Every row of y has a label, so there is nothing left to query. Unlabelled "
            f"rows hold missing_label={missing_label!r}."
        )


def checked_picks(name: str, picks: Tensor, batch_size: int, n: int) -> NDArray[Any]:
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


def checked_utilities(
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
