"""Learning curves as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from skal_deep.evaluation._export import drawn
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._colours import strategy_styles
from skal_deep.evaluation.statistics._area import mean_and_band
from skal_deep.evaluation.statistics._curves import check_stages, stage_labels

_REFERENCE_STYLES: tuple[Any, ...] = (":", "-.", (0, (1, 4)))


def plot_curves(
    comparison: HasCurves, ax: Any = None, metric: str | None = None
) -> Any:
    """Draw mean learning curves with 95 % bands, random sampling dashed.

    Reference lines are dotted. The legend is in the order of the final scores.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; ``None`` makes a figure.
    metric : str, default=None
        Which metric; ``None`` is the first.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes.
    """
    ax = _axes(ax)
    lines = {}
    for name in comparison.strategies:
        mean, low, high = mean_and_band(comparison.curve(name, metric))
        n_labels = stage_labels(comparison, name)
        style = _style(comparison, name)
        (line,) = ax.plot(n_labels, mean, label=drawn(name), **style)
        ax.fill_between(n_labels, low, high, color=style["color"], alpha=0.08, lw=0)
        lines[line] = mean[-1]
    names = dict.fromkeys(row["strategy"] for row in comparison.references)
    for i, name in enumerate(names):
        mean = comparison.curve(name, metric).mean(axis=0)
        n_labels = comparison.curve(name, "n_labels").mean(axis=0)
        if len(mean) == 1:  # all labels: far to the right, and at one height
            line = ax.axhline(
                mean[0], label=f"{drawn(name)} ({n_labels[0]:.0f} labels)"
            )
        else:
            (line,) = ax.plot(n_labels, mean, label=drawn(name))
        line.set(color="0.45", linestyle=_REFERENCE_STYLES[i % 3], linewidth=1.5)
        lines[line] = mean[-1]
    ax.set_title(_title(comparison, "Score"), loc="left", fontsize=10)
    ax.set_ylabel(_words(metric or comparison.metrics[0]))
    _tidy(ax)
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

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; ``None`` makes a figure.
    metric : str, default=None
        Which metric; ``None`` is the first.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes.
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
        ax.plot(n_labels, mean, label=drawn(name), **style)
        ax.fill_between(n_labels, low, high, color=style["color"], alpha=0.08, lw=0)
    ax.set_title(_title(comparison, "Paired difference to random"), loc="left", size=10)
    ax.set_ylabel(f"{_words(metric or comparison.metrics[0])}, difference")
    _tidy(ax)
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
    return drawn(metric.replace("_", " "))


def _tidy(ax: Any) -> None:
    ax.set_xlabel("labels")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
