"""Images from bytes, with a limit to what a small file may unfold to."""

import io
import warnings
from typing import Any

MAX_PIXELS = 100_000_000


def open_image(content: bytes, max_pixels: float = MAX_PIXELS) -> Any:
    """Return a decoded image of PIL.

    Parameters
    ----------
    content : bytes
        A file.
    max_pixels : float, default=1e8
        Larger images are refused before they are decoded.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError(
            "Images need Pillow: pip install 'skal-deep[vision]'."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our limit is the one that counts
            image = Image.open(io.BytesIO(content))
            width, height = image.size
            if width * height > max_pixels:
                raise ValueError(
                    f"{width} x {height} pixels are more than {max_pixels:.0f}"
                )
            image.load()
    except UnidentifiedImageError as error:
        raise ValueError("it is no image that can be read") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"it is broken ({error})") from error
    return image
