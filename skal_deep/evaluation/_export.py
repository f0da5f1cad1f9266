"""What is written for other programs and for pages: names, cells and JSON."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

_N_BYTES = 200  # of the name of a folder, of which systems take 255
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What neither XML nor UTF-8 can hold: control characters, halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def check_name(what: str, name: Any) -> None:
    """Raise unless a name can stand in a table, a figure and the name of a folder.

    Parameters
    ----------
    what : str
        What it is the name of.
    name : object
        The name.
    """
    if not isinstance(name, str):
        raise TypeError(f"The name of a {what} must be a string, not {name!r}.")
    if not name.strip() or not name.isprintable():
        raise ValueError(
            f"The name of a {what} must have letters, and none that cannot be "
            f"printed, unlike {name!r}."
        )
    if len(quote(name)) > _N_BYTES:
        raise ValueError(
            f"The name of a {what} is too long for that of a folder: {name[:40]!r}... "
            f"takes {len(quote(name))} of {_N_BYTES} bytes."
        )


def shorten(value: Any) -> str:
    """Return how a value is written, in one line of at most 80 letters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}..."


def replace_unprintable(text: str) -> str:
    """Return a text, with a mark for each character that a page cannot hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def escape_formula(name: Any, n_shown: int = 60) -> str:
    """Return a name as matplotlib draws it: as it is, on one line, not too long.

    A dollar would begin a formula.

    Parameters
    ----------
    name : object
        The name.
    n_shown : int, default=60
        How many of its letters.
    """
    text = " ".join(replace_unprintable(str(name)).split())
    if len(text) > n_shown:
        text = f"{text[:n_shown]}\u2026"
    if text.startswith("_"):  # matplotlib leaves such names out of legends
        text = f"\u200b{text}"
    return text.replace("$", r"\$")


def write_csv(
    path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write rows as text, words such that no spreadsheet runs them as formulas.

    Parameters
    ----------
    path : str or Path
        File to write.
    columns : sequence of str
        Their names.
    rows : iterable of dict
        Values by column.
    """
    text = csv_text(columns, rows)
    Path(path).write_text(text, encoding="utf-8", newline="")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what :func:`write_csv` writes.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : iterable of dict
        Values by column.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    """Return a cell with a mark that keeps spreadsheets from running it.

    What begins with such a mark has another one, so that :func:`without_mark` knows.
    """
    if isinstance(value, str) and value.lstrip("'").startswith(_FORMULA):
        return f"'{value}"
    return value


def without_mark(cell: str) -> str:
    """Return the text of a cell that may have a mark, as a table of ours has it.

    Parameters
    ----------
    cell : str
        What a table holds.
    """
    is_marked = cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA)
    return cell[1:] if is_marked else cell


def json_text(content: Any) -> str:
    """Return JSON as its standard has it: no NaN, no infinity, but null."""
    return json.dumps(_plain(content), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
