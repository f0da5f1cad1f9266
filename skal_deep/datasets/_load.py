"""Data sets by name or by path."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_openml, load_diabetes, load_digits

from skal_deep.datasets._csv import from_csv
from skal_deep.datasets._data import Data, as_inputs
from skal_deep.datasets._files import from_idx, from_npz
from skal_deep.datasets._frames import from_parquet
from skal_deep.datasets._images import class_folders, from_class_folders
from skal_deep.datasets._labels import Reader, as_labels
from skal_deep.datasets._targets import as_targets

# Where Debian's package dataset-fashion-mnist puts its files.
_DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
_WITH_COSTS = (".csv", ".tsv", ".parquet", ".npz")
NAMES = ("digits", "fashion-mnist", "diabetes")


def load(
    source: str | Path,
    label: str | None = None,
    text: str | None = None,
    categories: Sequence[str] = (),
    pixels: int | None = None,
    target: str | None = None,
    files: bool = False,
    cost: str | None = None,
) -> Data:
    """Return a data set by name or from a file or folder.

    Use it for a first comparison, or to read your own data in one of these formats.

    Parameters
    ----------
    source : str or Path
        "digits" (1,797 images of 8 x 8 pixels as vectors, part of scikit-learn);
        "diabetes" (442 patients and how ill they are a year later, a number, part of
        scikit-learn);
        "fashion-mnist" (70,000 images of 28 x 28 pixels, from Debian's package
        dataset-fashion-mnist if installed, else from OpenML); a folder with the IDX
        files of MNIST or its kin; an .npz file with arrays X and y (and X_test and
        y_test) or x_train and y_train (and x_test and y_test); a .csv file with a
        header, one row a sample, its entries separated by commas, semicolons or tabs; a
        .parquet file; or a folder that has a folder of images for each class.
    label : str, default=None
        Column of a table that holds the labels; ``None`` is the last.
    text : str, default=None
        Column of a table that holds texts, which are then the inputs. ``None`` takes
        all columns but the labels.
    categories : sequence of str, default=()
        Columns of a table that hold words. The inputs are then a table of pandas.
    pixels : int, default=None
        Sides that images of a folder get; ``None`` leaves them as they are.
    target : str, default=None
        Column of a table that holds numbers to predict, in place of labels; of an .npz
        file "y".
    files : bool, default=False
        Whether the inputs of a folder of images are the names of the files, for
        :class:`ImageFiles` or an :class:`~skal_deep.embedding.ImageEmbedder`, so that
        it may be larger than memory.
    cost : str, default=None
        Column of a table, or array of an .npz file, that says what each label costs,
        and is no input.

    Returns
    -------
    Data
        The data set. Rows whose label is empty or NaN have none: they are at -1, and
        a warning says how many.

    See Also
    --------
    Data : What is returned.
    ImageFiles : Reads images on disk, for a net.
    read_idx : Reads one file of the format of MNIST.

    Examples
    --------
    >>> from skal_deep.datasets import load
    >>> data = load("digits")
    >>> data.name, data.X.shape
    ('digits', (1797, 64))
    """
    if files and not (isinstance(source, str | PathLike) and _has_images(Path(source))):
        raise ValueError(
            "files=True is for a folder that has a folder of images for each class; "
            f"{str(source)!r} is none."
        )
    if cost is not None and Path(str(source)).suffix.lower() not in _WITH_COSTS:
        raise ValueError(
            f"Costs are a column of a .csv or .parquet file, or an array of an .npz "
            f"file; {str(source)!r} is none of these."
        )
    if str(source) == "digits":
        X, y = load_digits(return_X_y=True)
        inputs = as_inputs(X) / np.float32(16)
        return Data("digits", inputs, as_labels(y)[0], image_shape=(8, 8))
    if str(source) == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        return Data("diabetes", as_inputs(X), as_targets(y)[0])
    if str(source) == "fashion-mnist":
        if _DEBIAN_FASHION_MNIST.is_dir():
            return from_idx("fashion-mnist", _DEBIAN_FASHION_MNIST)
        return _from_openml("fashion-mnist", "Fashion-MNIST", n_train=60_000)
    if not isinstance(source, str | PathLike):
        raise TypeError(
            f"A data set is a name or a path, not an object of type "
            f"{type(source).__name__}."
        )
    path = Path(source)
    if target is not None and label is not None:
        raise ValueError("A table has a label or a target: name one of them.")
    read: Reader = as_labels if target is None else as_targets
    label = label if target is None else target
    if _has_images(path):
        return from_class_folders(path.resolve(), pixels, files)
    if path.is_dir():
        return from_idx(path.resolve().name, path)
    if path.is_file() and path.suffix.lower() == ".npz":
        if target not in (None, "y"):
            raise ValueError(f"The target of an .npz file is 'y', not {target!r}.")
        return from_npz(path, read, cost)
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        return from_csv(path, label, text, categories, read, cost)
    if path.is_file() and path.suffix.lower() == ".parquet":
        return from_parquet(path, label, text, categories, read, cost)
    raise ValueError(
        f"No data set {str(source)!r}. Give one of {', '.join(NAMES)}, or the path of "
        "an .npz file, a .csv file, a .parquet file, a folder with IDX files, or a "
        "folder that has a folder of images for each class."
    )


def _has_images(path: Path) -> bool:
    return path.is_dir() and bool(class_folders(path))


def _from_openml(name: str, openml_name: str, n_train: int) -> Data:
    """Return a data set of square images of bytes from OpenML."""
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
    images = as_inputs(X.reshape(-1, side, side).astype(np.uint8))
    labels = as_labels(y)[0]
    return Data(
        name, images[:n_train], labels[:n_train], images[n_train:], labels[n_train:]
    )
