"""Images on disk as a data set of torch, read one way to train, another to score."""

import copy
import os
from collections.abc import Callable
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from skal_deep.rows._image_file import as_rgb, missing, open_image


class ImageFiles(Dataset[Any]):
    """Images on disk, decoded when a mini-batch needs them.

    Give it to a skorch net as ``dataset=ImageFiles``; X is then the names of the files,
    and never more than some mini-batches of images are in memory. Workers of the loader
    decode side by side: ``iterator_train__num_workers=2``.

    Rows are read for scoring, always in the same way, unless a training asks: then
    ``train_transform`` changes them, which may be random. Our classifiers and queries
    ask in their trainings, for no validation part and no prediction.

    Use it to train a net on images that are files. For a frozen backbone, or batches of
    arrays, see below.

    Parameters
    ----------
    X : array-like of shape (n_samples,)
        Names of the files.
    y : array-like of shape (n_samples, ...), default=None
        Labels.
    image_size : int or (int, int), default=None
        Height and width that all images get. ``None`` leaves them, if they all have
        those of the first.
    transform : callable, default=None
        Takes a PIL image in RGB and returns the input of the module, an array or a
        tensor. ``None`` returns a tensor of shape (3, height, width), from 0 to 1.
    train_transform : callable, default=None
        Takes a PIL image in RGB, in training, and returns an array or a tensor, or
        another PIL image, which then goes through ``transform``. It may draw from the
        global generators of torch, NumPy or Python. ``None`` reads as for scoring.

    See Also
    --------
    skal_deep.embedding.ImageEmbedder : A frozen backbone that embeds each file once.
    skal_deep.classifier.DeepClassifier : Its ``augment`` changes mini-batches.
    load : Lists the images of a folder with ``files=True``.

    Notes
    -----
    Trained by skorch's own ``net.fit``, without one of our classifiers, nothing is
    augmented. Draws of a loader with workers depend on their number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image, ImageOps
    >>> from skal_deep.datasets import ImageFiles
    >>> with TemporaryDirectory() as folder:
    ...     names = [Path(folder, "red.png"), Path(folder, "blue.png")]
    ...     for name in names:
    ...         Image.new("RGB", (8, 6), name.stem).save(name)
    ...     data = ImageFiles(
    ...         names, [0, 1], image_size=4, train_transform=ImageOps.flip
    ...     )
    ...     image, label = data[1]
    ...     image.shape, label, data.training()[1][0].shape
    (torch.Size([3, 4, 4]), 1, torch.Size([3, 4, 4]))
    """

    def __init__(
        self,
        X: Any,
        y: Any = None,
        image_size: int | tuple[int, int] | None = None,
        transform: Callable[[Any], Any] | None = None,
        train_transform: Callable[[Any], Any] | None = None,
    ):
        self.names = [_name(each) for each in np.asarray(X, dtype=object).ravel()]
        self.y = y
        self.image_size = image_size
        self.transform = transform
        self.train_transform = train_transform
        self._trains = False
        self._size = _as_size(image_size)
        # Before any training, not in the middle of it.
        for name in self.names:
            if not Path(name).is_file():
                raise missing(name)
        if y is not None and len(y) != len(self.names):
            raise ValueError(f"X has {len(self.names)} files, but y {len(y)} labels.")

    def training(self) -> "ImageFiles":
        """Return a data set of the same files, read as for training.

        Returns
        -------
        ImageFiles
            The data set.
        """
        training = copy.copy(self)
        training._trains = True
        return training

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        image = as_rgb(open_image(self.names[row]), self._size)
        if self._size is None and self.transform is None:
            self._check_size(self.names[row], image.size)
        if self._trains and self.train_transform is not None:
            image = self.train_transform(image)
        if hasattr(image, "getbands"):  # a PIL image still
            image = _pixels(image) if self.transform is None else self.transform(image)
        return image, 0 if self.y is None else self.y[row]

    def _check_size(self, name: str, size: tuple[int, int]) -> None:
        """Refuse images of several sizes, which make no mini-batch."""
        if size != self._first_size:
            first = " x ".join(map(str, self._first_size))
            raise ValueError(
                f"{name} has {size[0]} x {size[1]} pixels, {self.names[0]} has {first}:"
                " say which all are to have, by dataset__image_size=64 in the net, for "
                "example."
            )

    @cached_property
    def _first_size(self) -> tuple[int, int]:
        size: tuple[int, int] = open_image(self.names[0]).size
        return size


def _pixels(image: Any) -> torch.Tensor:
    """Return a PIL image as a tensor (3, h, w) from 0 to 1."""
    pixels_HWC = torch.from_numpy(np.array(as_rgb(image)))
    return pixels_HWC.permute(2, 0, 1).contiguous().float() / 255


def _name(each: Any) -> str:
    if isinstance(each, str | os.PathLike):
        return os.fsdecode(each)
    raise TypeError(
        f"ImageFiles takes names of files, not {each!r:.60}. Arrays of images need no "
        "data set class: pass them as X."
    )


def _as_size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(
        isinstance(n, Integral) and int(n) > 0 for n in sides
    ):
        raise ValueError(
            f"image_size must be a number of pixels or (height, width), not {size!r}."
        )
    return int(sides[0]), int(sides[1])
