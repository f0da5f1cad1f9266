"""Tables with columns of words: made of a text file, or read from Parquet."""

import warnings
from collections.abc import Iterable, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._costs import as_costs, check_columns
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
    check_columns(label, cost, [text, *categories])
    costs, others = None, frame.drop(columns=[label])
    if cost is not None:
        costs = as_costs(frame[cost], str(path))
        others = others.drop(columns=[cost])
    words = frame[label].to_numpy()
    if words.dtype == object:
        words = np.array(_words(words, f"The column {label!r} of {path}"))
    y, class_names = read(words, str(path))
    if text is not None:
        texts = others[text]
        X: Any = np.array(_words(texts, f"The column {text!r} of {path}"), object)
        return Data(path.stem, X, y, class_names=class_names, cost=costs)
    of_numbers = [name for name in others.columns if name not in categories]
    X_numbers = np.empty((len(others), len(of_numbers)), np.float32)
    for at, name in enumerate(of_numbers):
        X_numbers[:, at] = _numbers(path, name, others[name])
    warn_of_gaps(X_numbers, str(path))
    if categories:
        words = {
            name: _words(others[name], f"The column {name!r} of {path}")
            for name in categories
        }
        X = as_frame(words, of_numbers, X_numbers)[list(others.columns)]
    else:
        X = X_numbers
    return Data(path.stem, X, y, class_names=class_names, cost=costs)


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float32]:
    """Return a column as numbers, NaN where there is none."""
    wanted = f"The column {name!r} of {path} must hold numbers below 3e38, unless "
    if column.dtype == object:  # decimal numbers, or truth values with gaps
        known = [each for each in column if not _is_gap(each)]
        if all(isinstance(each, Decimal | bool) for each in known):
            column = column.map(float, na_action="ignore").astype(np.float64)
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


def _words(entries: Iterable[Any], what: str) -> list[str]:
    """Return entries as words, empty where there is none."""
    return ["" if _is_gap(entry) else _word(entry, what) for entry in entries]


def _word(entry: Any, what: str) -> str:
    if isinstance(entry, list | dict | np.ndarray):
        raise ValueError(f"{what} holds lists or records: words or numbers are needed.")
    if not isinstance(entry, bytes):
        return str(entry)
    try:  # as programs write texts that mark them as nothing else
        return entry.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{what} holds bytes that are no text in UTF-8.") from error


def _is_gap(word: Any) -> bool:
    is_one = not isinstance(word, list | dict | np.ndarray)
    return word is None or (is_one and bool(word != word))


def _read(path: Path) -> Any:
    pd = _pandas("A Parquet file")
    if find_spec("pyarrow") is None and find_spec("fastparquet") is None:
        raise ImportError("A Parquet file needs pyarrow: pip install pyarrow.")
    try:
        return pd.read_parquet(path)
    except Exception as error:  # a damaged file makes the reader raise anything
        raise ValueError(f"{path} is no Parquet file, or damaged: {error}.") from error
