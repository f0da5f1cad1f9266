"""Files of images as pixels: opened with an error that names them, RGB on white."""

import io
import os
from pathlib import Path
from typing import Any


def open_image(name: Any, content: bytes | None = None) -> Any:
    """Return a PIL image, decoded.

    Parameters
    ----------
    name : str or Path
        Name of the file.
    content : bytes, default=None
        What is in it, if that is known already.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError("Images need pillow: pip install pillow.") from None
    source = Path(os.fsdecode(name)) if content is None else io.BytesIO(content)
    try:
        with Image.open(source) as image:
            image.load()
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise missing(name, error) from error
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
    ) as error:
        raise ValueError(f"{name} is no image, or damaged: {error}") from error
    return image


def missing(name: Any, error: OSError | None = None) -> FileNotFoundError:
    """Return the error that a file cannot be read."""
    reason = "there is none" if error is None else error.strerror
    return FileNotFoundError(
        f"The file {str(name)!r} cannot be read ({reason}). Names are taken from the "
        f"folder {os.getcwd()!r}: give whole paths."
    )


def as_rgb(image: Any, size: tuple[int, int] | None = None) -> Any:
    """Return a PIL image in three colours, on white where it is transparent.

    Parameters
    ----------
    image : PIL.Image.Image
        The image.
    size : (int, int), default=None
        Height and width that it gets.
    """
    from PIL import Image

    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    if size is None or size == (image.height, image.width):
        return image
    return image.resize(size[::-1], Image.Resampling.BICUBIC)
