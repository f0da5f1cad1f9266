"""Labels of a file as whole numbers, and what they stand for."""

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.rows._label_array import look_alikes

# Makes labels of what a file has, and says what they stand for.
Reader = Callable[[NDArray[Any], str], tuple[NDArray[Any], tuple[str, ...] | None]]
MISSING = -1  # marks a row without a label, as everywhere in this package

# How programs write that there is no value; compared without case and outer spaces.
_NO_VALUE = ("", "nan", "<na>", "n/a", "#n/a", "null")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INT64 = np.iinfo(np.int64)


def as_labels(
    y: NDArray[Any], source: str = "y"
) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """Return labels as whole numbers, and what they stand for where they are words.

    Words that are whole numbers in the usual spelling become these numbers, if all
    are. Otherwise each spelling is a class of its own ("01" is not "1"), numbered in
    alphabetical order. No value, that is, NaN or an empty word, is no class: the row
    has no label, which is said in a warning.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, 1)
        Whole numbers, or words.
    source : str, default="y"
        Where they are from, for what is said of them.
    """
    if y.ndim not in (1, 2) or y.size != len(y):
        raise ValueError(
            f"The labels of {source} have shape {y.shape}: one label a row is needed. "
            "Where columns stand for classes, use their argmax."
        )
    y = y.ravel()
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"The labels of {source} are not UTF-8 text.") from error
    if y.dtype.kind == "b" or (y.dtype.kind in "iu" and not len(y)):
        return y.astype(np.int64), None
    if y.dtype.kind in "iu":
        if int(y.max()) > _INT64.max:
            return _numbered(y.astype(str), np.zeros(len(y), bool), source)
        return y.astype(np.int64), None
    if y.dtype.kind == "f":
        return _of_floats(y, source)
    if y.dtype.kind == "U":
        return _of_words(y, source)
    raise ValueError(
        f"The labels of {source} are of type {y.dtype}: whole numbers or words are "
        "needed."
    )


def _of_floats(y: NDArray[Any], source: str) -> tuple[NDArray[np.int64], None]:
    """Return whole numbers that are stored as floats."""
    missing = np.isnan(y)
    known = y[~missing]
    parts = known[(known != known.round()) | np.isinf(known)]
    if len(parts):
        raise ValueError(_measured(source, parts.tolist()))
    # From here on neighbours are one number: an id may have become that of another.
    if len(known) and np.abs(known).max() >= 1 / np.finfo(y.dtype).epsneg:
        raise ValueError(
            f"The labels of {source} are too large for {y.dtype}, which merges "
            "neighbours: store them as whole numbers or words."
        )
    labels = np.full(len(y), MISSING, np.int64)
    labels[~missing] = known.astype(np.int64)
    _say(missing, labels, source)
    return labels, None


def _of_words(
    y: NDArray[Any], source: str
) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """Return the numbers that words are, else numbers for them."""
    missing = np.array([is_no_value(word) for word in y.tolist()], dtype=bool)
    known = y[~missing].tolist()
    stems = known
    if known and all(word.endswith(".0") for word in known):  # floats, as pandas has
        stems = [word.removesuffix(".0") for word in known]
    numbers = [int(word) for word in stems if _WHOLE.fullmatch(word)]
    if len(numbers) == len(known) and _in_int64(numbers):
        labels = np.full(len(y), MISSING, np.int64)
        labels[~missing] = numbers
        _say(missing, labels, source)
        return labels, None
    if all(map(_DECIMAL.fullmatch, known)):
        values = map(float, known)  # only looked at: the classes are the words
        parts = [v for v in values if math.isfinite(v) and not v.is_integer()]
        if parts:
            raise ValueError(_measured(source, parts))
    return _numbered(y, missing, source)


def _in_int64(numbers: list[int]) -> bool:
    return not numbers or (min(numbers) >= _INT64.min and max(numbers) <= _INT64.max)


def _numbered(
    words: NDArray[Any], missing: NDArray[np.bool_], source: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return a number for each word, in alphabetical order."""
    names, positions = np.unique(words[~missing], return_inverse=True)
    labels = np.full(len(words), MISSING, np.int64)
    labels[~missing] = positions
    if said := look_alikes(names.tolist()):
        warnings.warn(f"{source}: {said}", UserWarning, stacklevel=5)
    _say(missing, labels, source)
    return labels, tuple(names.tolist())


def _say(missing: NDArray[np.bool_], labels: NDArray[np.int64], source: str) -> None:
    """Warn of rows without a label; refuse a class that looks like them."""
    if not missing.any():
        return
    if missing.all():
        raise ValueError(f"No row of {source} has a label.")
    if (labels[~missing] == MISSING).any():
        raise ValueError(
            f"{source} has rows without a label and rows with the label {MISSING}, "
            "which marks rows without one. If it is a class, give it another number; "
            "if not, leave it out as in the other rows."
        )
    warn_of_gaps(missing, source, "label", str(MISSING))


def is_no_value(word: str) -> bool:
    """Return whether a word says that there is no value.

    Parameters
    ----------
    word : str
        The word.
    """
    return word.strip().casefold() in _NO_VALUE


def warn_of_gaps(missing: NDArray[np.bool_], source: str, kind: str, mark: str) -> None:
    """Warn of rows that have no label, or no target.

    Parameters
    ----------
    missing : ndarray of shape (n,)
        Which rows.
    source : str
        Where they are from.
    kind : {"label", "target"}
        What they lack.
    mark : str
        What stands in its place.
    """
    if missing.any():
        warnings.warn(
            f"{missing.sum()} of {len(missing)} rows of {source} have no {kind}: they "
            f"are never asked for (they count as {mark}).",
            UserWarning,
            stacklevel=5,
        )


def _measured(source: str, examples: list[float]) -> str:
    return (
        f"The labels of {source} are numbers that are not whole (such as "
        f"{examples[0]}), that is, targets of a regression. Classes are whole numbers "
        "or words: name the column as the target (--target), or bin the numbers."
    )
