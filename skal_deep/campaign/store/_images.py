"""Images from bytes, upright, with a limit to what a small file may unfold to."""

import io
import warnings
from typing import Any

import numpy as np

MAX_PIXELS = 100_000_000


def open_image(content: bytes, max_pixels: float = MAX_PIXELS) -> Any:
    """Return a decoded image of PIL, as a browser shows it.

    Photos of phones are turned upright, and shades of more than 8 bits become 8.

    Parameters
    ----------
    content : bytes
        A file.
    max_pixels : float, default=1e8
        Larger images are refused before they are decoded.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
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
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise ValueError("it is no image that can be read") from error
    except MemoryError as error:  # so says PIL of a side of 90 million pixels
        raise ValueError(f"{width} x {height} pixels cannot be decoded") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"it is broken ({error})") from error
    return _of_8_bits(upright)


def _of_8_bits(image: Any) -> Any:
    """Return an image of bytes; PIL would cut all shades above 255 off."""
    from PIL import Image

    if image.mode[0] not in "IF":  # whole numbers of 16 or 32 bits, or floats
        return image
    shades_HW = np.asarray(image).astype(np.float64)
    low, high = 0.0, 65535.0
    if not image.mode.startswith("I;16"):  # of these no white is known
        finite = shades_HW[np.isfinite(shades_HW)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    scaled_HW = (shades_HW - low) / ((high - low) or 1.0) * 255
    bytes_HW = np.nan_to_num(scaled_HW).clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(bytes_HW)
