"""Which files a page shows as images, and as what."""

import io
from typing import Any

from skal_deep.campaign.store._images import open_image
from skal_deep.rows._image_file import as_rgb

# By how they begin, whatever their names are. Vector graphics are programs: never.
_TYPES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"RIFF", "image/webp"),
)
_TIFF = (b"II*\0", b"MM\0*")


def as_shown(content: bytes) -> tuple[bytes, str]:
    """Return what a browser can show of an image, and its type.

    The browser decodes it. Only TIFF, which browsers do not know, is turned into PNG.

    Parameters
    ----------
    content : bytes
        A file.
    """
    for start, kind in _TYPES:
        if content.startswith(start):
            return content, kind
    if not content.startswith(_TIFF):
        raise ValueError("it is no PNG, JPEG, GIF, BMP, WebP or TIFF")
    image: Any = open_image(content)
    png = io.BytesIO()
    as_rgb(image).save(png, "PNG")
    return png.getvalue(), "image/png"
