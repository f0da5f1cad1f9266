"""What turns items into features: pixels, words, frozen models, functions."""

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from skal_deep.campaign.models._models import imported
from skal_deep.embedding import Embedder
from skal_deep.embedding._backbone import loaded
from skal_deep.embedding._images import scaled
from skal_deep.rows._image_file import as_rgb

_MOST_PIXELS = 32  # a side; more say little more to a linear model
_MOST_WORDS = 20_000
_MOST_DIRECTIONS = 256
_IMAGE_SIZE = (224, 224)  # where a net does not say what it was trained on
LIBRARIES = ("pixels", "tfidf", "torchvision", "timm", "transformers")
CHOICES = (
    "pixels",
    "tfidf",
    "torchvision:NAME",
    "timm:NAME",
    "transformers:NAME",
    "module:function",
)


class Extractor(ABC):
    """What turns items into features.

    Attributes
    ----------
    settings : dict
        What it found out from the first items; kept beside the features.
    """

    takes: ClassVar[str]  # "image", "text" or "any"
    sees_all: ClassVar[bool] = False  # all items at once
    dtype: ClassVar[str] = "float16"

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    @abstractmethod
    def __call__(self, items: Sequence[Any]) -> NDArray[Any]:
        """Return one row for each item."""


class Pixels(Extractor):
    """The pixels of a small copy of each image."""

    takes = "image"

    def __call__(self, items: Sequence[Any]) -> NDArray[Any]:
        """Return pixels between 0 and 1, channels first."""
        if not self.settings:
            height = min(_MOST_PIXELS, max(image.height for image in items))
            width = min(_MOST_PIXELS, max(image.width for image in items))
            is_grey = all(image.mode in ("L", "1", "LA") for image in items)
            self.settings = {"shape": [1 if is_grey else 3, height, width]}
        channels, height, width = self.settings["shape"]
        mode = "L" if channels == 1 else "RGB"
        rows = [
            np.asarray(as_rgb(image).convert(mode).resize((width, height)), np.float32)
            / 255
            for image in items
        ]
        pixels_NHWC = np.stack(rows).reshape(len(rows), height, width, channels)
        return pixels_NHWC.transpose(0, 3, 1, 2).reshape(len(rows), -1)


class Words(Extractor):
    """Words weighed by how rare they are, in few directions."""

    takes = "text"
    sees_all = True
    dtype = "float32"

    def __call__(self, items: Sequence[Any]) -> NDArray[Any]:
        """Return the coordinates of each text."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        words = TfidfVectorizer(
            max_features=_MOST_WORDS, sublinear_tf=True, dtype=np.float32
        )
        try:
            weights = words.fit_transform(items)
        except ValueError as error:
            raise ValueError(f"The texts hold no words: {error}") from error
        n_directions = min(_MOST_DIRECTIONS, min(weights.shape) - 1)
        if n_directions < 1:
            return np.asarray(weights.toarray())
        directions = TruncatedSVD(n_directions, random_state=0)
        with np.errstate(invalid="ignore"):  # shares of a variance that may be 0
            return np.asarray(directions.fit_transform(weights))


class Net(Extractor):
    """A frozen model.

    Parameters
    ----------
    backbone : object
        What :class:`~skal_deep.embedding.Embedder` takes.
    takes : {"image", "text"}
        What it is given.
    preprocess : callable
        Makes the model's input of a list of texts, or of images of PIL.
    batch_size : int
        Items a pass.
    device : str
        Where to compute.
    cache_dir : Path, default=None
        Folder that keeps embeddings.
    version : str, default=""
        Part of the key of what it keeps.
    """

    takes = "image"

    def __init__(
        self,
        backbone: Any,
        takes: str,
        preprocess: Callable[[list[Any]], Any],
        batch_size: int,
        device: str,
        cache_dir: Path | None = None,
        version: str = "",
    ):
        super().__init__()
        self.takes = takes  # type: ignore[misc]
        self._embedder = Embedder(
            backbone,
            preprocess=preprocess if takes == "text" else _of_pixels(preprocess),
            batch_size=batch_size,
            device=device,
            cache_dir=cache_dir,
            version=version,
        )

    def __call__(self, items: Sequence[Any]) -> NDArray[Any]:
        """Return embeddings."""
        rows: Any = list(items)
        if self.takes == "image":
            rows = [np.asarray(as_rgb(image)) for image in items]
        return np.asarray(self._embedder.transform(rows))


def _of_pixels(preprocess: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """Return what makes a model's input of arrays, which an embedder can tell apart."""
    from PIL import Image

    return lambda rows: preprocess([Image.fromarray(pixels) for pixels in rows])


