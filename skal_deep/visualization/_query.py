"""What a strategy sees in a pool of the plane, and what it picks."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from skal_deep.classifier import fit_on_labeled
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation.report._colours import strategy_styles
from skal_deep.evaluation.report._plots import _axes
from skal_deep.visualization._model import plot_boundary
from skal_deep.visualization._plane import check_plane, frame, grid, paint
from skal_deep.visualization._pool import plot_picks, plot_points

# How far from a candidate its colour reaches, in usual distances between neighbours.
_REACH = 2.0


def plot_utilities(X: ArrayLike, utilities: ArrayLike, ax: Any = None) -> Any:
    """Paint the plane by the utility of the nearest candidate, dark where it is high.

    Colours follow the ranks of the utilities, so that strategies whose utilities have
    different units can be compared. Where no candidate is near, the plane stays white.

    Use it to see where a strategy wants labels.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        All rows.
    utilities : array-like of shape (n_samples,)
        Their utilities, such as a row of what ``query(..., return_utilities=True)``
        returns; NaN where a row is no candidate.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_query : Asks the strategy, and draws its picks, too.
    plot_picks : The rows that were picked.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skal_deep.pool import CoreSet
    >>> from skal_deep.visualization import plot_utilities
    >>> X, y = make_moons(50, random_state=0)
    >>> y[5:] = -1
    >>> _, utilities = CoreSet(random_state=0).query(X, y, return_utilities=True)
    >>> len(plot_utilities(X, utilities[0]).collections)
    1
    """
    points = check_plane(X, "plot_utilities")
    values = np.asarray(utilities, dtype=np.float64)
    if values.shape != (len(points),):
        raise ValueError(
            f"utilities must have one number for each of the {len(points)} rows of X; "
            f"their shape is {values.shape}. Take one row of what query returns: row t "
            "decided pick t."
        )
    ax, asked = _axes(ax), np.isfinite(values)
    if asked.any():
        candidates, plane = cKDTree(points[asked]), grid(points)
        distance, nearest = candidates.query(plane)
        # Each is its own nearest. The next is infinitely far if there is no other.
        neighbour = candidates.query(points[asked], k=2)[0][:, 1]
        usual = np.quantile(neighbour, 0.9, method="lower")
        rank = rankdata(values[asked]) / asked.sum()
        shown = np.where(distance <= _REACH * usual, rank[nearest], np.nan)
        paint(ax, points, shown, cmap="Greys", vmin=0, vmax=1.5)
    return frame(ax, points)


def plot_query(
    strategy: Any,
    X: ArrayLike,
    y: ArrayLike,
    clf: Any = None,
    batch_size: int = 1,
    ax: Any = None,
) -> Any:
    """Ask a strategy for labels in the plane and draw why: utilities, boundary, picks.

    A clone of the classifier is fitted to the rows that have a label. The plane has the
    colour of the utilities that decided the first pick, the line is where the predicted
    class changes, and the numbers are the picks in their order, in the colour that the
    strategy has in all figures.

    Use it to learn what a strategy looks for; :func:`plot_batch` shows batches of rows
    that have more features.

    Parameters
    ----------
    strategy : query strategy
        A strategy of scikit-activeml or of this package.
    X : array-like of shape (n_samples, 2)
        All rows.
    y : array-like of shape (n_samples,)
        Labels; ``strategy.missing_label`` marks a row without.
    clf : classifier, default=None
        Not fitted. ``None`` for strategies that look at ``X`` alone.
    batch_size : int, default=1
        Number of picks.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_utilities : The utilities alone.
    plot_picks : The picks alone.
    plot_boundary : The classifier alone.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling
    >>> from skal_deep.visualization import plot_query
    >>> X, y = make_moons(50, random_state=0)
    >>> y[10:] = -1
    >>> ax = plot_query(MarginSampling(), X, y, LogisticRegression(), batch_size=3)
    >>> ax.get_title(), len(ax.texts)
    ('MarginSampling', 3)
    """
    if is_regressor(clf):
        raise TypeError(
            f"plot_query shows classes, and {type(clf).__name__} is a regressor. Ask "
            "by query(..., reg=...), draw by plot_utilities and plot_picks."
        )
    points, labels = check_plane(X, "plot_query"), np.asarray(y)
    missing_label = strategy.missing_label
    name, fitted = type(strategy).__name__, None
    asked: dict[str, Any] = {}
    if clf is not None:
        fitted = fit_on_labeled(clf, points, labels, missing_label)
        asked = {"clf": fitted, "fit_clf": False}
    picks, utilities = strategy.query(
        points, labels, **asked, batch_size=batch_size, return_utilities=True
    )
    ax = plot_utilities(points, utilities[0], ax)
    if fitted is not None:
        plot_boundary(fitted, points, ax=ax)
    plot_points(points, labels, missing_label, ax)
    plot_picks(points, picks, strategy_styles([name])[name]["color"], ax)
    ax.set_title(name, fontsize=10)
    return ax
