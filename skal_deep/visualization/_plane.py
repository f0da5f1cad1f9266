"""The part of the plane that a picture shows, and its points."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MARGIN = 0.08  # of the width, beside the outermost points
_SIDE = 120  # points of the grid on each side: finer than a picture of three inches


def check_plane(X: ArrayLike, caller: str) -> NDArray[np.float32]:
    """Return X as an array of points in the plane."""
    points = np.asarray(X, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(
            f"{caller} draws rows with two features, X has the shape {points.shape}. "
            "plot_batch shows rows of more features by their principal components."
        )
    if not np.isfinite(points).all():
        raise ValueError(f"{caller} cannot place rows with NaN or infinity in X.")
    return points


def check_rows(rows: ArrayLike, n_rows: int, what: str) -> NDArray[np.intp]:
    """Return positions of rows as an array, if they are some."""
    positions = np.asarray(rows)
    if positions.size == 0:
        return np.empty(0, dtype=np.intp)
    if positions.ndim != 1 or not np.issubdtype(positions.dtype, np.integer):
        raise ValueError(
            f"{what} must be rows of X as integers in one axis, as query returns them; "
            f"they have the type {positions.dtype} and the shape {positions.shape}."
        )
    if positions.min() < 0 or positions.max() >= n_rows:
        raise ValueError(
            f"{what} must lie between 0 and {n_rows - 1}, as X has {n_rows} rows; they "
            f"lie between {positions.min()} and {positions.max()}."
        )
    return positions.astype(np.intp)


def sides(points: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the coordinates of a grid around points, by axis."""
    low, high = points.min(axis=0), points.max(axis=0)
    gap = _MARGIN * np.where(high > low, high - low, 1.0)
    x, y = np.linspace(low - gap, high + gap, _SIDE, dtype=np.float32).T
    return x, y


def grid(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the points of that grid, row by row."""
    return np.stack(np.meshgrid(*sides(points)), axis=-1).reshape(-1, 2)


def paint(
    ax: Any, points: NDArray[np.float32], values: NDArray[Any], **style: Any
) -> None:
    """Paint a value for each point of the grid; NaN stays blank."""
    image = np.ma.masked_invalid(values.reshape(_SIDE, _SIDE))
    ax.pcolormesh(*sides(points), image, rasterized=True, zorder=0, **style)


def frame(ax: Any, points: NDArray[np.float32]) -> Any:
    """Show the part of the plane around points, without ticks."""
    x, y = sides(points)
    ax.set(xlim=x[[0, -1]], ylim=y[[0, -1]], xticks=[], yticks=[])
    return ax
