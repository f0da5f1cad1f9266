"""The picture and the table of what :mod:`benchmarks.scaling` has measured."""

import math

import numpy as np

# Axes of the picture, for seconds and for MiB: range, ticks, and a line of slope 1.
_RANGE = {1: (2e-3, 1e2), 2: (0.5, 1e4)}
_TICKS = {1: [0.01, 1, 100], 2: [1, 100, 10_000]}
_GUIDE = {1: 1e-5, 2: 1e-3}
# What is less is not told apart from nothing.
_LEAST = 1e-3


def draw(results, sweeps, path):
    """Draw a row of panels for each strategy: time and memory along each axis."""
    import matplotlib.pyplot as plt

    columns = [(axis, column) for column in (1, 2) for axis in sweeps]
    fig, axes = plt.subplots(
        len(results),
        len(columns),
        figsize=(11, 1.05 * len(results) + 1),
        sharex="col",
        layout="constrained",
    )
    symbols = {"n": "N", "b": "b", "c": "C"}
    words = {"n": "rows N", "b": "batch b", "c": "classes C"}
    for row, (name, sides) in zip(axes, results.items(), strict=True):
        for ax, (axis, column) in zip(row, columns, strict=True):
            for side, style in (("theirs", "C1s--"), ("ours", "C0o-")):
                points = sides.get(side, {}).get(axis, [])
                if points:
                    sizes, values = [p[0] for p in points], [p[column] for p in points]
                    ax.plot(sizes, np.maximum(values, _RANGE[column][0]), style, ms=3)
            ax.set(xscale="log", yscale="log", ylim=_RANGE[column])
            ax.set_xlim(sweeps[axis][0] / 1.5, sweeps[axis][-1] * 1.5)
            ax.set_yticks(_TICKS[column], _TICKS[column] if axis == "n" else [])
            ax.tick_params(labelsize=7)
            ax.grid(lw=0.4)
            ax.minorticks_off()
            if axis == "n":  # linear growth
                ax.plot([1e3, 1e6], np.array([1e3, 1e6]) * _GUIDE[column], "0.7", lw=1)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    for ax, (axis, column) in zip(axes[0], columns, strict=True):
        ax.set_title(("CPU seconds", "MiB")[column - 1] + f" against {symbols[axis]}")
        ax.title.set_fontsize(8)
    for ax, (axis, _) in zip(axes[-1], columns, strict=True):
        ax.set_xlabel(words[axis], fontsize=8)
    fig.suptitle(
        "A query: skal_deep (blue), scikit-activeml (orange), linear growth (grey)",
        fontsize=10,
    )
    fig.savefig(path, dpi=100)


def table(results):
    """Return the lines of a table: the largest pool of each strategy, and growth."""
    lines = [
        "| strategy | N | CPU s | MiB | s like N^ | MiB like N^ | b: 10 to 1,000 "
        "| C: 2 to 100 | scikit-activeml: N, CPU s, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, sides in results.items():
        points = sides["ours"]["n"]
        if len(points) < 2:
            continue
        size, seconds, mib = points[-1]
        growth = [f"{exponent(points, column):.1f}" for column in (0, 1)]
        times = [factor(sides.get("ours", {}).get(axis, [])) for axis in ("b", "c")]
        peer = ""
        if their := sides.get("theirs", {}).get("n", []):
            peer = f"{their[-1][0]:,}, {their[-1][1]:.3g}, {their[-1][2]:,.0f}"
        cells = [name, f"{size:,}", f"{seconds:.3g}", f"{mib:,.0f}", *growth, *times]
        lines.append(f"| {' | '.join(cells)} | {peer} |")
    return lines


def factor(points):
    """Return by what time and memory grow along a whole axis, as far as measured."""
    if len(points) < 2:
        return ""
    (first, *before), (last, *after) = points[0], points[-1]
    seconds, mib = (b / max(a, _LEAST) for a, b in zip(before, after, strict=True))
    return f"s x {seconds:.3g}, MiB x {mib:.3g} ({first:,} to {last:,})"


def exponent(results, column):
    """Return how a figure grew at the end: 1 is linearly, 2 with the square."""
    (size, *last), (size_before, *before) = results[-1], results[-2]
    growth = max(last[column], _LEAST) / max(before[column], _LEAST)
    return math.log(growth) / math.log(size / size_before)
