"""Features of images and texts for a comparison, computed once, before it starts."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.models._extractors import make_extractor
from skal_deep.rows._image_file import open_image

_PART = 256  # images that are in memory at a time


def features(
    spec: str, X: NDArray[Any], kind: str, device: str, download: bool, folder: Path
) -> NDArray[np.float32]:
    """Return a vector for each row.

    Parameters
    ----------
    spec : str
        What computes it, as ``embed --features`` of a campaign takes it.
    X : ndarray of shape (n,)
        Texts, or names of files of images.
    kind : {"image", "text"}
        Which of these.
    device : str
        Where to compute.
    download : bool
        Whether weights may be fetched from the internet.
    folder : Path
        Where a frozen model keeps what it computed.
    """
    device = "auto" if device == "cpu" else device
    extractor = make_extractor(
        spec, kind, batch_size=32, device=device, download=download, cache_dir=folder
    )
    takes_names = extractor.takes == "any" or kind == "text"
    size = len(X) if extractor.sees_all else _PART
    parts = []
    for start in range(0, len(X), size):
        rows = list(X[start : start + size])
        parts.append(extractor(rows if takes_names else list(map(open_image, rows))))
    return np.concatenate(parts).astype(np.float32)
