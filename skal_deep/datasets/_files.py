"""Data sets from the files of arrays of a user."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.datasets._costs import as_costs
from skal_deep.datasets._data import Data, as_inputs
from skal_deep.datasets._idx import read_idx
from skal_deep.datasets._labels import Reader, as_labels
from skal_deep.datasets._memory import check_room, memory

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
    _check_lengths(folder, X, y)
    _check_lengths(folder, X_test, y_test)
    return Data(
        name, as_inputs(X), as_labels(y)[0], as_inputs(X_test), as_labels(y_test)[0]
    )


def from_npz(path: Path, read: Reader = as_labels, cost: str | None = None) -> Data:
    """Return the arrays of an .npz file.

    Parameters
    ----------
    path : Path
        The file.
    read : callable, default=as_labels
        Makes labels, or targets, of y.
    cost : str, optional
        Array of what the labels of X cost.
    """
    arrays = _arrays(path)
    X, y = (arrays.get(n, arrays.get(f"{n}_train")) for n in ("x", "y"))
    if X is None or y is None:
        raise ValueError(
            f"{path} must hold arrays X and y, or x_train and y_train; it holds "
            f"{', '.join(arrays) or 'nothing'}."
        )
    X_test, y_test = arrays.get("x_test"), arrays.get("y_test")
    _check_lengths(path, X, y, read)
    costs = None if cost is None else _costs(path, arrays, cost, len(X))
    if X_test is None and y_test is None:
        labels, names = read(y, str(path))
        return Data(path.stem, as_inputs(X), labels, class_names=names, cost=costs)
    if X_test is None or y_test is None:
        raise ValueError(f"{path} must hold both X_test and y_test, or neither.")
    _check_lengths(path, X_test, y_test, read)
    if X.shape[1:] != X_test.shape[1:]:
        raise ValueError(
            f"The rows of X and X_test in {path} differ in shape: {X.shape[1:]} and "
            f"{X_test.shape[1:]}."
        )
    kinds = {"iu": "whole numbers", "b": "truth values", "f": "floats", "SU": "words"}
    kind, kind_test = (
        next(
            (word for k, word in kinds.items() if each.dtype.kind in k), str(each.dtype)
        )
        for each in (y, y_test)
    )
    if kind != kind_test:  # joined they would become of one kind, whatever was meant
        raise ValueError(
            f"y of {path} holds {kind}, y_test {kind_test}: both must be of one kind."
        )
    if read is as_labels:
        y, y_test = y.ravel(), y_test.ravel()
    labels, names = read(_joined(y, y_test), str(path))
    return Data(
        path.stem,
        as_inputs(X),
        labels[: len(X)],
        as_inputs(X_test),
        labels[len(X) :],
        names,
        cost=costs,
    )


def _costs(
    path: Path, arrays: dict[str, NDArray[Any]], name: str, n_rows: int
) -> NDArray[np.float64]:
    """Return what the labels cost, by the name of its array."""
    if name.lower() in ("y", "y_train", "y_test"):
        raise ValueError(
            f"The array {name!r} of {path} holds labels, not what they cost: say which "
            "array does (cost=..., --cost)."
        )
    costs = arrays.get(name.lower())
    if costs is None or costs.shape != (n_rows,):
        found = "none" if costs is None else f"one of shape {costs.shape}"
        raise ValueError(
            f"{path} must hold an array {name!r} with a cost for each of its {n_rows} "
            f"rows; it holds {found}."
        )
    return as_costs(costs, str(path))


def _joined(y: NDArray[Any], y_test: NDArray[Any]) -> NDArray[Any]:
    """Return both one after the other; whole numbers of two types stay whole."""
    both = np.concatenate([y, y_test])
    if both.dtype.kind == "f" and y.dtype.kind in "iu":  # int64 and uint64
        return np.array([*y.tolist(), *y_test.tolist()]).astype(str)
    return both


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return what an .npz file holds, by names without case."""
    try:
        with zipfile.ZipFile(path) as packed:
            n_bytes = sum(part.file_size for part in packed.infolist())
        if n_bytes <= memory():
            with np.load(path) as file:
                arrays = {name.lower(): file[name] for name in file.files}
    except Exception as error:  # a damaged file makes the readers raise anything
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(
            f"{path} is no .npz file, or is damaged or cut short, or holds objects "
            f"({error or type(error).__name__}). Arrays of numbers or words are "
            "written by numpy.savez."
        ) from error
    check_room(n_bytes, path)
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # a part that is no array: its bytes
            raise ValueError(f"{name} in {path} is no array.")
    return arrays


def _check_lengths(
    path: Path, X: NDArray[Any], y: NDArray[Any], read: Reader = as_labels
) -> None:
    is_one = y.ndim and (read is not as_labels or len(y) == y.size)
    if not X.ndim or not is_one or len(X) != len(y):
        raise ValueError(
            f"{path} holds {len(X) if X.ndim else 'no'} rows, but {y.size} labels "
            f"(shapes {X.shape} and {y.shape})."
        )
