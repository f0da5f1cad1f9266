"""Curves as pictures: scores, differences, savings, seconds, projections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skal_deep.evaluation._export import escape_formula
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.planning._projection import Projection
from skal_deep.evaluation.report._colours import (
    BASELINE_COLOUR,
    PALETTE,
    strategy_styles,
)
from skal_deep.evaluation.report._comparison_tables import labels_for
from skal_deep.evaluation.simulation._search import FOUND
from skal_deep.evaluation.statistics._curves import (
    check_labels,
    check_stages,
    mean_and_band,
    stage_labels,
)
from skal_deep.evaluation.statistics._numbers import check_scores

_PALE = 0.4
_REFERENCE_STYLES: tuple[Any, ...] = (":", "-.", (0, (1, 4)))


def plot_curves(
    comparison: HasCurves, ax: Any = None, metric: str | None = None
) -> Any:
    """Draw mean learning curves with 95 % bands, random sampling dashed.

    Reference lines are dotted; "found by search" is nowhere below the best strategy.
    The legend is in the order of the final scores.

    Use it for a first look; :func:`plot_differences` shows better who is ahead.

    Parameters
    ----------
    comparison : Comparison
        The comparison to draw.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.
    metric : str, default=None
        Which metric; ``None`` is the first.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_differences : Differences to random sampling, which are paired.
    Comparison.plot : The same as a method.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies, plot_curves
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 2, "progress": False}
    >>> comparison = compare_strategies(
    ...     [MarginSampling()], GaussianNB(), X, y, **options
    ... )
    >>> plot_curves(comparison).get_ylabel()
    'accuracy'
    """
    ax = _axes(ax)
    lines = {}
    for name in comparison.strategies:
        mean, low, high = mean_and_band(comparison.curve(name, metric))
        n_labels = stage_labels(comparison, name)
        style = _style(comparison, name)
        (line,) = ax.plot(n_labels, mean, label=escape_formula(name), **style)
        ax.fill_between(n_labels, low, high, color=style["color"], alpha=0.08, lw=0)
        lines[line] = mean[-1]
    names = dict.fromkeys(row["strategy"] for row in comparison.references)
    for i, name in enumerate(names):
        mean = comparison.curve(name, metric).mean(axis=0)
        if name == FOUND:  # what a strategy reached was found, too
            means = [comparison.curve(s, metric) for s in comparison.strategies]
            mean = np.fmax(mean, np.max([each.mean(axis=0) for each in means], axis=0))
        n_labels = comparison.curve(name, "n_labels").mean(axis=0)
        if len(mean) == 1:  # all labels: far to the right, and at one height
            line = ax.axhline(
                mean[0], label=f"{escape_formula(name)} ({n_labels[0]:.0f} labels)"
            )
        else:
            (line,) = ax.plot(n_labels, mean, label=escape_formula(name))
        line.set(color="0.45", linestyle=_REFERENCE_STYLES[i % 3], linewidth=1.5)
        lines[line] = mean[-1]
    ax.set_title(_title(comparison, "Score"), loc="left", fontsize=10)
    ax.set_ylabel(_words(metric or comparison.metrics[0]))
    _tidy(ax, comparison.settings.get("axis", "labels"))
    best_first = sorted(lines, key=lambda line: np.nan_to_num(-lines[line], nan=np.inf))
    ax.legend(handles=best_first, frameon=False, loc="best")
    return ax


def plot_differences(
    comparison: HasCurves, ax: Any = None, metric: str | None = None
) -> Any:
    """Draw the mean paired differences to random sampling with 95 % bands.

    What the repeats share cancels out, so these bands, not those of the curves, show
    where a strategy helps. They are of each stage by itself: with many stages and
    strategies some leave zero by chance. The verdict is by the area.

    Use it to see at which stages a strategy is ahead of random sampling.

    Parameters
    ----------
    comparison : Comparison
        The comparison to draw.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.
    metric : str, default=None
        Which metric; ``None`` is the first.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    plot_curves : The learning curves themselves.
    Comparison.verdicts : The conclusion, from whole curves.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies, plot_differences
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 2, "progress": False}
    >>> comparison = compare_strategies(
    ...     [MarginSampling()], GaussianNB(), X, y, **options
    ... )
    >>> plot_differences(comparison).get_ylabel()
    'accuracy, difference'
    """
    ax = _axes(ax)
    check_stages(comparison)
    baseline, *others = comparison.strategies
    ax.axhline(0, **_style(comparison, baseline))
    for name in others:
        difference = comparison.curve(name, metric) - comparison.curve(baseline, metric)
        mean, low, high = mean_and_band(difference, comparison.overlap)
        n_labels = comparison.curve(name, "n_labels")[0]
        style = _style(comparison, name)
        ax.plot(n_labels, mean, label=escape_formula(name), **style)
        ax.fill_between(n_labels, low, high, color=style["color"], alpha=0.08, lw=0)
    ax.set_title(_title(comparison, "Paired difference to random"), loc="left", size=10)
    ax.set_ylabel(f"{_words(metric or comparison.metrics[0])}, difference")
    _tidy(ax, comparison.settings.get("axis", "labels"))
    return ax


def _axes(ax: Any) -> Any:
    """Return the axes, new ones if there are none."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(8, 5), layout="constrained")[1]


