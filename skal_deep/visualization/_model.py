"""What a classifier thinks of the plane: its classes, and its uncertainty."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skal_deep.classifier import PredictsProba, SamplesProba, as_model
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation.report._plots import _axes
from skal_deep.exceptions import CapabilityError
from skal_deep.functional import bald, entropy
from skal_deep.visualization._plane import check_plane, frame, grid, paint, sides

_PARTS = ("total", "aleatoric", "epistemic")
_SEED = 0


def plot_boundary(clf: Any, X: ArrayLike, color: Any = "0.2", ax: Any = None) -> Any:
    """Draw where the predicted class changes.

    Use it on top of another picture, to show what a fitted classifier has learned.

    Parameters
    ----------
    clf : classifier
        Fitted to rows of two features; anything with ``predict_proba``.
    X : array-like of shape (n_samples, 2)
        Rows that say which part of the plane is shown.
    color : color, default="0.2"
        Colour of the lines.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_uncertainty : How sure the classifier is, and why it is not.
    plot_query : The boundary beside the utilities of a strategy.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.visualization import plot_boundary, plot_points
    >>> X, y = make_moons(50, random_state=0)
    >>> ax = plot_points(X, y)
    >>> plot_boundary(LogisticRegression().fit(X, y), X, ax=ax) is ax
    True
    """
    check_is_fitted(clf)
    if is_regressor(clf):
        raise TypeError(
            f"plot_boundary draws where a class changes, and {type(clf).__name__} is a "
            "regressor. Draw utilities by plot_utilities and picks by plot_picks."
        )
    points = check_plane(X, "plot_boundary")
    proba_NC = np.asarray(clf.predict_proba(grid(points)))
    ax, n_classes = _axes(ax), proba_NC.shape[1]
    x, y = sides(points)
    # Two classes have one border, which the second of them draws.
    for label in range(1 if n_classes == 2 else 0, n_classes):
        others = np.delete(proba_NC, label, axis=1).max(axis=1, initial=0)
        lead = (proba_NC[:, label] - others).reshape(len(y), len(x))
        if lead.min() < 0 < lead.max():  # elsewhere it wins or loses everywhere
            ax.contour(x, y, lead, levels=[0], colors=[color], linewidths=1.2, zorder=1)
    return frame(ax, points)


def plot_uncertainty(
    clf: Any, X: ArrayLike, part: str = "total", ax: Any = None
) -> Any:
    """Draw the uncertainty of a classifier over the plane, or one part of it, in nats.

    The total is the entropy of the prediction. Its epistemic part is what posterior
    draws disagree about, which labels can settle; the aleatoric part is the mean
    entropy of the draws, which they cannot. Colours run from 0 to ``log C`` in every
    part, so that pictures can be compared.

    Use it to see what a posterior knows about its own ignorance.

    Parameters
    ----------
    clf : classifier
        Fitted to rows of two features. Parts of the total need ``sample_proba``.
    X : array-like of shape (n_samples, 2)
        Rows that say which part of the plane is shown.
    part : {"total", "aleatoric", "epistemic"}, default="total"
        What to draw.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_boundary : The predicted classes alone.
    skal_deep.functional.bald : Computes the epistemic part.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.visualization import plot_uncertainty
    >>> X, y = make_moons(50, random_state=0)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> ax = plot_uncertainty(forest, X, "epistemic")
    >>> ax.get_title()
    'epistemic uncertainty'
    """
    if part not in _PARTS:
        raise ValueError(f"part must be one of {', '.join(_PARTS)}, not {part!r}.")
    check_is_fitted(clf)
    points = check_plane(X, "plot_uncertainty")
    model, plane = as_model(clf), grid(points)
    if isinstance(model, SamplesProba):
        proba_SNC = model.sample_proba(plane, None, _SEED)
        total, epistemic = entropy(proba_SNC.mean(dim=0)), bald(proba_SNC)
        values = {
            "total": total,
            "epistemic": epistemic,
            "aleatoric": (total - epistemic).clamp_min(0),
        }[part]
        n_classes = proba_SNC.shape[-1]
    elif part == "total" and isinstance(model, PredictsProba):
        proba_NC = model.predict_proba(plane)
        values, n_classes = entropy(proba_NC), proba_NC.shape[-1]
    else:
        raise CapabilityError(
            f"The {part} part of the uncertainty needs draws from a posterior, and "
            f"{type(clf).__name__} has no sample_proba. Pass a classifier that has, "
            "such as MCDropoutClassifier, or draw the total."
        )
    ax = _axes(ax)
    highest = np.log(max(n_classes, 2))
    paint(ax, points, values.numpy(force=True), cmap="viridis", vmin=0, vmax=highest)
    ax.set_title(f"{part} uncertainty", fontsize=10)
    return frame(ax, points)
