"""Images side by side, with a line of text below each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skal_deep.evaluation.report._plot_picks import _colours
from skal_deep.evaluation.report._plots import _axes

_N_COLUMNS = 10
_GAP = 0.35  # below an image, for its text, and a fifth of it beside one


def plot_images(
    images: ArrayLike, captions: Sequence[Any] | None = None, ax: Any = None
) -> Any:
    """Draw images side by side, ten in a row, with a caption below each.

    Use it to look at what a strategy picked, with the labels or scores of the picks.

    Parameters
    ----------
    images : array-like of shape (n_images, h, w) or (n_images, c, h, w)
        The images to show, such as ``images[picks]``, with one or three channels.
    captions : sequence, default=None
        Short texts or numbers, one an image.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    skal_deep.evaluation.plot_gallery : The picks of many queries.
    plot_batch : Where picks lie in the pool.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skal_deep.visualization import plot_images
    >>> digits = load_digits()
    >>> ax = plot_images(digits.images[:4], digits.target[:4])
    >>> [text.get_text() for text in ax.texts]
    ['0', '1', '2', '3']
    """
    shown = np.asarray(images, dtype=np.float64)
    channels = shown.shape[1:-2]
    if shown.ndim not in (3, 4) or channels not in ((), (1,), (3,)) or shown.size == 0:
        raise ValueError(
            "images must have the shape (n, h, w), or (n, c, h, w) with one or three "
            f"channels; their shape is {shown.shape}. Rows of vectors are images after "
            "X[picks].reshape(-1, h, w)."
        )
    texts = [""] * len(shown) if captions is None else [str(text) for text in captions]
    if len(texts) != len(shown):
        raise ValueError(
            f"captions must have one text for each of {len(shown)} images, and have "
            f"{len(texts)}."
        )
    ax = _axes(ax)
    low, high = float(shown.min()), float(shown.max())
    height, width = shown.shape[-2:]
    below = _GAP / 5 if captions is None else _GAP
    across, down = width * (1 + _GAP / 5), height * (1 + below)
    for i, (image, text) in enumerate(zip(shown, texts, strict=True)):
        row, column = divmod(i, _N_COLUMNS)
        left, top = column * across, row * down
        bounds = (left, left + width, top + height, top)
        ax.imshow(
            _colours((image - low) / (high - low or 1.0)).squeeze(),
            extent=bounds,
            cmap="gray_r",
            vmin=0,
            vmax=1,
            interpolation="nearest",
        )
        if text:
            place = (left + width / 2, top + height)
            ax.text(*place, text, ha="center", va="top", fontsize=8)
    n_columns, n_rows = min(_N_COLUMNS, len(shown)), -(-len(shown) // _N_COLUMNS)
    ax.set(xlim=(0, n_columns * across), ylim=(n_rows * down, 0), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.spines[:].set_visible(False)
    return ax
