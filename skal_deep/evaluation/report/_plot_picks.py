"""Figures of the rows that were picked: their classes, a map, the images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._export import escape_formula
from skal_deep.evaluation.report._colours import PALETTE
from skal_deep.evaluation.report._plots import _axes

_N_SHOWN = 3000  # grey points of a map; more make no better background
_N_COLUMNS = 10
_N_ROWS = 6


def plot_classes(
    counts: NDArray[np.float64],
    classes: Sequence[Any],
    ax: Any = None,
    highest: float | None = None,
) -> Any:
    """Draw how many rows of each class were labelled, stage by stage.

    Use it to see whether a strategy prefers some classes or forgets one.

    Parameters
    ----------
    counts : ndarray of shape (n_stages, n_classes)
        Numbers of rows, of the stages after the start.
    classes : sequence
        Names of the classes.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.
    highest : float, default=None
        The number in full colour, to be shared by pictures side by side; ``None`` is
        the largest here.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_map : Where the picks lie among all rows.
    plot_gallery : The picks themselves, if they are images.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import plot_classes
    >>> ax = plot_classes(np.array([[5, 5], [8, 2]]), ["cat", "dog"])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('query', 'class')
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    ax, blue = _axes(ax), to_rgb(PALETTE[0])
    # From transparent on, so that "none" has the colour of the paper, white or dark.
    shades = LinearSegmentedColormap.from_list("shades", [(*blue, 0), (*blue, 1)])
    ax.pcolormesh(
        counts.T, cmap=shades, vmin=0, vmax=highest or counts.max(), rasterized=True
    )
    ax.set_yticks(
        np.arange(len(classes)) + 0.5, [escape_formula(name, 16) for name in classes]
    )
    if len(classes) > 12:
        ax.set_yticks([])
    stages = np.arange(len(counts))[:: max(1, len(counts) // 5)]
    ax.set_xticks(stages + 0.5, [str(stage + 1) for stage in stages])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("query")
    ax.set_ylabel("class")
    return ax


def project(rows_ND: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the two principal components of rows, for a map.

    Parameters
    ----------
    rows_ND : ndarray of shape (n_samples, n_features)
        All rows.
    rng : numpy.random.Generator
        Draws the rows that decide on the components, and the algorithm.
    """
    from sklearn.decomposition import PCA

    some = rng.permutation(len(rows_ND))[:_N_SHOWN]
    if rows_ND.shape[1] == 1:
        return np.column_stack([rows_ND, np.zeros(len(rows_ND))])
    pca = PCA(n_components=2, random_state=int(rng.integers(2**31)))
    return pca.fit(rows_ND[some]).transform(rows_ND)


def plot_map(
    points: NDArray[np.float64], stages: Sequence[NDArray[np.intp]], ax: Any = None
) -> Any:
    """Draw picks among all rows, early ones dark and late ones bright.

    Use it to see whether picks spread over the pool or lie along the border between
    classes.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Where each row lies, from :func:`project`.
    stages : sequence of ndarray
        Rows labelled, by stage; those of the start are crosses.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_classes : The classes of the picks.
    plot_gallery : The picks themselves, if they are images.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import plot_map
    >>> points = np.random.default_rng(0).normal(size=(20, 2))
    >>> ax = plot_map(points, [np.array([0, 1]), np.array([2, 3])])
    >>> len(ax.collections)
    3
    """
    ax = _axes(ax)
    some = points[:: max(1, len(points) // _N_SHOWN)]
    ax.scatter(*some.T, s=4, color="0.6", alpha=0.35, lw=0, rasterized=True)
    if len(stages) > 1:
        order = np.repeat(np.arange(1, len(stages)), [len(rows) for rows in stages[1:]])
        picked = points[np.concatenate([*stages[1:]])]
        ax.scatter(*picked.T, s=22, c=order, cmap="viridis", lw=0.5, edgecolor="white")
    ax.scatter(*points[stages[0]].T, s=24, marker="x", color="#D55E00", lw=1.2)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def shown_queries(n_queries: int) -> NDArray[np.intp]:
    """Return up to six queries, evenly spread, of which a gallery shows images.

    Parameters
    ----------
    n_queries : int
        Number of queries.
    """
    return np.unique(np.linspace(1, n_queries, _N_ROWS).round().astype(np.intp))


def plot_gallery(
    images: NDArray[Any], stages: Sequence[NDArray[np.intp]], ax: Any = None
) -> Any:
    """Draw the images that were picked, a row for each of up to six queries.

    Use it to look at what a strategy asked for: outliers and wrong labels show at once.

    Parameters
    ----------
    images : ndarray of shape (n_samples, h, w) or (n_samples, c, h, w)
        All images, with one or three channels.
    stages : sequence of ndarray
        Rows labelled, by stage; the start is left out.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_classes : The classes of the picks.
    plot_map : Where the picks lie among all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import plot_gallery
    >>> images = np.zeros((6, 8, 8))
    >>> plot_gallery(images, [np.array([0, 1]), np.array([2, 3])]).get_ylabel()
    'query'
    """
    ax = _axes(ax)
    queries = shown_queries(len(stages) - 1)
    n_columns = min(_N_COLUMNS, max(len(stages[query]) for query in queries))
    height, width = images.shape[-2:]
    gap = max(1, height // 16)
    mosaic = np.full(
        (len(queries) * (height + gap) - gap, n_columns * (width + gap) - gap, 4), 0.0
    )
    shown = np.concatenate([stages[query][:n_columns] for query in queries])
    low, high = float(images[shown].min()), float(images[shown].max())
    span = high - low or 1.0  # images of one colour alone are black
    for i, query in enumerate(queries):
        for j, row in enumerate(stages[query][:n_columns]):
            top, left = i * (height + gap), j * (width + gap)
            tile = mosaic[top : top + height, left : left + width]
            tile[..., :3] = (_colours(images[row]) - low) / span
            tile[..., 3] = 1  # gaps stay transparent
    ax.imshow(mosaic, interpolation="nearest")
    ax.set_yticks(
        np.arange(len(queries)) * (height + gap) + height / 2, [str(q) for q in queries]
    )
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("query")
    return ax


def _colours(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image with the channels last, which are one or three."""
    if image.ndim == 2:
        return image[..., None]
    return np.moveaxis(image if len(image) == 3 else image[:1], 0, -1)
