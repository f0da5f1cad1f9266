"""Checks of what a query is given and of what a strategy returns."""

import operator
import warnings
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from skactiveml.utils import is_unlabeled
from sklearn.base import clone
from torch import Tensor

from skal_deep.rows._as_data import array_of_tensor, as_data
from skal_deep.rows._data import (
    check_alike,
    is_finite,
    is_numbers,
    is_table,
    n_columns,
    n_rows,
)
from skal_deep.rows._label_array import label_array, vector
from skal_deep.rows._numbers import numbers
from skal_deep.rows._shape import check_no_mask

# Two unrelated rows have a squared correlation of 1 / (S - 1) by S draws.
_FEW_DRAWS = 50


def as_batch_size(batch_size: Any) -> int:
    """Return a batch size as an int, NumPy's integers included."""
    if isinstance(batch_size, bool | np.bool_):
        raise TypeError(f"batch_size must be an integer, not {batch_size!r}.")
    try:
        # more is as good as all, and beyond it NumPy knows no numbers
        return min(operator.index(batch_size), np.iinfo(np.int64).max)
    except TypeError:
        raise TypeError(f"batch_size must be an integer, not {batch_size!r}.") from None


def as_candidates(candidates: Any, X: Any) -> tuple[Any, bool]:
    """Return candidates, and whether they are inputs and no rows of X.

    What would be misread as positions is refused.

    Parameters
    ----------
    candidates : array-like or None
        As given.
    X : object
        All inputs, in a form of ``as_data``.
    """
    if candidates is None:
        return None, False
    if isinstance(candidates, Mapping) or issparse(candidates):
        return _as_foreign(candidates, X), True
    if is_table(candidates):
        if len(candidates.shape) == 1:
            return _as_column(candidates, X)
        return _as_foreign(candidates, X), True
    if hasattr(candidates, "get_indexer"):  # an Index of pandas
        raise ValueError(
            "candidates is an Index of pandas, whose entries are labels of rows; pass "
            "their positions, X.index.get_indexer(candidates)."
        )
    if isinstance(candidates, torch.Tensor):
        candidates = array_of_tensor(candidates, "candidates")
    try:
        array = np.asarray(candidates)
    except ValueError:
        raise ValueError("The rows of candidates are not all of one shape.") from None
    check_no_mask(candidates, "candidates")
    if not array.ndim:
        kind = TypeError if array.dtype == object else ValueError
        raise kind(
            f"candidates must be None, a list of rows of X, or inputs; it is "
            f"{array.item()!r}."
        )
    if array.ndim > 1:
        return _as_foreign(candidates, X), True
    if array.dtype.kind in "OUST" and len(X.shape) == 1 and not isinstance(X, Mapping):
        return _as_foreign(candidates, X), True
    return _as_positions(array, n_rows(X)), False


def _as_column(candidates: Any, X: Any) -> tuple[Any, bool]:
    """Return a column of a table: texts where these are rows of X, else positions."""
    array = np.asarray(candidates)
    if len(X.shape) == 1 and array.dtype.kind in "OUST":
        return _as_foreign(candidates, X), True
    _check_no_labels(candidates)
    return _as_positions(array, n_rows(X)), False


def _check_no_labels(candidates: Any) -> None:
    """Raise if a column of pandas may hold labels of rows, where positions count."""
    index: Any = getattr(candidates, "index", None)
    if not hasattr(index, "get_indexer"):  # of another library
        return
    is_of_index = candidates.name in ("index", "level_0")  # as reset_index names it
    if is_of_index or not np.array_equal(index, np.arange(len(candidates))):
        raise ValueError(
            "candidates is a Series of pandas with an index or a name of its own, so "
            "that its entries may be labels of rows, while positions are asked for. "
            "If they are positions, pass candidates.to_numpy(); if labels, "
            "X.index.get_indexer(candidates)."
        )


def _as_positions(candidates: NDArray[Any], n: int) -> NDArray[np.intp]:
    if not len(candidates):
        raise ValueError("candidates is empty: there is nothing to query.")
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
    if candidates.max() >= n:
        raise ValueError(
            f"candidates holds {candidates.max()}, but X has {n} rows, 0 ... {n - 1}."
        )
    return candidates.astype(np.intp)


def as_rounds(rounds: Any, n: int) -> list[NDArray[np.intp]]:
    """Return the batches of earlier queries as arrays of distinct rows of X.

    Parameters
    ----------
    rounds : sequence of array-like of shape (n_picks,)
        As given.
    n : int
        Number of rows of X.
    """
    is_list = isinstance(rounds, Iterable) and not isinstance(rounds, str | Mapping)
    batches = [np.asarray(batch) for batch in rounds] if is_list else None
    if batches is None or any(
        batch.ndim != 1 or (len(batch) and batch.dtype.kind not in "iu")
        for batch in batches
    ):
        raise ValueError(
            "rounds must be a list of the batches that earlier queries returned, an "
            f"array of rows of X each, in their order; it is {str(rounds)[:80]}."
        )
    rows = np.concatenate([np.empty(0, np.intp), *batches]).astype(np.intp)
    if len(rows) and not (rows.min() >= 0 and rows.max() < n):
        raise ValueError(
            f"rounds holds rows from {rows.min()} to {rows.max()}, but X has {n} rows, "
            f"0 ... {n - 1}."
        )
    values, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"rounds holds row {values[counts > 1][0]} more than once, but a row is "
            "asked for once."
        )
    return [batch.astype(np.intp) for batch in batches]