class Function(Extractor):
    """A function of the user's: a list of items in, an array of rows out.

    Parameters
    ----------
    name : str
        ``module:function``. It is given paths of images, texts, or arrays of numbers.
    """

    takes = "any"
    dtype = "float32"

    def __init__(self, name: str):
        super().__init__()
        self._name, self._function = name, imported(name)

    def __call__(self, items: Sequence[Any]) -> NDArray[Any]:
        """Return what the function returns."""
        rows_ND = np.asarray(self._function(list(items)), dtype=np.float32)
        if rows_ND.ndim != 2 or len(rows_ND) != len(items):
            raise ValueError(
                f"{self._name} returned shape {rows_ND.shape} for {len(items)} items: "
                "one vector an item, (n, d), is needed."
            )
        return rows_ND


def feature_name(spec: str) -> str:
    """Return the name that features are kept under.

    Parameters
    ----------
    spec : str
        What the user asked for, such as "torchvision:resnet18".
    """
    name = spec.rpartition(":")[2].rpartition("/")[2]
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name).strip(".")
    if not safe or safe in ("table", "embeddings"):
        raise ValueError(f"{spec!r} names no features: use {', '.join(CHOICES)}.")
    return safe


def make_extractor(
    spec: str,
    kind: str,
    *,
    batch_size: int,
    device: str,
    download: bool,
    cache_dir: Path | None = None,
) -> Extractor:
    """Return what computes features.

    Parameters
    ----------
    spec : str
        One of the choices, or ``module:function``.
    kind : str
        What the items are.
    batch_size : int
        Items a pass.
    device : str
        Where to compute.
    download : bool
        Whether weights may be fetched from the internet.
    cache_dir : Path, default=None
        Folder in which a frozen model keeps embeddings.
    """
    kept: dict[str, Any] = {"cache_dir": cache_dir, "version": spec}
    library, _, name = spec.partition(":")
    if spec == "pixels":
        extractor: Extractor = Pixels()
    elif spec == "tfidf":
        extractor = Words()
    elif library == "torchvision" and name:
        net, preprocess = _torchvision(name, download)
        extractor = Net(net, "image", preprocess, batch_size, device, **kept)
    elif library == "timm" and name:
        with _offline(not download), _fetching(spec, download):
            backbone = loaded(spec)
        about = getattr(backbone, "pretrained_cfg", None) or {}
        size = about.get("input_size", ())[1:]
        preprocess = _scaling(size, about.get("mean"), about.get("std"))
        extractor = Net(backbone, "image", preprocess, batch_size, device, **kept)
    elif library == "transformers" and name:
        with _offline(not download), _fetching(spec, download):
            backbone, preprocess = _transformers(name, kind)
        takes = "image" if kind == "image" else "text"
        extractor = Net(backbone, takes, preprocess, batch_size, device, **kept)
    elif name:
        extractor = Function(spec)
    else:
        raise ValueError(f"There are no features {spec!r}: use {', '.join(CHOICES)}.")
    if extractor.takes not in ("any", kind):
        other = "tfidf" if kind == "text" else "pixels"
        raise ValueError(
            f"{spec} takes items that are {extractor.takes}s, and those of this "
            f"campaign are of the kind {kind}."
            + (f" Use --features {other}." if kind in ("text", "image") else "")
        )
    return extractor


