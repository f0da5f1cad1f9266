"""The figures of a report."""

from __future__ import annotations

import io
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from skal_deep.evaluation._export import escape_formula, replace_unprintable
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._plots import plot_curves, plot_differences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 5.6  # inches, of a picture of a page: its letters can be read on a telephone
_SMALL = 3.4  # of those that stand side by side there, too

# A colour that occurs nowhere else, to be replaced by that of the page.
_INK = "#010203"
_INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
)


def curves_figure(comparison: HasCurves) -> Any:
    """Return a figure of the curves, and beside them the paired differences.

    Parameters
    ----------
    comparison : Comparison
        The comparison to draw.
    """
    from skal_deep.evaluation.report._shown_figure import ShownFigure

    figure = ShownFigure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_curves(comparison, left)
    plot_differences(comparison, right)
    return figure


def picture(
    draw: Callable[[Any], Any],
    name: str,
    alt: str,
    height: float = 0.8,
    width: float = _WIDTH,
) -> str:
    """Return a picture with one pair of axes, for a page.

    Parameters
    ----------
    draw : callable
        Is called with the axes.
    name : str
        Keeps the names inside it apart from those of the other pictures of a page.
    alt : str
        What it shows, for readers who cannot see it.
    height : float, default=0.8
        Its height, for a width of one.
    width : float, default=5.6
        Its width in inches.
    """

    def make() -> Figure:
        from skal_deep.evaluation.report._shown_figure import ShownFigure

        figure = ShownFigure(figsize=(width, height * width), layout="constrained")
        draw(figure.subplots())
        return figure

    return as_svg(make, name, alt)


def small_multiples(
    names: list[str],
    draw: Callable[[str, Any], Any],
    name: str,
    alts: list[str],
    height: float,
) -> str:
    """Return small pictures, as many side by side as the page is wide.

    Parameters
    ----------
    names : list of str
        Names of the strategies, or of what else there are pictures of.
    draw : callable
        Is called with a name and its axes.
    name : str
        Keeps the names inside them apart from those of the other pictures of a page.
    alts : list of str
        What each of them shows, for readers who cannot see it.
    height : float
        Height of a picture, for a width of one.
    """

    def titled(each: str) -> Callable[[Any], Any]:
        def draw_titled(ax: Any) -> None:
            draw(each, ax)
            ax.set_title(escape_formula(each, 32), loc="left", fontsize=11)

        return draw_titled

    pictures = [
        picture(titled(each), f"{name}{i}", alt, height, _SMALL)
        for i, (each, alt) in enumerate(zip(names, alts, strict=True))
    ]
    return f'<div class="small">{"".join(pictures)}</div>'


def as_svg(make: Callable[[], Any], name: str, alt: str) -> str:
    """Return a figure as inline SVG, in the colours of the page.

    Parameters
    ----------
    make : callable
        Draws the figure.
    name : str
        Keeps the names inside it apart from those of the other figures of a page.
    alt : str
        What it shows, for readers who cannot see it.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    made, ink = io.StringIO(), dict.fromkeys(_INKED, _INK)
    settings: Any = {"svg.hashsalt": name, "svg.fonttype": "none", **ink}
    with mpl.rc_context(settings):
        figure = make()
        figure.set_dpi(110)
        for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
            patch.set(facecolor="none", edgecolor="none")
        # `savefig` would draw a figure with a layout twice.
        FigureCanvasSVG(figure).print_svg(made, metadata={"Date": None})
    svg = replace_unprintable(made.getvalue())
    svg = svg[svg.index("<svg") + len("<svg") :].replace(_INK, "var(--ink)")
    return f'<figure><svg role="img" aria-label="{escape(alt)}"{svg}</figure>'
