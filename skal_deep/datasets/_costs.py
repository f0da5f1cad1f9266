"""What labels cost, as a file has it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_costs(entries: Iterable[Any], source: str) -> NDArray[np.float64]:
    """Return what labels cost, a positive number for each row.

    Parameters
    ----------
    entries : iterable of object
        Numbers, or words that are numbers.
    source : str
        Where they are from, for what is said of them.
    """
    given = list(entries)
    costs = np.array([_number(entry) for entry in given], np.float64)
    is_right = np.isfinite(costs) & (costs > 0)
    if not is_right.all():
        row = int(np.argmin(is_right))
        raise ValueError(
            f"The costs of {source} must be positive numbers, one a row, and row {row} "
            f"(from 0) has {given[row]!r:.50}."
        )
    return costs


def check_columns(label: str, cost: str | None, inputs: Iterable[str | None]) -> None:
    """Raise if a column is to hold two things: labels would be seen as inputs.

    Parameters
    ----------
    label : str
        Column of the labels, or targets.
    cost : str or None
        Column of what labels cost.
    inputs : iterable of str or None
        Columns of texts and categories.
    """
    inputs = [*inputs]
    held = [(cost, "what they cost"), *((column, "inputs") for column in inputs)]
    for column, what in held:
        if column == label:
            raise ValueError(
                f"The column {label!r} cannot hold both the labels and {what}: say "
                "which column holds the labels (label=..., --label, or target)."
            )
    if cost is not None and cost in inputs:
        raise ValueError(
            f"The column {cost!r} holds what labels cost, which a model does not see: "
            "leave it out of texts and categories."
        )


def _number(entry: Any) -> float:
    """Return a number, NaN for what is none."""
    if "_" in str(entry):  # of Python's own numbers; no column of numbers has it
        return float("nan")
    try:
        return float(entry)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
