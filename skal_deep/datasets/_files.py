"""Data sets from the files of a user."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._data import Data, as_inputs, as_labels
from skal_deep.datasets._idx import read_idx

_IDX_PARTS = (
    "train-images-idx3",
    "train-labels-idx1",
    "t10k-images-idx3",
    "t10k-labels-idx1",
)


def from_idx(name: str, folder: Path) -> Data:
    """Return the data of four IDX files under their usual names.

    Parameters
    ----------
    name : str
        Name of the data set.
    folder : Path
        Where the files are.
    """
    arrays = []
    for part in _IDX_PARTS:
        found = sorted(folder.glob(f"{part}-ubyte*"))
        if not found:
            raise ValueError(
                f"{folder} holds no {part}-ubyte or {part}-ubyte.gz. A folder must "
                "hold the four files of MNIST or its kin."
            )
        arrays.append(read_idx(found[0]))
    X, y, X_test, y_test = arrays
    return Data(
        name, as_inputs(X), as_labels(y)[0], as_inputs(X_test), as_labels(y_test)[0]
    )


def from_npz(path: Path) -> Data:
    """Return the arrays of an .npz file.

    Parameters
    ----------
    path : Path
        The file.
    """
    with np.load(path) as file:
        arrays = {name.lower(): file[name] for name in file.files}
    X, y = (arrays.get(n, arrays.get(f"{n}_train")) for n in ("x", "y"))
    if X is None or y is None:
        raise ValueError(
            f"{path} must hold arrays X and y, or x_train and y_train; it holds "
            f"{', '.join(arrays) or 'nothing'}."
        )
    X_test, y_test = arrays.get("x_test"), arrays.get("y_test")
    _check_lengths(path, X, y)
    if X_test is None and y_test is None:
        labels, names = as_labels(y)
        return Data(path.stem, as_inputs(X), labels, class_names=names)
    if X_test is None or y_test is None:
        raise ValueError(f"{path} must hold both X_test and y_test, or neither.")
    _check_lengths(path, X_test, y_test)
    labels, names = as_labels(np.concatenate([y.ravel(), y_test.ravel()]))
    return Data(
        path.stem,
        as_inputs(X),
        labels[: len(X)],
        as_inputs(X_test),
        labels[len(X) :],
        names,
    )


def _check_lengths(path: Path, X: NDArray[Any], y: NDArray[Any]) -> None:
    if len(X) != y.size:
        raise ValueError(f"{path} holds {len(X)} rows, but {y.size} labels.")


def from_csv(path: Path, label: str | None) -> Data:
    """Return the rows of a .csv file.

    Parameters
    ----------
    path : Path
        The file, with a header.
    label : str or None
        Column of the labels; ``None`` is the last.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        lines = [(reader.line_num, line) for line in reader if line]
    if len(lines) < 2:
        raise ValueError(f"{path} holds no rows: it needs a header, then a row a line.")
    header = lines.pop(0)[1]
    for number, line in lines:
        if len(line) != len(header):
            raise ValueError(
                f"{path}, line {number}: {len(line)} entries for {len(header)} columns."
            )
    label = header[-1] if label is None else label
    if label not in header:
        raise ValueError(f"{path} has no column {label!r}; it has {', '.join(header)}.")
    at = header.index(label)
    try:
        X = np.array([line[:at] + line[at + 1 :] for _, line in lines], np.float32)
    except ValueError as error:
        raise ValueError(
            f"{path} must hold numbers in every column but {label!r}: {error}."
        ) from error
    y, names = as_labels(np.array([line[at] for _, line in lines]))
    return Data(path.stem, X, y, class_names=names)