def as_inner(strategy: Any, missing_label: Any) -> Any:
    """Return a strategy for another to ask, with its marker and by its generator."""
    check_can_be_inner(strategy)
    return clone(strategy).set_params(missing_label=missing_label, random_state=None)


def check_can_be_inner(strategy: Any) -> None:
    """Raise if a strategy reads earlier batches, of which it knows its own alone."""
    if getattr(strategy, "_reads_rounds", False):
        name = type(strategy).__name__
        raise TypeError(
            f"{name} learns from the batches of its own queries, and cannot stand "
            "inside another strategy: ask it by itself, with the others as its arms."
        )


def _as_foreign(candidates: Any, X: Any) -> Any:
    """Return candidates that are inputs; their rows must be like those of X."""
    candidates = as_data(candidates, "candidates")
    if not n_rows(candidates):
        raise ValueError("candidates is empty: there is nothing to query.")
    if is_numbers(X) and n_columns(candidates) is not None:
        candidates = numbers(candidates, "candidates", "X, an array of numbers,")
    check_alike(candidates, X, "candidates")
    kinds = [getattr(rows, "dtype", None) for rows in (candidates, X)]
    if all(isinstance(kind, np.dtype) and kind.kind == "f" for kind in kinds):
        candidates = candidates.astype(kinds[1])  # rows of X have its precision
    return candidates


def check_finite(X: Any, name: str, why: str) -> None:
    """Raise if an array of numbers has NaN or infinite ones.

    Parameters
    ----------
    X : object
        Inputs in a form of ``as_data``, or a tensor.
    name : str
        Their name.
    why : str
        Who needs finite numbers.
    """
    if not is_finite(np.asarray(X)):
        raise ValueError(
            f"Input {name} contains NaN or infinity, and {why} needs finite numbers: "
            "pass a Pipeline that fills them in, for example by SimpleImputer."
        )


def check_labels(y: Any) -> None:
    """Raise if labels are not at least a sequence."""
    if np.ndim(y) == 0:
        raise TypeError(f"y must hold one label for each row of X; it is {y!r}.")


def targets_and_marker(y: Any, missing_label: Any) -> tuple[NDArray[Any], Any]:
    """Return targets of a regression, and what marks those that are missing.

    NaN does where there is any: it is no target, and -1 may be one.
    """
    y = vector(y)
    targets = label_array(y, np.nan)
    if targets.dtype.kind not in "biuf":
        raise ValueError(
            "A regressor learns numbers, and y holds others, of type "
            f"{targets.dtype}: pass floats, with NaN where a target is unknown."
        )
    if np.isinf(targets).any():
        row = int(np.argwhere(np.isinf(targets))[0, 0])
        raise ValueError(f"Targets must be finite numbers, and row {row} of y is none.")
    is_number = isinstance(missing_label, Real) and missing_label == missing_label
    if targets.dtype.kind != "f" or not is_number or not np.isnan(targets).any():
        marked = label_array(y, missing_label)
        if is_number and marked.dtype.kind in "iuf":
            _warn_of_marker_among_targets(marked, missing_label)
        return marked, missing_label
    if (targets == missing_label).any():
        raise ValueError(
            f"y has NaN and {missing_label!r}, which marks rows without a target. If "
            f"{missing_label!r} is a target, pass missing_label=np.nan; if not, write "
            "NaN in its place."
        )
    return targets, np.nan


def _warn_of_marker_among_targets(targets: NDArray[Any], marker: float) -> None:
    """Warn if what marks rows without a target may be the target of some."""
    known, is_marked = targets[targets != marker], targets == marker
    if is_marked.any() and len(known) and known.min() < marker < known.max():
        warnings.warn(
            f"{is_marked.sum()} targets are missing_label={marker!r} and count as "
            "unknown, though it lies among the targets. Write NaN for those that are "
            "unknown, and pass missing_label=np.nan.",
            stacklevel=4,
        )


def warn_of_few_draws(name: str, n_draws: int, stacklevel: int) -> None:
    """Warn that covariances of so few draws of a regressor are noise."""
    if n_draws < _FEW_DRAWS:
        warnings.warn(
            f"{name} measures covariances by {n_draws} draws of the regressor, which "
            f"are noise below {_FEW_DRAWS} or so.",
            stacklevel=stacklevel,
        )


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
        or not ((positions >= 0) & (positions < n) & (positions % 1 == 0)).all()
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
