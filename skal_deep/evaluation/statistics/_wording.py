"""Numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skal_deep.evaluation.statistics._paired import LEVEL

if TYPE_CHECKING:
    from skal_deep.evaluation.statistics._paired import PairedDifference
    from skal_deep.evaluation.statistics._verdict import Verdict


def sized(value: float, is_share: bool, sign: str = "") -> str:
    """Return a difference of scores in words.

    Parameters
    ----------
    value : float
        The difference.
    is_share : bool
        Whether scores are shares: then it is given in points, that is, hundredths.
    sign : {"", "+"}, default=""
        Whether a plus is written.
    """
    digits = _digits(100 * value if is_share else value, sign)
    return f"{digits} points" if is_share else digits


def _digits(number: float, sign: str) -> str:
    return format(number, f"{sign}.1f" if abs(number) >= 1 else f"{sign}.2g")


def bounded(
    difference: PairedDifference,
    is_share: bool,
    interval: tuple[float, float] | None = None,
) -> str:
    """Return a difference and its interval, or why there is none.

    Parameters
    ----------
    difference : PairedDifference
        The difference.
    is_share : bool
        See :func:`sized`.
    interval : tuple of float, default=None
        Bounds; ``None`` is those of the difference by itself.
    """
    if difference.n_missing:
        return difference.wording
    bounds = interval or (difference.low, difference.high)
    if not np.isfinite(bounds).all():
        return f"{sized(difference.mean, is_share, '+')} (no interval)"
    low, high = (_digits(100 * bound if is_share else bound, "+") for bound in bounds)
    return f"{sized(difference.mean, is_share, '+')} ({low} to {high})"


def sentence(verdict: Verdict) -> str:
    """Return one sentence on a strategy.

    Parameters
    ----------
    verdict : Verdict
        What may be said of it.
    """
    difference = verdict.difference
    if difference.n_missing:
        return f"{verdict.word}."
    if difference.n < 2:
        gain = sized(difference.mean, verdict.is_share, "+")
        return f"{gain} in one repeat, which allows no statement."
    interval = (verdict.low, verdict.high)
    found = bounded(difference, verdict.is_share, interval)
    found += f", p = {verdict.p_value:.2g}"
    if verdict.is_found:
        return f"{verdict.word} than random sampling: {found}{verdict.caveat}."
    if difference.sd == 0:
        gain = sized(difference.mean, verdict.is_share, "+")
        return f"no difference detected: {gain} in each of {difference.n} repeats."
    if difference.p_value < LEVEL:  # that of this one alone would be a finding
        alone = f"{difference.p_value:.2g} alone"
        found += f", which allows for several strategies ({alone})"
    return f"{verdict}. Seen: {found}."


def saved(verdict: Verdict, row: Mapping[str, Any]) -> str:
    """Return a sentence on the labels that a strategy saves or wastes, if any.

    Parameters
    ----------
    verdict : Verdict
        What may be said of the strategy.
    row : dict
        Its row of ``Comparison.label_savings``.
    """
    if verdict.word == "better":
        needed = _labels(row, ("needs itself", "low", "high"))
        return (
            f" It needs {needed} labels for what random sampling reaches with "
            f"{row['labels']}."
        )
    if verdict.word == "worse":
        needed = _labels(row, ("random needs", "random low", "random high"))
        return (
            f" Random sampling needs {needed} labels for what it reaches with "
            f"{row['labels']}."
        )
    return ""


def _labels(row: Mapping[str, Any], columns: tuple[str, str, str]) -> str:
    more = f"more than {row['labels']}"
    needed, low, high = (
        more if row[column] == float("inf") else f"{row[column]:.0f}"
        for column in columns
    )
    return needed if needed == low == high else f"{needed} ({low} to {high})"


def listed(settings: Mapping[str, Any]) -> str:
    """Return parameters as they would be set.

    Parameters
    ----------
    settings : dict
        Parameters; none is the model as it was given.
    """
    if not settings:
        return "as given"
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
