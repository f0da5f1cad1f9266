"""One colour for each strategy, seen on white and on black."""

import re
from itertools import permutations

import matplotlib as mpl
import numpy as np
import pytest
from comparisons import made_comparison
from matplotlib.colors import to_hex, to_rgb

from skal_deep.evaluation import (
    plot_curves,
    plot_differences,
    plot_savings,
    plot_seconds,
    strategy_styles,
)
from skal_deep.evaluation.report._colours import BASELINE_COLOUR, PALETTE
from skal_deep.evaluation.report._page import page

mpl.use("agg")
NAMES = ["bald", "batchbald", "badge", "coreset", "vaal"]


def luminance(colour):
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def backgrounds():
    """Return the paper and the cards of a report, in light and in dark mode."""
    found = re.findall(r"--(?:paper|card): (#[0-9a-f]+)", page("", []))
    assert len(found) == 4
    return [to_hex(colour) for colour in found]


@pytest.mark.parametrize("colour", [*PALETTE, BASELINE_COLOUR])
def test_contrast(colour):
    assert min(contrast(colour, each) for each in backgrounds()) >= 3


def test_a_colour_belongs_to_the_name():
    alone = {name: strategy_styles([name])[name] for name in [*NAMES, "mine"]}
    for names in permutations(["random", *NAMES]):
        styles = strategy_styles(names)
        assert all(styles[name] == alone[name] for name in NAMES)
        assert list(styles) == list(names)
    assert strategy_styles(["BALD"])["BALD"] == alone["bald"]
    assert strategy_styles(["core-set"])["core-set"] == alone["coreset"]


@pytest.mark.parametrize("n", [2, 5, 8, 20])
def test_no_two_lines_of_a_figure_are_alike(n):
    names = [f"strategy {i}" for i in range(n)]
    styles = strategy_styles(["random", *names])
    assert len({(styles[m]["color"], styles[m]["marker"]) for m in names}) == n
    if n <= 8:
        assert len({styles[m]["color"] for m in names}) == n
    assert styles == strategy_styles([*names[::-1], "random"])


def test_random_is_dashed_and_grey():
    style = strategy_styles(["random"])["random"]
    assert style["linestyle"] == "--"
    assert len(set(to_rgb(style["color"]))) == 1


@pytest.mark.slow
def test_figures_of_other_comparisons_have_the_same_colours():
    first = made_comparison({"bald": 0.1, "mine": 0.0})
    second = made_comparison({"mine": 0.0, "vaal": -0.1, "bald": 0.1})
    seen = {}
    for comparison in (first, second):
        for draw in (plot_curves, plot_differences, plot_savings):
            for line in draw(comparison).get_lines():
                if not line.get_label().startswith("_"):
                    seen.setdefault(line.get_label(), set()).add(line.get_color())
    assert {name: len(colours) for name, colours in seen.items()} == {
        "random": 1,
        "bald": 1,
        "mine": 1,
        "vaal": 1,
    }


def test_labels_saved_have_a_legend():
    legend = plot_savings(made_comparison({"bald": 0.1})).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["random", "bald"]


def test_the_legend_of_seconds_is_not_on_its_bars():
    ax = plot_seconds(made_comparison({"bald": 0.1}))
    ax.figure.draw_without_rendering()
    patches = ax.get_legend().get_patches()
    assert min(patch.get_window_extent().y0 for patch in patches) >= ax.bbox.y1
    assert all(contrast(patch.get_facecolor(), "white") >= 3 for patch in patches)
