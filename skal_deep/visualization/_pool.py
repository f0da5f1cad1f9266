"""Rows of a pool as points: their labels, and picks in order."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from skactiveml.utils import is_labeled

from skal_deep.evaluation.report._colours import PALETTE
from skal_deep.evaluation.report._plot_picks import project
from skal_deep.evaluation.report._plots import _axes
from skal_deep.visualization._plane import check_plane, check_rows, frame

_MARKERS = "osD^vPX*"


def plot_points(
    X: ArrayLike, y: ArrayLike, missing_label: Any = -1, ax: Any = None
) -> Any:
    """Draw labelled rows by class, and rows without a label as small grey points.

    Each class has a colour and a marker, which follow the order of the classes.

    Use it to show what is known of a pool in the plane.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        All rows.
    y : array-like of shape (n_samples,)
        Labels.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_query : The same with what a strategy makes of it.
    plot_batch : For rows of more than two features.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skal_deep.visualization import plot_points
    >>> X, y = make_moons(50, random_state=0)
    >>> y[10:] = -1
    >>> ax = plot_points(X, y)
    >>> [line.get_label() for line in ax.lines]
    ['no label', 'class 0', 'class 1']
    """
    points, labels = check_plane(X, "plot_points"), np.asarray(y)
    if labels.shape != (len(points),):
        raise ValueError(
            f"y must have one label for each of the {len(points)} rows of X, and "
            f"missing_label for those without; its shape is {labels.shape}."
        )
    ax, known = _axes(ax), is_labeled(labels, missing_label)
    style = {"linestyle": "none", "zorder": 2}
    if not known.all():
        pale = {"marker": "o", "color": "0.45", "markersize": 2.5, "mew": 0}
        ax.plot(*points[~known].T, label="no label", **pale, **style)
    for place, label in enumerate(np.unique(labels[known])):
        ax.plot(
            *points[known & (labels == label)].T,
            label=f"class {label}",
            marker=_MARKERS[place % len(_MARKERS)],
            color=PALETTE[place % len(PALETTE)],
            markersize=6,
            markeredgecolor="white",
            markeredgewidth=0.8,
            **style,
        )
    return frame(ax, points)


def plot_picks(
    X: ArrayLike, picks: ArrayLike, color: Any = PALETTE[1], ax: Any = None
) -> Any:
    """Draw the picks of a query as numbers, in their order.

    Use it on top of another picture of the same pool, to show the order of a batch.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        All rows.
    picks : array-like of shape (batch_size,)
        Rows of ``X``, as a query returns them.
    color : color, default="#D55E00"
        Colour of the circles, for instance that of
        :func:`~skal_deep.evaluation.strategy_styles`.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_query : Utilities, boundary and picks in one picture.
    skal_deep.evaluation.plot_map : The picks of many rounds.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skal_deep.pool import TypiClust
    >>> from skal_deep.visualization import plot_picks
    >>> X, _ = make_moons(50, random_state=0)
    >>> picks = TypiClust(random_state=0).query(X, [-1] * 50, batch_size=3)
    >>> [text.get_text() for text in plot_picks(X, picks).texts]
    ['1', '2', '3']
    """
    points = check_plane(X, "plot_picks")
    rows = check_rows(picks, len(points), "picks")
    ax = _axes(ax)
    for order, point in enumerate(points[rows], start=1):
        ax.text(
            *point,
            str(order),
            color="white",
            fontsize=7,
            ha="center",
            va="center",
            zorder=4,
            clip_on=True,
            bbox={"boxstyle": "circle,pad=0.2", "fc": color, "ec": "white", "lw": 0.6},
        )
    return frame(ax, points)


def plot_batch(
    embeddings: ArrayLike,
    y: ArrayLike,
    picks: ArrayLike,
    missing_label: Any = -1,
    color: Any = PALETTE[1],
    ax: Any = None,
) -> Any:
    """Draw a batch on a map of the pool: the two principal components of its rows.

    Rows that are close on the map may be far apart in the other components.

    Use it to see whether a batch spreads over the pool or repeats itself.

    Parameters
    ----------
    embeddings : array-like of shape (n_samples, n_features)
        Embeddings of all rows, such as ``clf.embed(X)``, or the rows themselves.
    y : array-like of shape (n_samples,)
        Labels.
    picks : array-like of shape (batch_size,)
        Rows, as a query returns them.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    color : color, default="#D55E00"
        Colour of the picks.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_points : Rows of two features as they are.
    skal_deep.evaluation.plot_map : The picks of many rounds.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skal_deep.pool import CoreSet
    >>> from skal_deep.visualization import plot_batch
    >>> X, y = load_digits(return_X_y=True)
    >>> y[10:] = -1
    >>> picks = CoreSet(random_state=0).query(X, y, batch_size=5)
    >>> len(plot_batch(X, y, picks).texts)
    5
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim < 2 or len(rows) == 0:
        raise ValueError(
            "plot_batch needs embeddings of the shape (n_samples, n_features); their "
            f"shape is {rows.shape}."
        )
    points = project(rows.reshape(len(rows), -1), np.random.default_rng(0))
    ax = plot_points(points, y, missing_label, ax)
    return plot_picks(points, picks, color, ax)
