"""The figures of a report."""

from __future__ import annotations

import io
from collections.abc import Callable
from math import ceil
from typing import Any

from matplotlib.figure import Figure

from skal_deep.evaluation._export import drawn, printable
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._plot_costs import plot_savings, plot_seconds
from skal_deep.evaluation.report._plots import plot_curves, plot_differences

_WIDTH = 12  # inches, of every figure, so that all have letters of one size

# A colour that occurs nowhere else, to be replaced by that of the page.
_INK = "#010203"
_INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
)


class ShownFigure(Figure):
    """A figure that belongs to no window, so that nothing has to be closed.

    A notebook shows it by itself: that of matplotlib has no picture there before pyplot
    is in use.
    """

    def _repr_png_(self) -> bytes:
        made = io.BytesIO()
        self.savefig(made, format="png")
        return made.getvalue()


def curves_figure(comparison: HasCurves) -> Any:
    """Return a figure of the curves, and beside them the paired differences.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    """
    figure, (left, right) = _side_by_side(5)
    plot_curves(comparison, left)
    plot_differences(comparison, right)
    return figure


def metrics_figure(comparison: HasCurves) -> Any:
    """Return a figure of the curves of all metrics after the first.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    """

    def draw(metric: str, ax: Any) -> None:
        plot_curves(comparison, ax, metric).get_legend().remove()

    return small_multiples(list(comparison.metrics[1:]), draw, 0.75)


def costs_figure(comparison: HasCurves) -> Any:
    """Return a figure of the labels saved, and beside them the seconds spent.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    """
    figure, (left, right) = _side_by_side(4.2)
    plot_savings(comparison, left)
    plot_seconds(comparison, right)
    return figure


def small_multiples(
    names: list[str], draw: Callable[[str, Any], None], height: float
) -> Any:
    """Return a figure of small pictures, up to four side by side.

    Parameters
    ----------
    names : list of str
        Names of the strategies, or of what else there are pictures of.
    draw : callable
        Is called with a name and its axes.
    height : float
        Height of a picture, for a width of one.
    """
    n_columns = min(4, max(3, len(names)))
    n_rows = ceil(len(names) / n_columns)
    size = (_WIDTH, height * _WIDTH / n_columns * n_rows)
    figure = ShownFigure(figsize=size, layout="constrained")
    all_axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for name, ax in zip(names, all_axes, strict=False):
        draw(name, ax)
        ax.set_title(drawn(name), loc="left", fontsize=10)
    for ax in all_axes[len(names) :]:
        ax.remove()
    return figure


def _side_by_side(height: float) -> tuple[Any, Any]:
    figure = ShownFigure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots(1, 2)


def as_svg(make: Callable[[], Any], name: str) -> str:
    """Return a figure as inline SVG, in the colours of the page.

    Parameters
    ----------
    make : callable
        Draws the figure.
    name : str
        Keeps the names inside it apart from those of the other figures of a page.
    """
    import matplotlib as mpl

    made, ink = io.StringIO(), dict.fromkeys(_INKED, _INK)
    settings: Any = {"svg.hashsalt": name, "svg.fonttype": "none", **ink}
    with mpl.rc_context(settings):
        figure = make()
        figure.savefig(
            made, format="svg", metadata={"Date": None}, transparent=True, dpi=110
        )
    svg = printable(made.getvalue())
    return f"<figure>{svg[svg.index('<svg') :].replace(_INK, 'var(--ink)')}</figure>"
