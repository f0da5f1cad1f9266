"""A learning curve carried on, as a picture."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skal_deep.evaluation.report._colours import PALETTE
from skal_deep.evaluation.report._plots import _axes, _tidy
from skal_deep.evaluation.statistics._area import checked_labels, checked_scores
from skal_deep.evaluation.statistics._projection import Projection


def plot_projection(
    projection: Projection, n_labels: ArrayLike, scores: ArrayLike, ax: Any = None
) -> Any:
    """Draw a learning curve, and how it would go on, with its 95 % band.

    Parameters
    ----------
    projection : Projection
        From ``stopping_advice(...).projection``.
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Score at each stage, of which the mean is drawn.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; ``None`` makes a figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes.
    """
    ax = _axes(ax)
    labels = checked_labels(n_labels, scores)
    mean = np.atleast_2d(checked_scores(scores)).mean(axis=0)
    bounds = (projection.fit_low, projection.fit_high)
    ax.axvline(labels[-1], color="0.6", lw=1, ls=":")
    ax.fill_between(projection.labels, *bounds, color=PALETTE[0], alpha=0.12, lw=0)
    ax.plot(projection.labels, projection.fit, color=PALETTE[0], label="power law")
    ax.plot(labels, mean, "o", color="0.3", markersize=5, label="measured")
    ax.set_title("What more labels would bring", loc="left", fontsize=10)
    ax.set_ylabel("score")
    ax.legend(frameon=False, loc="lower right")
    _tidy(ax)
    return ax
