"""Data sets by name or by path."""

import csv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import fetch_openml, load_digits

from skal_deep.datasets._idx import read_idx

# Where Debian's package dataset-fashion-mnist puts its files.
_DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
NAMES = ("digits", "fashion-mnist")


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes
    ----------
    name : str
        Its name.
    X : ndarray of shape (n, ...)
        Inputs in float32: vectors, or images (n, c, h, w) between 0 and 1.
    y : ndarray of shape (n,)
        Labels.
    X_test, y_test : ndarray or None
        Test data, where the data set comes with a split.
    """

    name: str
    X: NDArray[np.float32]
    y: NDArray[Any]
    X_test: NDArray[np.float32] | None = None
    y_test: NDArray[Any] | None = None


def load(source: str | Path, label: str | None = None) -> Data:
    """Return a data set by name or from a file or folder.

    Parameters
    ----------
    source : str or Path
        "digits" (1,797 images of 8 x 8 pixels as vectors, part of scikit-learn);
        "fashion-mnist" (70,000 images of 28 x 28 pixels, from Debian's package
        dataset-fashion-mnist if installed, else from OpenML); a folder with the IDX
        files of MNIST or its kin; an .npz file with arrays X and y (and X_test and
        y_test) or x_train and y_train (and x_test and y_test); or a .csv file with a
        header, one row a sample.
    label : str, default=None
        Column of a .csv file that holds the labels; ``None`` is the last.

    Returns
    -------
    data : Data
        The data set.
    """
    if str(source) == "digits":
        X, y = load_digits(return_X_y=True)
        return Data("digits", (X / 16).astype(np.float32), y)
    if str(source) == "fashion-mnist":
        if _DEBIAN_FASHION_MNIST.is_dir():
            return _from_idx("fashion-mnist", _DEBIAN_FASHION_MNIST)
        return _from_openml("fashion-mnist", "Fashion-MNIST", n_train=60_000)
    path = Path(source)
    if path.is_dir():
        return _from_idx(path.name, path)
    if path.is_file() and path.suffix == ".npz":
        return _from_npz(path)
    if path.is_file() and path.suffix == ".csv":
        return _from_csv(path, label)
    raise ValueError(
        f"No data set {str(source)!r}. Give one of {', '.join(NAMES)}, or the path of "
        "an .npz file, a .csv file or a folder with IDX files."
    )


def _images(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Return images of bytes as (n, 1, h, w) between 0 and 1."""
    return (pixels[:, None] / np.float32(255)).astype(np.float32)


def _from_idx(name: str, folder: Path) -> Data:
    """Return the data of four IDX files under their usual names."""
    arrays = []
    for part in (
        "train-images-idx3",
        "train-labels-idx1",
        "t10k-images-idx3",
        "t10k-labels-idx1",
    ):
        found = sorted(folder.glob(f"{part}-ubyte*"))
        if not found:
            raise ValueError(
                f"{folder} holds no {part}-ubyte or {part}-ubyte.gz. A folder must "
                "hold the four files of MNIST or its kin."
            )
        arrays.append(read_idx(found[0]))
    X, y, X_test, y_test = arrays
    return Data(
        name, _images(X), y.astype(np.int64), _images(X_test), y_test.astype(np.int64)
    )


def _from_openml(name: str, openml_name: str, n_train: int) -> Data:
    """Return a data set of square images from OpenML."""
    try:
        X, y = fetch_openml(
            openml_name, version=1, return_X_y=True, as_frame=False, parser="liac-arff"
        )
    except OSError as error:
        raise ValueError(
            f"{name} could not be downloaded from OpenML ({error}). Install Debian's "
            "package dataset-fashion-mnist, or give a folder with the IDX files."
        ) from error
    side = int(np.sqrt(X.shape[1]))
    images, y = _images(X.reshape(-1, side, side)), y.astype(np.int64)
    return Data(name, images[:n_train], y[:n_train], images[n_train:], y[n_train:])


def _from_npz(path: Path) -> Data:
    """Return the arrays of an .npz file."""
    with np.load(path) as file:
        arrays = {name.lower(): file[name] for name in file.files}
    X, y = (arrays.get(n, arrays.get(f"{n}_train")) for n in ("x", "y"))
    if X is None or y is None:
        raise ValueError(
            f"{path} must hold arrays X and y, or x_train and y_train; it holds "
            f"{', '.join(arrays) or 'nothing'}."
        )
    X_test, y_test = arrays.get("x_test"), arrays.get("y_test")
    return Data(
        path.stem,
        _as_float(X),
        y.ravel(),
        None if X_test is None else _as_float(X_test),
        None if y_test is None else y_test.ravel(),
    )


def _as_float(X: NDArray[Any]) -> NDArray[np.float32]:
    """Return inputs in float32; images get a channel axis and values up to 1."""
    if X.ndim == 3:
        X = X[:, None]
    scale = 255 if X.dtype == np.uint8 else 1
    return (X / np.float32(scale)).astype(np.float32)


def _from_csv(path: Path, label: str | None) -> Data:
    """Return the rows of a .csv file."""
    with path.open(newline="") as file:
        header, *lines = [line for line in csv.reader(file) if line]
    label = header[-1] if label is None else label
    if label not in header:
        raise ValueError(f"{path} has no column {label!r}; it has {', '.join(header)}.")
    at = header.index(label)
    try:
        X = np.array([line[:at] + line[at + 1 :] for line in lines], dtype=np.float32)
    except ValueError as error:
        raise ValueError(
            f"{path} must hold numbers in every column but {label!r}: {error}."
        ) from error
    classes, y = np.unique([line[at] for line in lines], return_inverse=True)
    with suppress(ValueError):  # words keep their positions in alphabetical order
        y = classes.astype(np.int64)[y]
    return Data(path.stem, X, y)
