"""Curves of a comparison: whether they are curves, and whether they compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._protocol import HasCurves


def check_curves(rows: Iterable[dict[str, Any]]) -> None:
    """Raise unless the labels of each curve increase, over as many stages a repeat.

    Parameters
    ----------
    rows : iterable of dict
        One row for each strategy, repeat and stage.
    """
    labels: dict[Any, dict[Any, list[Any]]] = {}
    for row in rows:
        of_strategy = labels.setdefault(row["strategy"], {})
        of_strategy.setdefault(row["repeat"], []).append(row["n_labels"])
    for name, of_strategy in labels.items():
        for repeat, counts in of_strategy.items():
            if not (np.diff(np.asarray(counts, float)) > 0).all():
                raise ValueError(
                    f"The labels of {name!r} in repeat {repeat} must increase from row "
                    f"to row, but are {counts}. Sort the rows by stage."
                )
        lengths = sorted({len(counts) for counts in of_strategy.values()})
        if len(lengths) > 1:
            raise ValueError(
                f"The repeats of {name!r} have {lengths} stages, but must have as many "
                "each. Leave out the repeat that is not finished."
            )


def stage_labels(comparison: HasCurves, name: str) -> NDArray[np.float64]:
    """Return a strategy's own numbers of labels, the same in each repeat.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    name : str
        Name of a strategy or of a reference line.
    """
    labels_RT = comparison.curve(name, "n_labels")
    if (labels_RT != labels_RT[:1]).any():
        raise ValueError(
            f"The repeats of {name!r} have different numbers of labels, so that there "
            f"is no mean curve: {labels_RT.tolist()}."
        )
    return labels_RT[0]


def check_comparable(comparison: HasCurves, name: str, baseline: str) -> None:
    """Raise unless two strategies have the same repeats, over the same labels.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    name, baseline : str
        Names of the strategies.
    """
    repeats = {
        strategy: sorted(
            {row["repeat"] for row in comparison.curves if row["strategy"] == strategy}
        )
        for strategy in (name, baseline)
    }
    if repeats[name] != repeats[baseline]:
        raise ValueError(
            f"{name!r} has the repeats {repeats[name]} and {baseline!r} "
            f"{repeats[baseline]}, so that they are not paired."
        )
    ours, theirs = (comparison.curve(s, "n_labels") for s in (name, baseline))
    if (ours[:, [0, -1]] != theirs[:, [0, -1]]).any():
        raise ValueError(
            f"{name!r} goes from {ours[0, 0]} to {ours[0, -1]} labels and {baseline!r} "
            f"from {theirs[0, 0]} to {theirs[0, -1]}: areas over different numbers of "
            "labels do not compare. label_savings() does, by what each needs."
        )


def check_stages(comparison: HasCurves) -> None:
    """Raise unless all strategies have the same numbers of labels at each stage.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    """
    baseline, *others = comparison.strategies
    labels = comparison.curve(baseline, "n_labels")
    for name in others:
        check_comparable(comparison, name, baseline)
        own = comparison.curve(name, "n_labels")
        if own.shape != labels.shape or (own != labels).any():
            raise ValueError(
                f"{name!r} and {baseline!r} have different numbers of labels at some "
                "stage, so that they cannot be compared stage by stage."
            )
