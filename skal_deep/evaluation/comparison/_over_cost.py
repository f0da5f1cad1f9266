"""The curves of a comparison over what the labels cost, in place of their number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._protocol import HasCurves


def curves_over_cost(comparison: HasCurves) -> list[dict[str, Any]]:
    """Return rows like those of a comparison, at the same costs for each strategy.

    Scores are those of the line through the stages of a repeat. The costs go in equal
    steps from those of the first labels, as a mean over the repeats, to where the
    cheapest curve ends.

    Parameters
    ----------
    comparison : Comparison
        Its curves have a column "cost".
    """
    if not all("cost" in row for row in comparison.curves):
        raise ValueError(
            "The curves say nothing of costs: call compare_strategies(cost=...)."
        )
    cost_of = {name: comparison.curve(name, "cost") for name in comparison.strategies}
    # The first labels are shared in a repeat, and cost as much for each strategy. Those
    # that a failed job did not buy have no cost.
    first_R = np.nanmax([cost_RT[:, 0] for cost_RT in cost_of.values()], axis=0)
    first_R = first_R[:, None]
    spent = {name: cost_RT - first_R for name, cost_RT in cost_of.items()}
    n_stages = min(cost_RT.shape[1] for cost_RT in spent.values())
    end = float(np.nanmin([cost_RT[:, -1] for cost_RT in spent.values()]))
    if n_stages < 2:
        raise ValueError("Nothing was bought beyond the first labels: n_cycles is 0.")
    grid = np.linspace(0, end, n_stages)
    shown = float(first_R.mean()) + grid
    rows = []
    for name, cost_RT in spent.items():
        scores = {m: comparison.curve(name, m) for m in comparison.metrics}
        own = [row for row in comparison.curves if row["strategy"] == name]
        for at, repeat in enumerate(sorted({row["repeat"] for row in own})):
            stages = [row for row in own if row["repeat"] == repeat]
            at_grid = {
                metric: _scores_at(grid, cost_RT[at], score_RT[at])
                for metric, score_RT in scores.items()
            }
            rows += [
                {
                    # seconds and memory stay those of the rounds, and their sums true
                    **stages[min(stage, len(stages) - 1)],
                    "stage": stage,
                    "n_labels": float(cost),
                    "cost": float(cost),
                    **{metric: float(each[stage]) for metric, each in at_grid.items()},
                }
                for stage, cost in enumerate(shown)
            ]
    return rows


def _scores_at(
    grid: NDArray[np.float64], cost_T: NDArray[np.float64], score_T: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return scores at some costs; NaN beyond what a job that failed has spent."""
    is_known = ~np.isnan(cost_T)
    if not is_known.any():
        return np.full_like(grid, np.nan)
    found: NDArray[np.float64] = np.interp(
        grid,
        cost_T[is_known],
        score_T[is_known],
        right=None if is_known.all() else np.nan,
    )
    return found
