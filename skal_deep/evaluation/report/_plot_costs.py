"""What strategies save and what they cost, as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from skal_deep.evaluation._export import drawn
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._colours import BASELINE_COLOUR, PALETTE
from skal_deep.evaluation.report._plots import _axes, _style, _tidy
from skal_deep.evaluation.report._tables import labels_for
from skal_deep.evaluation.statistics._curves import stage_labels


def plot_savings(comparison: HasCurves, ax: Any = None) -> Any:
    """Draw how many labels random sampling needs for the mean score of each strategy.

    Above the dashed line labels are saved, below it they are wasted. Bands are 95 %
    intervals of the bootstrap. Triangles at the upper border are scores that random
    sampling does not reach with the labels spent.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; ``None`` makes a figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes.
    """
    ax = _axes(ax)
    baseline, *others = comparison.strategies
    of_random = stage_labels(comparison, baseline)
    most = of_random[-1]
    ax.plot(of_random, of_random, label=drawn(baseline), **_style(comparison, baseline))
    for name in others:
        labels, style = stage_labels(comparison, name), _style(comparison, name)
        found = labels_for(comparison, baseline, comparison.curve(name))
        if found is None:  # a repeat without a score: named, but without a line
            ax.plot([], [], label=f"{drawn(name)} (no statement)", **style)
            continue
        needed, low, high = (
            np.minimum(values, most) for values in (found.needed, found.low, found.high)
        )
        ax.plot(labels, needed, label=drawn(name), **style)
        ax.fill_between(labels, low, high, color=style["color"], alpha=0.08, lw=0)
        beyond = np.isinf(found.needed)
        ax.scatter(
            labels[beyond], needed[beyond], s=60, marker="^", color=style["color"]
        )
    ax.set_title("Labels saved", loc="left", fontsize=10)
    ax.set_ylabel("labels that random sampling needs")
    _tidy(ax)
    ax.legend(frameon=False, loc="best")
    ax.set_xlabel("labels that the strategy has")
    return ax


def plot_seconds(comparison: HasCurves, ax: Any = None) -> Any:
    """Draw the seconds that fits and queries take in one repeat.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; ``None`` makes a figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes.
    """
    ax = _axes(ax)
    names = comparison.strategies[::-1]  # the first on top
    fit, query = (
        [comparison.curve(name, column).sum(axis=1).mean() for name in names]
        for column in ("seconds_fit", "seconds_query")
    )
    places = np.arange(len(names))
    ax.barh(places, fit, height=0.6, color=BASELINE_COLOUR, label="fits")
    ax.barh(places, query, height=0.6, left=fit, color=PALETTE[0], label="queries")
    ax.set_yticks(places, list(map(drawn, names)))
    ax.tick_params(axis="y", length=0)
    ax.set_title("Seconds in one repeat", loc="left", fontsize=10)
    _tidy(ax)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("seconds")
    # Above the axes, as inside them its patches are lost on bars of their own colour.
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return ax
