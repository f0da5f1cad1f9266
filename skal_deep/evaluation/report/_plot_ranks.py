"""The critical-difference diagram."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skal_deep.evaluation._export import drawn
from skal_deep.evaluation.report._plots import _axes
from skal_deep.evaluation.statistics._friedman import Ranking

_ROW = 0.5  # distance of the names, in units of the axis
_BAR = 0.16  # distance of the bars


def plot_ranks(ranking: Ranking, names: Sequence[str], ax: Any = None) -> Any:
    """Draw mean ranks on a line, and bars over those that are not told apart.

    Parameters
    ----------
    ranking : Ranking
        Mean ranks and their critical difference, which is drawn in the corner.
    names : sequence of str
        Names of the strategies.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; ``None`` makes a figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes.

    References
    ----------
    J. Demsar. Statistical Comparisons of Classifiers over Multiple Data Sets. JMLR,
    2006.
    """
    ax = _axes(ax)
    ranks, groups = ranking.mean_ranks, ranking.groups()
    k, n_left = len(ranks), (len(ranks) + 1) // 2
    first_row = -_BAR * (len(groups) + 1) - 0.2
    ax.hlines(0, 1, k, color="black", lw=1)
    for rank in range(1, k + 1):
        ax.vlines(rank, 0, 0.1, color="black", lw=1)
        ax.text(rank, 0.15, str(rank), ha="center", va="bottom")
    for place, i in enumerate(np.argsort(ranks, kind="stable")):
        is_left = place < n_left
        row = first_row - _ROW * (place if is_left else k - 1 - place)
        edge = 0.9 if is_left else k + 0.1
        ax.plot([ranks[i], ranks[i], edge], [0, row, row], color="0.3", lw=1)
        name = drawn(names[i])
        text = f"{name}  {ranks[i]:.2f}" if is_left else f"{ranks[i]:.2f}  {name}"
        side = "right" if is_left else "left"
        ax.annotate(
            text,
            (edge, row),
            (-4 if is_left else 4, 0),
            ha=side,
            va="center",
            textcoords="offset points",
            annotation_clip=False,
        )
    for level, group in enumerate(groups, start=1):
        ends = ranks[group[0]] - 0.04, ranks[group[-1]] + 0.04
        ax.hlines(-_BAR * level, *ends, color="#0072B2", lw=4)
    top = 0.75
    end = 1 + ranking.critical_difference
    ax.errorbar(
        [(1 + end) / 2], [top], xerr=(end - 1) / 2, color="black", capsize=3, lw=1
    )
    ax.text(
        (1 + end) / 2,
        top + 0.08,
        f"critical difference {ranking.critical_difference:.2f}",
        ha="center",
        va="bottom",
        fontsize=9,
    )
    ax.set_xlim(0.7 - 0.3 * k, max(k, end) + 0.3 * k + 0.3)  # room for the names
    ax.set_ylim(first_row - _ROW * n_left, top + 0.4)
    ax.axis("off")
    return ax
