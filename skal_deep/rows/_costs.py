"""What labels cost, as users pass it, and how many of them a budget buys."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A sum of tenths may exceed the same number of tenths by round-off.
_ROUND_OFF = 1e-12


def as_cost(cost: Any, n_rows: int) -> NDArray[np.float64]:
    """Return what labels cost as an array, one positive number for each row.

    Parameters
    ----------
    cost : array-like of shape (n_rows,)
        Costs in any unit.
    n_rows : int
        Number of rows.
    """
    try:
        array = np.asarray(cost, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (n_rows,) or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(
            f"cost must hold a positive number for each of the {n_rows} rows; it is "
            f"{cost!r:.100} of shape {np.shape(array)}."
        )
    return array


def affordable(cost: NDArray[np.float64] | None, budget: Any) -> NDArray[np.bool_]:
    """Return which rows a budget buys, each by itself.

    Parameters
    ----------
    cost : ndarray of shape (n_candidates,) or None
        Costs of candidates.
    budget : float
        What labels may cost together.
    """
    cost = _priced(cost, budget)
    within: NDArray[np.bool_] = cost <= float(budget) * (1 + _ROUND_OFF)
    if not within.any():
        raise ValueError(
            f"budget={budget} buys no label: the cheapest candidate costs "
            f"{cost.min():g}."
        )
    return within


def check_budget(cost: NDArray[np.float64] | None, budget: Any) -> None:
    """Raise unless a budget of each round buys any label, so that no round is empty.

    Parameters
    ----------
    cost : ndarray of shape (n_rows,) or None
        Costs of all rows that may be labelled.
    budget : float
        What the labels of a round may cost together.
    """
    dearest = _priced(cost, budget).max()
    if not dearest <= float(budget) * (1 + _ROUND_OFF):
        raise ValueError(
            f"budget={budget} is what the labels of each query may cost, and must buy "
            f"any of them: the dearest costs {dearest:g}. Raise the budget, or leave "
            "such rows out."
        )


def _priced(cost: NDArray[np.float64] | None, budget: Any) -> NDArray[np.float64]:
    """Return the costs, if there are any, and the budget is a number."""
    if cost is None:
        raise ValueError("budget is what labels may cost together: pass cost, too.")
    if isinstance(budget, bool) or not isinstance(budget, int | float | np.number):
        raise TypeError(f"budget must be a number, not {budget!r}.")
    return cost


def n_within(cost: NDArray[np.float64], budget: float) -> int:
    """Return how many rows, from the first on, cost no more than a budget together.

    Parameters
    ----------
    cost : ndarray of shape (n,)
        Costs in the order in which labels are bought.
    budget : float
        What they may cost together.
    """
    return int((np.cumsum(cost) <= budget * (1 + _ROUND_OFF)).sum())
