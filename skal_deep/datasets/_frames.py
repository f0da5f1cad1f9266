"""Tables with columns of words: made of a text file, or read from Parquet."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._costs import as_costs, check_own_column
from skal_deep.datasets._data import Data
from skal_deep.datasets._labels import Reader, as_labels

# What to do about a column of words.
SAY_WHICH = (
    "it is said to hold texts (text=..., --text) or categories (categories=[...], "
    "--categories)"
)


def _pandas(what: str) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise ImportError(f"{what} needs pandas: pip install pandas.") from None
    return pd


def as_frame(
    words: dict[str, list[str]], names: Sequence[str], numbers: NDArray[np.float32]
) -> Any:
    """Return columns of words, then columns of numbers, as a table of pandas.

    Parameters
    ----------
    words : dict of str to list of str
        Columns of words by name; what is empty is missing.
    names : sequence of str
        Names of the columns of numbers.
    numbers : ndarray of shape (n, len(names))
        These columns.
    """
    pd = _pandas("A table with categories")
    columns = {
        name: pd.Series([entry or None for entry in entries], dtype=object)
        for name, entries in words.items()
    }
    return pd.DataFrame(columns | dict(zip(names, numbers.T, strict=True)))


def from_parquet(
    path: Path,
    label: str | None,
    text: str | None,
    categories: Sequence[str],
    read: Reader = as_labels,
    cost: str | None = None,
) -> Data:
    """Return the rows of a Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    label : str or None
        Column of the labels; ``None`` is the last.
    text : str or None
        Column of the texts, if these are the inputs.
    categories : sequence of str
        Columns of words, beside those of numbers.
    read : callable, default=as_labels
        Makes labels, or targets, of a column.
    cost : str, optional
        Column of what labels cost.
    """
    frame = _read(path)
    names = [str(name) for name in frame.columns]
    label = names[-1] if label is None else label
    for name in (label, text, cost, *categories):
        if name is not None and name not in names:
            raise ValueError(f"{path} has no column {name!r}; it has {names}.")
    costs, others = None, frame.drop(columns=[label])
    if cost is not None:
        check_own_column(cost, label, [text, *categories])
        costs = as_costs(frame[cost], str(path))
        others = others.drop(columns=[cost])
    words = frame[label].to_numpy()
    if words.dtype == object:
        words = np.array(["" if _is_gap(word) else str(word) for word in words])
    y, class_names = read(words, str(path))
    if text is not None:
        texts = others[text]
        X: Any = np.array(
            ["" if _is_gap(each) else str(each) for each in texts], dtype=object
        )
        return Data(path.stem, X, y, class_names=class_names, cost=costs)
    of_numbers = [name for name in others.columns if name not in categories]
    X_numbers = np.empty((len(others), len(of_numbers)), np.float32)
    for at, name in enumerate(of_numbers):
        X_numbers[:, at] = _numbers(path, name, others[name])
    warn_of_gaps(X_numbers, str(path))
    if categories:
        words = {
            name: ["" if _is_gap(each) else str(each) for each in others[name]]
            for name in categories
        }
        X = as_frame(words, of_numbers, X_numbers)[list(others.columns)]
    else:
        X = X_numbers
    return Data(path.stem, X, y, class_names=class_names, cost=costs)


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float32]:
    """Return a column as numbers, NaN where there is none."""
    wanted = f"The column {name!r} of {path} must hold numbers below 3e38, unless "
    if column.dtype.kind not in "biuf":
        raise ValueError(f"{wanted}{SAY_WHICH}; it holds {column.dtype}.")
    with np.errstate(over="ignore"):  # what is too large is seen below
        values: NDArray[np.float32] = column.to_numpy(np.float32, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise ValueError(f"{wanted}{SAY_WHICH}; row {row} (from 0) is infinite.")
    return values


def warn_of_gaps(X: NDArray[np.float32], source: str) -> None:
    """Warn of entries without a number, which most models refuse.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Columns of numbers.
    source : str
        Where they are from.
    """
    n_gaps = int(np.isnan(X).sum())
    if n_gaps:
        warnings.warn(
            f"{n_gaps} of {X.size} numbers of {source} are missing: they are NaN, for "
            "which a model needs an imputer, such as scikit-learn's SimpleImputer (the "
            "command line has one).",
            UserWarning,
            stacklevel=4,
        )


def _is_gap(word: Any) -> bool:
    return word is None or word != word


def _read(path: Path) -> Any:
    pd = _pandas("A Parquet file")
    if find_spec("pyarrow") is None and find_spec("fastparquet") is None:
        raise ImportError("A Parquet file needs pyarrow: pip install pyarrow.")
    try:
        return pd.read_parquet(path)
    except Exception as error:  # a damaged file makes the reader raise anything
        raise ValueError(f"{path} is no Parquet file, or damaged: {error}.") from error