def _style(comparison: HasCurves, name: str) -> dict[str, Any]:
    """Return the line style of a strategy, the same in every figure."""
    return strategy_styles(comparison.strategies)[name]


def _title(comparison: HasCurves, what: str) -> str:
    n = comparison.settings["n_repeats"]
    if n == 1:
        return f"{what}, one repeat"
    return f"{what}, mean of {n} repeats, pointwise 95 % band"


def _words(metric: str) -> str:
    return escape_formula(metric.replace("_", " "))


def _tidy(ax: Any, axis: str = "labels") -> None:
    ax.set_xlabel(axis)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)


def plot_savings(comparison: HasCurves, ax: Any = None) -> Any:
    """Draw how many labels random sampling needs for the mean score of each strategy.

    Above the dashed line labels are saved, below it they are wasted. Bands are 95 %
    intervals of the bootstrap. Triangles at the upper border are scores that random
    sampling does not reach with the labels spent.

    Use it to tell in labels, and so in money, what a strategy saves.

    Parameters
    ----------
    comparison : Comparison
        The comparison to draw.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    Comparison.label_savings : The numbers at the end of the budget.
    labels_needed : The computation behind it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies, plot_savings
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 2, "progress": False}
    >>> comparison = compare_strategies(
    ...     [MarginSampling()], GaussianNB(), X, y, **options
    ... )
    >>> plot_savings(comparison).get_xlabel()
    'labels that the strategy has'
    """
    ax = _axes(ax)
    baseline, *others = comparison.strategies
    of_random = stage_labels(comparison, baseline)
    most = of_random[-1]
    ax.plot(
        of_random,
        of_random,
        label=escape_formula(baseline),
        **_style(comparison, baseline),
    )
    for name in others:
        labels, style = stage_labels(comparison, name), _style(comparison, name)
        found = labels_for(comparison, baseline, comparison.curve(name))
        if found is None:  # a repeat without a score: named, but without a line
            ax.plot([], [], label=f"{escape_formula(name)} (no statement)", **style)
            continue
        needed, low, high = (
            np.minimum(values, most) for values in (found.needed, found.low, found.high)
        )
        ax.plot(labels, needed, label=escape_formula(name), **style)
        ax.fill_between(labels, low, high, color=style["color"], alpha=0.08, lw=0)
        beyond = np.isinf(found.needed)
        ax.scatter(
            labels[beyond], needed[beyond], s=60, marker="^", color=style["color"]
        )
    ax.set_title("Labels saved", loc="left", fontsize=10)
    ax.set_ylabel("labels that random sampling needs")
    _tidy(ax)
    ax.set_xlabel("labels that the strategy has")
    # Below the axes: curves that end where they began leave no room inside.
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 3}
    ax.legend(frameon=False, **place)
    return ax


