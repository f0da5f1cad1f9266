"""Learning curves as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skal_deep.evaluation._statistics import mean_and_band

if TYPE_CHECKING:
    from skal_deep.evaluation._result import Comparison

# Okabe and Ito's colours, which people with a colour vision deficiency can tell apart.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C6D1F",
    "#5B3A8E",
)
_BASELINE_COLOUR = "#555555"
_MARKERS = "os^Dv<>P"


def plot_curves(
    comparison: Comparison, ax: Any = None, metric: str | None = None
) -> Any:
    """Draw mean learning curves with 95 % bands, random sampling dashed.

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
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(8.5, 5), layout="constrained")[1]
    baseline, *others = comparison.strategies
    for i, name in enumerate([*others, baseline]):
        n_labels = comparison.curve(name, "n_labels")[0]
        mean, low, high = mean_and_band(comparison.curve(name, metric))
        is_baseline = name == baseline
        colour = _BASELINE_COLOUR if is_baseline else PALETTE[i % len(PALETTE)]
        ax.plot(
            n_labels,
            mean,
            color=colour,
            linestyle="--" if is_baseline else "-",
            marker=None if is_baseline else _MARKERS[i % len(_MARKERS)],
            markersize=4.5,
            linewidth=2,
            label=name,
        )
        ax.fill_between(n_labels, low, high, color=colour, alpha=0.12, linewidth=0)
    ax.set_xlabel("labels")
    ax.set_ylabel((metric or comparison.metrics[0]).replace("_", " "))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False, loc="lower right")
    n = comparison.settings["n_repeats"]
    ax.set_title(f"mean of {n} paired repeats, 95 % band", loc="left", fontsize=10)
    return ax
