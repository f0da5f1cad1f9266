"""A folder with a folder of images for each class."""

import warnings
from pathlib import Path

import numpy as np

from skal_deep.datasets._data import Data, as_inputs
from skal_deep.datasets._memory import check_room
from skal_deep.rows._image_file import as_rgb, open_image
from skal_deep.rows._label_array import look_alikes

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def class_folders(path: Path) -> dict[str, list[Path]]:
    """Return the images of each class, of a folder that has a folder a class.

    Parameters
    ----------
    path : Path
        The folder.
    """
    folders = sorted(each for each in path.iterdir() if each.is_dir())
    images = {
        folder.name: sorted(
            f for f in folder.iterdir() if f.suffix.lower() in _SUFFIXES
        )
        for folder in folders
    }
    return {name: files for name, files in images.items() if files}


def from_class_folders(path: Path, pixels: int | None, as_names: bool) -> Data:
    """Return the images of a folder that has a folder for each class.

    Parameters
    ----------
    path : Path
        The folder.
    pixels : int or None
        Sides that images get; ``None`` leaves them, if they all have one size.
    as_names : bool
        Whether inputs are the names of the files; then none of them is opened.
    """
    classes, images = class_folders(path), []
    files = [file for each in classes.values() for file in each]
    labels = np.repeat(
        np.arange(len(classes)), [len(each) for each in classes.values()]
    )
    names = (*classes,)
    if said := look_alikes(names):
        warnings.warn(f"{path}: {said}", UserWarning, stacklevel=3)
    if as_names:
        X = np.array([str(file) for file in files], dtype=object)
        return Data(path.name, X, labels, class_names=names)
    for file in files:
        size = None if pixels is None else (pixels, pixels)
        image = as_rgb(open_image(file), size)
        images.append(np.moveaxis(np.asarray(image), -1, 0))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"{file} has {images[-1].shape[2]} x {images[-1].shape[1]} pixels, "
                f"{files[0]} has {images[0].shape[2]} x {images[0].shape[1]}: say how "
                "many pixels a side all are to have."
            )
        if len(images) == 1:
            check_room(4 * images[0].size * len(files), path)
    return Data(path.name, as_inputs(np.stack(images)), labels, class_names=names)
