"""The tables of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._table import Table
from skal_deep.evaluation.simulation._search import FOUND
from skal_deep.evaluation.statistics._curves import stage_labels
from skal_deep.evaluation.statistics._paired import effect_size
from skal_deep.evaluation.statistics._savings import SEED, LabelsNeeded, labels_needed
from skal_deep.evaluation.statistics._tests import sign_flip_test

_SIGNED = dict.fromkeys(("vs random", "low", "high", "log area", "search gap"), "+.3f")
_COSTS = {"s queries": ".1f", "s fits": ".1f", "peak MiB": ",.0f"}
_EFFECTS = dict.fromkeys(("effect", "effect low", "effect high"), "+.2f")
_P_VALUES = dict.fromkeys(
    ("p", "p t", "p signs", "p Wilcoxon", "p Holm", "p log area"), ".2g"
)
_LABELS = ("random needs", "random low", "random high", "needs itself", "low", "high")


def summary_table(comparison: HasCurves) -> Table:
    """Return one row for each strategy; see ``Comparison.summary``.

    Parameters
    ----------
    comparison : Comparison
        The comparison to summarise.
    """
    verdicts = comparison.verdicts()
    was_searched = any(row["strategy"] == FOUND for row in comparison.references)
    found = comparison.areas(FOUND) if was_searched else None
    rows = []
    for name in comparison.strategies:
        row: dict[str, Any] = {
            "strategy": name,
            f"final {comparison.metrics[0]}": float(
                comparison.curve(name)[:, -1].mean()
            ),
            "area": float(comparison.areas(name).mean()),
            **dict.fromkeys(("vs random", "low", "high", "p")),
            "verdict": "baseline",
            "s queries": _seconds(comparison, name, "seconds_query"),
            "s fits": _seconds(comparison, name, "seconds_fit"),
            "peak MiB": float(comparison.curve(name, "peak_megabytes").max()),
        }
        if found is not None:
            gap = float((found - comparison.areas(name)).mean())
            row = {k: v for k, v in row.items() if k not in _COSTS} | {
                "search gap": gap,
                **{cost: row[cost] for cost in _COSTS},
            }
        if name in verdicts:
            verdict = verdicts[name]
            row |= {
                "vs random": verdict.difference.mean,
                "low": _bound(verdict.low),
                "high": _bound(verdict.high),
                "p": verdict.p_value,
                "verdict": str(verdict),
            }
        rows.append(row)
    return Table(rows, _SIGNED | _P_VALUES | _COSTS, comparison.warning)


def _bound(value: float) -> float | None:
    """Return a bound; nothing where there is none."""
    return value if np.isfinite(value) else None


def _seconds(comparison: HasCurves, strategy: str, column: str) -> float:
    return float(comparison.curve(strategy, column).sum(axis=1).mean())


def rounds_table(comparison: HasCurves) -> Table:
    """Return the mean scores round by round, a column for each strategy.

    Parameters
    ----------
    comparison : Comparison
        The comparison whose rounds are listed.
    """
    names = comparison.strategies
    labels = stage_labels(comparison, names[0])
    means = {name: comparison.curve(name).mean(axis=0) for name in names}
    return Table(
        [
            {"labels": f"{n_labels:.0f}"}
            | {name: float(means[name][stage]) for name in names}
            for stage, n_labels in enumerate(labels)
            if all(stage < len(means[name]) for name in names)
        ]
    )


def tests_table(comparison: HasCurves) -> Table:
    """Return all tests of the differences to random; see ``Comparison.tests``.

    Parameters
    ----------
    comparison : Comparison
        The comparison to test.
    """
    baseline = comparison.areas(comparison.strategies[0])
    rows = []
    for name, verdict in comparison.verdicts().items():
        gains = comparison.areas(name) - baseline
        effect, low, high = effect_size(verdict.difference, verdict.level)
        p_signs = p_wilcoxon = np.nan
        if not verdict.difference.n_missing:
            # A seed for each strategy, so that none depends on those before it.
            p_signs = sign_flip_test(gains, np.random.default_rng(SEED))
            p_wilcoxon = float(stats.wilcoxon(gains).pvalue) if gains.any() else 1.0
        log_area = comparison.difference(name, log=True)
        rows.append(
            {
                "strategy": name,
                "vs random": verdict.difference.mean,
                "effect": effect,
                "effect low": low,
                "effect high": high,
                "p t": verdict.difference.p_value,
                "p signs": p_signs,
                "p Wilcoxon": p_wilcoxon,
                "p Holm": verdict.p_value,
                "detects": verdict.detectable,
                "log area": log_area.mean,
                "p log area": log_area.p_value,
            }
        )
    return Table(rows, _SIGNED | _P_VALUES | _EFFECTS, comparison.warning)


def savings_table(comparison: HasCurves) -> Table:
    """Return the labels needed; see ``Comparison.label_savings``.

    Parameters
    ----------
    comparison : Comparison
        The comparison whose labels are counted.
    """
    baseline, *others = comparison.strategies
    rows = []
    for name in others:
        row: dict[str, Any] = {
            "strategy": name,
            "labels": int(stage_labels(comparison, name)[-1]),
        }
        for columns, counted, other in (
            (_LABELS[:3], baseline, name),
            (_LABELS[3:], name, baseline),
        ):
            targets = comparison.curve(other)
            found = labels_for(comparison, counted, targets, [-1])
            bounds = (
                (np.nan,) * 3
                if found is None
                else (found.needed[0], found.low[0], found.high[0])
            )
            row |= dict(zip(columns, map(float, bounds), strict=True))
        rows.append(row)
    return Table(rows, dict.fromkeys(_LABELS, ".0f"), comparison.warning)


def labels_for(
    comparison: HasCurves,
    name: str,
    targets: NDArray[np.float64],
    stages: Any = slice(None),
) -> LabelsNeeded | None:
    """Return the labels that a strategy needs; nothing if there are no scores.

    Parameters
    ----------
    comparison : Comparison
        The comparison whose labels are counted.
    name : str
        The strategy whose labels are counted.
    targets : ndarray of shape (n_repeats, n_stages)
        Scores of another, whose mean is to be reached.
    stages : slice or list of int, default=slice(None)
        Stages of the other that count.
    """
    scores, labels = comparison.curve(name), stage_labels(comparison, name)
    if not (np.isfinite(scores).all() and np.isfinite(targets).all()):
        return None
    # The same draws for each strategy, so that none depends on those before it.
    rng = np.random.default_rng(SEED)
    return labels_needed(labels, scores, targets[:, stages], rng)