def _scaling(
    size: Sequence[int] = (),
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Callable[[list[Any]], Any]:
    """Return what makes a net's input of images, as it was trained on them.

    Nothing is cropped: what is to be labelled may stand at the edge.
    """
    how = {"mean": mean, "std": std}
    known = {name: value for name, value in how.items() if value is not None}
    height, width = size or _IMAGE_SIZE

    def preprocess(images: list[Any]) -> Any:
        return torch.stack([scaled(one, (height, width), **known) for one in images])

    return preprocess


def _torchvision(name: str, download: bool) -> tuple[Any, Callable[[list[Any]], Any]]:
    """Return one of torchvision's nets without its last layer, and what it is given."""
    try:
        from torchvision import models
    except ImportError as error:
        raise ImportError(
            f"torchvision:{name} needs torchvision: pip install torchvision (the "
            "version that fits your torch)."
        ) from error
    except RuntimeError as error:  # its operators are of another version's
        raise ImportError(
            f"torchvision:{name} needs a torchvision that fits torch "
            f"{torch.__version__}, and the one that is installed does not ({error}): "
            "install both together, as pytorch.org says."
        ) from error
    try:
        weights = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise ValueError(
            f"torchvision has no model {name!r}: {error}. A common one is resnet18."
        ) from error
    file = os.path.join(
        torch.hub.get_dir(), "checkpoints", os.path.basename(weights.url)
    )
    if not download and not os.path.exists(file):
        raise FileNotFoundError(
            f"{_missing(f'torchvision:{name}', file)} Or fetch {weights.url} "
            "elsewhere, and put it there."
        )
    try:
        net = models.get_model(name, weights=weights)
    except OSError:  # of the internet
        raise
    except Exception as error:  # torch has many for a file that is none of its own
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{file} does not hold the weights of torchvision's {name} ({reason}): "
            f"fetch {weights.url} anew."
        ) from error
    about = weights.transforms()
    preprocess = _scaling(about.crop_size * 2, about.mean, about.std)
    for layer in ("fc", "classifier", "head", "heads"):
        if hasattr(net, layer):
            setattr(net, layer, _without_end(getattr(net, layer)))
            return net, preprocess
    raise ValueError(
        f"torchvision:{name} ends in no layer that can be taken off: use resnet18, or "
        "a function of your own, module:function."
    )


def _without_end(layers: Any) -> Any:
    """Return the last layers of a net without the one that knows the classes."""
    if not isinstance(layers, torch.nn.Sequential):
        return torch.nn.Identity()
    weighs = (torch.nn.Linear, torch.nn.Conv2d)
    last = max(at for at, layer in enumerate(layers) if isinstance(layer, weighs))
    layers[last] = torch.nn.Identity()
    return layers


def _transformers(name: str, kind: str) -> tuple[Any, Callable[[list[Any]], Any]]:
    """Return a model of a language or of images, and what makes its input."""
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            f"transformers:{name} needs transformers: pip install transformers."
        ) from error
    model = transformers.AutoModel.from_pretrained(name)
    part = "get_image_features" if kind == "image" else "get_text_features"
    if hasattr(model, part):
        model = _Part(model, part)
    if kind == "image":
        processor = transformers.AutoImageProcessor.from_pretrained(name)
        return model, lambda images: processor(images, return_tensors="pt")
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    return model, lambda texts: tokenizer(
        texts, return_tensors="pt", padding=True, truncation=True
    )


class _Part(torch.nn.Module):
    """The images' part of a model of images and texts, such as CLIP, or the texts'."""

    def __init__(self, model: Any, method: str):
        super().__init__()
        self.model, self._method = model, method

    def forward(self, **batch: Any) -> Any:
        output = getattr(self.model, self._method)(**batch)
        return getattr(output, "pooler_output", output)


def _missing(spec: str, where: str) -> str:
    return (
        f"The weights of {spec} are not on this machine ({where}). Nothing is fetched "
        "from the internet unless you say so: add --download."
    )


@contextmanager
def _offline(is_offline: bool) -> Iterator[None]:
    """Let the libraries of model hubs read what is there, and fetch nothing."""
    if not is_offline:
        yield
        return
    with ExitStack() as stack:
        names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        stack.enter_context(patch.dict(os.environ, dict.fromkeys(names, "1")))
        with suppress(ImportError):  # it reads the environment when it is imported
            constants = importlib.import_module("huggingface_hub.constants")
            stack.enter_context(patch.object(constants, "HF_HUB_OFFLINE", True))
        yield


@contextmanager
def _fetching(spec: str, download: bool) -> Iterator[None]:
    """Say what to do where weights are missing."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if download or isinstance(error, ImportError):
            raise
        raise FileNotFoundError(_missing(spec, str(error).split("\n")[0])) from error
