"""Tables as text: the parts of a line, the header, the column of the labels."""

import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._costs import as_costs, check_own_column
from skal_deep.datasets._data import Data
from skal_deep.datasets._frames import SAY_WHICH, as_frame, warn_of_gaps
from skal_deep.datasets._labels import Reader, as_labels, is_no_value

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MARKS = {",": "commas", ";": "semicolons", "\t": "tabs"}
Line = tuple[int, list[str]]  # its number, and its entries


def from_csv(
    path: Path,
    label: str | None,
    text: str | None = None,
    categories: Sequence[str] = (),
    read: Reader = as_labels,
    cost: str | None = None,
) -> Data:
    """Return the rows of a table.

    Parameters
    ----------
    path : Path
        The file: a header, then a row a line, with entries parted by commas,
        semicolons or tabs, whichever part the header most often.
    label : str or None
        Column of the labels; ``None`` is the last.
    text : str, optional
        Column of the texts, if these are the inputs.
    categories : sequence of str, default=()
        Columns of words, beside those of numbers.
    read : callable, default=as_labels
        Makes labels, or targets, of words.
    cost : str, optional
        Column of what labels cost.
    """
    (_, header), *lines = _lines(path)
    at = _label_column(path, header, label)
    for number, line in lines:
        if len(line) != len(header):
            raise ValueError(
                f"{path}, line {number}: {len(line)} entries for {len(header)} columns."
            )
        if "\n" in line[at] or "\r" in line[at]:
            raise ValueError(
                f"{path}, up to line {number}: the entry {_cut(line[at])!r} of "
                f"{header[at]!r} goes over several lines. Is a quotation mark not "
                "closed?"
            )
    _check_header(path, header, lines, at)
    features = [column for column in range(len(header)) if column != at]
    if header[0] == "" and at != 0 and _counts_up([line[0] for _, line in lines]):
        warnings.warn(
            f"The first column of {path} has no name and counts the rows: it is left "
            "out.",
            UserWarning,
            stacklevel=3,
        )
        features = features[1:]
    costs = None
    if cost is not None:
        check_own_column(cost, header[at], [text, *categories])
        at_cost = _label_column(path, header, cost)
        costs = as_costs([line[at_cost] for _, line in lines], str(path))
        features = [column for column in features if column != at_cost]
    if not features:
        raise ValueError(f"{path} has no column beside the labels, {header[at]!r}.")
    X: Any
    if text is not None:
        column = _label_column(path, header, text)
        X = np.array([line[column] for _, line in lines], dtype=object)
    elif categories:
        at_words = [_label_column(path, header, name) for name in categories]
        of_numbers = [column for column in features if column not in at_words]
        X = as_frame(
            {header[c]: [line[c] for _, line in lines] for c in at_words},
            [header[column] for column in of_numbers],
            _numbers(path, header, lines, of_numbers, header[at]),
        )
    else:
        X = _numbers(path, header, lines, features, header[at])
    y, names = read(np.array([line[at] for _, line in lines]), str(path))
    return Data(path.stem, X, y, class_names=names, cost=costs)


def _lines(path: Path) -> list[Line]:
    """Return the lines of a file that are not empty, the header first."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            mark = _mark(file.readline())
            file.seek(0)
            reader = csv.reader(
                file, delimiter=mark, skipinitialspace=True, strict=True
            )
            lines = [(reader.line_num, line) for line in reader if line]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: save it as such.") from error
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}. Is a quotation mark not closed?"
        ) from error
    if len(lines) < 2:
        raise ValueError(f"{path} holds no rows: it needs a header, then a row a line.")
    if len(lines[0][1]) < 2:
        raise ValueError(
            f"{path} has one column only, {_cut(lines[0][1][0])}: it needs features "
            f"and a label, parted by {', '.join(_MARKS.values())}."
        )
    return lines


def _mark(header: str) -> str:
    """Return what parts the entries of a header; commas where nothing says more."""
    return max(_MARKS, key=re.sub('"[^"]*"', "", header).count)


def _label_column(path: Path, header: list[str], label: str | None) -> int:
    """Return the column of the labels."""
    if label is None:
        return len(header) - 1
    if label not in header:
        raise ValueError(
            f"{path} has no column {label!r}; it has {_cut(', '.join(header))}."
        )
    if header.count(label) > 1:
        raise ValueError(f"{path} has {header.count(label)} columns {label!r}.")
    return header.index(label)


def _check_header(path: Path, header: list[str], lines: list[Line], at: int) -> None:
    """Refuse a first line that is a row, and warn of one that looks like it."""
    names = header[:at] + header[at + 1 :]
    if not all(map(_NUMBER.fullmatch, names)) or _counts_up(names):
        return  # columns without names are numbered by those who write them
    is_row = _NUMBER.fullmatch(header[at]) or any(
        line[at] == header[at] for _, line in lines
    )
    if is_row:
        raise ValueError(
            f"The first line of {path} is a row, not a header: add a line with the "
            "names of the columns in front of it, so that no row is lost."
        )
    warnings.warn(
        f"The first line of {path} is taken for a header, though its names are "
        f"numbers: {_cut(', '.join(header))}.",
        UserWarning,
        stacklevel=4,
    )


def _counts_up(entries: list[str]) -> bool:
    """Return whether entries are 0, 1, 2 and so on, or 1, 2, 3."""
    return any(
        all(entry == str(i) for i, entry in enumerate(entries, first))
        for first in (0, 1)
    )


def _numbers(
    path: Path, header: list[str], lines: list[Line], columns: list[int], label: str
) -> NDArray[np.float32]:
    """Return the columns of numbers, NaN where there is none; say what is no number."""
    X = np.empty((len(lines), len(columns)), np.float32)
    for i, (number, line) in enumerate(lines):
        entries = [line[column] for column in columns]
        values = [_number(entry) for entry in entries]
        with np.errstate(over="ignore"):  # what is too large is seen below
            X[i] = values
        is_right = np.isfinite(X[i]) | [is_no_value(entry) for entry in entries]
        if not is_right.all():
            wrong = int(np.argmin(is_right))
            raise ValueError(
                f"{path}, line {number}, column {header[columns[wrong]]!r}: "
                f"{_cut(entries[wrong])!r} is no number. There must be numbers in "
                f"every column but {label!r}, with a decimal point, unless "
                f"{SAY_WHICH}."
            )
    warn_of_gaps(X, str(path))
    return X


def _number(entry: str) -> float:
    entry = entry.strip()
    return float(entry) if _NUMBER.fullmatch(entry) else float("nan")


def _cut(text: Any, width: int = 200) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= width else f"{text[:width]} ..."
