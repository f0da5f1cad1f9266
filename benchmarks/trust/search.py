"""How much a search with the true labels finds beyond strategies."""

import numpy as np

from benchmarks.trust._probe import Probe, strategies
from skal_deep.evaluation import compare_strategies


def table(pools, n_repeats, n_cycles, n_candidates):
    """Return a line for each data set and strategy: areas, and the gap."""
    lines = []
    named = strategies()
    chosen = {name: named[name] for name in ("margin", "herding")}
    for data, (X, y) in pools.items():
        comparison = compare_strategies(
            chosen,
            Probe(),
            X,
            y,
            n_repeats=n_repeats,
            n_initial=10,
            batch_size=10,
            n_cycles=n_cycles,
            search={"n_candidates": n_candidates},
            progress=False,
            random_state=0,
        )
        for name in comparison.strategies:
            found = comparison.gap(name)
            gap = found.area_difference
            lines.append(
                [
                    f"{data}, {name}",
                    np.mean(comparison.areas(name)),
                    found.area[2],
                    gap.mean,
                    gap.low,
                    gap.high,
                ]
            )
    return lines
