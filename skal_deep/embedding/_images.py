"""Files of images to embeddings."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval

from skal_deep.embedding._base import BaseEmbedder
from skal_deep.embedding._identity import content_key
from skal_deep.embedding._rows import DataRows, Rows
from skal_deep.rows._image_file import as_rgb, missing, open_image

# Means and standard deviations of the channels of ImageNet, by which almost every
# pretrained net was trained.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class ImageEmbedder(BaseEmbedder):
    """Turn file names of images into embeddings by a frozen model.

    Before a classifier in a Pipeline it makes an active-learning model for a folder of
    images. With ``cache_dir`` each file goes through the backbone once, for all rounds,
    processes and sessions.

    Use it when images are files and labels are few.

    Parameters
    ----------
    backbone : Module, callable or str
        The model, see :class:`Embedder`. ``"timm:NAME"`` loads one of timm's.
    preprocess : callable, default=None
        Takes a PIL image and returns a tensor (c, h, w). ``None`` makes it RGB, on
        white where it is transparent, resizes it to ``image_size``, and scales it by
        the means and standard deviations of ImageNet.
    image_size : int, default=224
        Height and width that images are resized to, if there is no ``preprocess``.
    version : str, default=""
        Part of the cache's key, see :class:`Embedder`.
    cache_dir : str or Path, default=None
        Folder for embeddings. ``None`` keeps nothing.
    batch_size : int, default=32
        Images a pass.
    device : str, default="auto"
        Where to compute; "auto" is a GPU if there is one.
    dtype : {"float16", "float32"}, default="float16"
        Precision of the embeddings, with a cache and without. Results are float32.
    max_bytes : int, default=None
        Largest size of the cache of a model; the oldest embeddings go first.
    n_jobs : int, default=1
        Number of threads that read and decode files.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    n_features_out_ : int
        Length of an embedding.

    See Also
    --------
    Embedder : The same for arrays, texts and dicts of arrays.

    Notes
    -----
    The key of a file is a digest of its bytes: it may be moved and renamed, and one
    that was changed is embedded anew.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from torch import nn
    >>> from skal_deep.embedding import ImageEmbedder
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "red.png")
    ...     Image.new("RGB", (40, 30), "red").save(file)
    ...     embedder = ImageEmbedder(nn.Conv2d(3, 5, 3), image_size=32)
    ...     embedder.fit_transform([file]).shape
    (1, 5)
    """

    _parameter_constraints = {
        **BaseEmbedder._parameter_constraints,
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        backbone,
        *,
        preprocess=None,
        image_size=224,
        version="",
        cache_dir=None,
        batch_size=32,
        device="auto",
        dtype="float16",
        max_bytes=None,
        n_jobs=1,
        verbose=False,
    ):
        self.backbone = backbone
        self.preprocess = preprocess
        self.image_size = image_size
        self.version = version
        self.cache_dir = cache_dir
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype
        self.max_bytes = max_bytes
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _as_rows(self, X: Any) -> "_FileRows":
        return _FileRows.of(X, self.n_jobs)

    def _settings(self) -> dict[str, Any]:
        size = self.image_size if self.preprocess is None else None
        return {"preprocess": self.preprocess, "size": size, "dtype": self.dtype}

    def _batch(self, rows: Sequence[Any], backbone: Any) -> torch.Tensor:  # noqa: ARG002
        with ThreadPoolExecutor(self.n_jobs) as threads:
            images = list(threads.map(self._image, rows))
        shapes = {tuple(image.shape) for image in images}
        if len(shapes) > 1:
            raise ValueError(
                f"`preprocess` returns images of shapes {sorted(shapes)[:3]}: let it "
                "resize them to one."
            )
        return torch.stack(images)

    def _image(self, file: "_File") -> torch.Tensor:
        image = open_image(file.path, file.read())
        if self.preprocess is None:
            return scaled(image, (self.image_size, self.image_size))
        tensor = self.preprocess(image)
        return torch.as_tensor(
            np.asarray(tensor) if not isinstance(tensor, torch.Tensor) else tensor
        )


def scaled(
    image: Any,
    size: tuple[int, int],
    mean: Sequence[float] = _MEAN,
    std: Sequence[float] = _STD,
) -> torch.Tensor:
    """Return an image as pretrained nets want it, of shape (3, height, width).

    Parameters
    ----------
    image : PIL.Image.Image
        The image.
    size : tuple of int (height, width)
        What it is resized to.
    mean, std : sequence of 3 floats, default=those of ImageNet
        What each channel is scaled by.
    """
    image = as_rgb(image, size)
    pixels_HWC = torch.from_numpy(np.array(image)).float() / 255
    pixels_HWC = (pixels_HWC - torch.tensor(mean)) / torch.tensor(std)
    return pixels_HWC.permute(2, 0, 1)


class _File:
    """One file, whose bytes are those that its key was made of."""

    def __init__(self, path: str):
        self.path = path
        self.key = content_key("file", _bytes(path))

    def read(self) -> bytes:
        """Return its bytes."""
        data = _bytes(self.path)
        if content_key("file", data) != self.key:
            raise ValueError(f"{self.path} was changed while it was being embedded.")
        return data


class _FileRows(Rows):
    """Files, known by their bytes."""

    def __init__(self, files: list[_File]):
        self._files = files

    @classmethod
    def of(cls, X: Any, n_jobs: int) -> "_FileRows":
        """Return rows that were given as names of files."""
        names = DataRows(X)
        if isinstance(X, Mapping):
            raise TypeError("X must hold names of files, not a dict of arrays.")
        paths = [_path(name) for name in names.values()]
        with ThreadPoolExecutor(n_jobs) as threads:
            return cls(list(threads.map(_File, paths)))

    def __len__(self) -> int:
        return len(self._files)

    def take(self, rows: Sequence[int]) -> "_FileRows":
        return _FileRows([self._files[row] for row in rows])

    def values(self) -> list[Any]:
        return list(self._files)

    def keys(self) -> list[bytes]:
        return [file.key for file in self._files]


def _path(name: Any) -> str:
    if isinstance(name, str):
        return name
    raise TypeError(
        f"X must hold names of files, not {name!r:.60}; arrays of images go to "
        "Embedder."
    )


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise missing(path, error) from error