def plot_seconds(comparison: HasCurves, ax: Any = None) -> Any:
    """Draw the seconds that fits and queries take in one repeat.

    Each bar has the colour of its strategy: fits pale, queries in full.

    Use it to see whether a strategy is worth its time.

    Parameters
    ----------
    comparison : Comparison
        The comparison to draw.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    Comparison.summary : The seconds as numbers.
    plot_curves : The scores that the time buys.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import compare_strategies, plot_seconds
    >>> from skal_deep.pool import MarginSampling
    >>> X, y = load_iris(return_X_y=True)
    >>> options = {"n_repeats": 2, "n_cycles": 2, "progress": False}
    >>> comparison = compare_strategies(
    ...     [MarginSampling()], GaussianNB(), X, y, **options
    ... )
    >>> plot_seconds(comparison).get_xlabel()
    'seconds'
    """
    from matplotlib.patches import Patch

    ax = _axes(ax)
    names = comparison.strategies[::-1]  # the first on top
    fit, query = (
        [comparison.curve(name, column).sum(axis=1).mean() for name in names]
        for column in ("seconds_fit", "seconds_query")
    )
    places = np.arange(len(names))
    colours = [_style(comparison, name)["color"] for name in names]
    ax.barh(places, fit, height=0.6, color=colours, alpha=_PALE)
    ax.barh(places, query, height=0.6, left=fit, color=colours)
    ax.set_yticks(places, list(map(escape_formula, names)))
    ax.tick_params(axis="y", length=0)
    ax.set_title("Seconds in one repeat", loc="left", fontsize=10)
    _tidy(ax)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("seconds")
    # Above the axes, as inside them its patches are lost on bars of their own colour.
    handles = [
        Patch(color=BASELINE_COLOUR, alpha=_PALE, label="fits"),
        Patch(color=BASELINE_COLOUR, label="queries"),
    ]
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 2}
    ax.legend(handles=handles, frameon=False, **place)
    return ax


def plot_projection(
    projection: Projection, n_labels: ArrayLike, scores: ArrayLike, ax: Any = None
) -> Any:
    """Draw a learning curve, and how it would go on, with its 90 % band.

    Use it to show why to stop labelling, or why not.

    Parameters
    ----------
    projection : Projection
        From ``stopping_advice(...).projection``.
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Score at each stage, of which the mean is drawn.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; ``None`` makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    See Also
    --------
    stopping_advice : Makes the projection.
    plot_curves : The curves of a comparison.

    Examples
    --------
    >>> from skal_deep.evaluation import plot_projection, stopping_advice
    >>> labels = [10, 20, 30, 40, 50, 60]
    >>> scores = [0.6, 0.75, 0.81, 0.84, 0.86, 0.87]
    >>> projection = stopping_advice(labels, scores).projection
    >>> plot_projection(projection, labels, scores).get_xlabel()
    'labels'
    """
    ax = _axes(ax)
    labels = check_labels(n_labels, scores)
    mean = np.atleast_2d(check_scores(scores)).mean(axis=0)
    bounds = (projection.fit_low, projection.fit_high)
    ax.axvline(labels[-1], color="0.6", lw=1, ls=":")
    ax.fill_between(projection.labels, *bounds, color=PALETTE[0], alpha=0.12, lw=0)
    ax.plot(projection.labels, projection.fit, color=PALETTE[0], label="forecast")
    ax.plot(labels, mean, "o", color="0.3", markersize=5, label="measured")
    ax.set_title("What more labels would bring", loc="left", fontsize=10)
    ax.set_ylabel("score")
    ax.legend(frameon=False, loc="lower right")
    _tidy(ax)
    return ax
