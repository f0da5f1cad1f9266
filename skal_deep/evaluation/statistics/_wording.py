"""Verdicts in sentences: a headline, what to do next, labels saved."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skal_deep.evaluation.statistics._paired import LEVEL, PairedDifference
from skal_deep.evaluation.statistics._power import fewest_repeats, repeats_needed
from skal_deep.evaluation.statistics._sizes import digits_of, format_size
from skal_deep.evaluation.statistics._verdict import Verdict


def headline(found: Mapping[str, Verdict]) -> str:
    """Return the verdicts on all strategies in one sentence.

    Parameters
    ----------
    found : dict of str to Verdict
        The conclusion about each strategy, compared with random sampling.
    """
    by_word: dict[str, list[str]] = {}
    for name, verdict in found.items():
        by_word.setdefault(verdict.word, []).append(name)
    said = [
        f"{', '.join(by_word[word])}: {word} than random sampling"
        for word in ("better", "worse")
        if word in by_word
    ]
    if said:
        caveat = next(each.caveat for each in found.values() if each.is_found)
        return f"{'. '.join(said)}{caveat}."
    if not found:
        return "Random sampling alone: nothing is compared."
    if set(by_word) == {"no difference detected"}:
        return "No difference to random sampling was detected."
    return f"{'; '.join(word[0].upper() + word[1:] for word in by_word)}."


def next_steps(found: Mapping[str, Verdict]) -> list[str]:
    """Return what to do after a comparison.

    Parameters
    ----------
    found : dict of str to Verdict
        The conclusion about each strategy, compared with random sampling.
    """
    if not found:
        return ["Name strategies to compare with random sampling."]
    judged = {k: v for k, v in found.items() if v.difference.has_statement}
    if not judged:
        return ["Play two repeats or more, each with a score, to say anything."]
    best = max(judged, key=lambda name: judged[name].difference.mean)
    verdict, steps = judged[best], []
    if verdict.caveat:
        n = fewest_repeats(verdict.n_tests)
        steps.append(
            f"Play {n} repeats or more (n_repeats={n}): with a run_dir, those "
            "that were played count."
        )
    if verdict.word == "better":
        steps.append(
            f"Let {best} choose what to label, and keep some rows that were "
            "drawn at random, to estimate the score without bias."
        )
    else:
        steps.append(
            f"Label rows at random, unless a larger study says otherwise. "
            f"{more_repeats(verdict)}".strip()
        )
        steps.append(
            "does_al_help(..., explain=True) looks for the reason why "
            "choosing does not help."
        )
    return steps


def more_repeats(verdict: Verdict) -> str:
    """Return how many repeats would detect what was seen; nothing if all are alike.

    Parameters
    ----------
    verdict : Verdict
        One that found no difference.
    """
    difference = verdict.difference
    if difference.sd == 0 or difference.mean == 0:
        return ""
    n_more = repeats_needed(
        difference.mean / difference.sd, LEVEL / verdict.n_tests, difference.overlap
    )
    need = (
        "these data do not suffice"
        if n_more is None
        else f"about {n_more} repeats are needed"
    )
    seen = format_size(abs(difference.mean), verdict.is_share)
    return f"To detect a difference as small as the {seen} seen, {need}."


def format_difference(
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
        See :func:`format_size`.
    interval : tuple of float, default=None
        Bounds; ``None`` is those of the difference by itself.
    """
    if difference.n_missing:
        return difference.wording
    bounds = interval or (difference.low, difference.high)
    if not np.isfinite(bounds).all():
        return f"{format_size(difference.mean, is_share, '+')} (no interval)"
    low, high = (digits_of(100 * bound if is_share else bound, "+") for bound in bounds)
    return f"{format_size(difference.mean, is_share, '+')} ({low} to {high})"


def sentence(verdict: Verdict) -> str:
    """Return one sentence on a strategy.

    Parameters
    ----------
    verdict : Verdict
        The conclusion about it.
    """
    difference = verdict.difference
    if difference.n_missing:
        return f"{verdict.word}."
    if difference.n < 2:
        gain = format_size(difference.mean, verdict.is_share, "+")
        return f"{gain} in one repeat, which allows no statement."
    interval = (verdict.low, verdict.high)
    found = format_difference(difference, verdict.is_share, interval)
    found += f", p = {verdict.p_value:.2g}"
    if verdict.is_found:
        return f"{verdict.word} than random sampling: {found}{verdict.caveat}."
    if difference.sd == 0:
        gain = format_size(difference.mean, verdict.is_share, "+")
        return f"no difference detected: {gain} in each of {difference.n} repeats."
    if difference.p_value < LEVEL:  # that of this one alone would be a finding
        alone = f"{difference.p_value:.2g} alone"
        found += f", which allows for several strategies ({alone})"
    return f"{verdict}. Seen: {found}."


def describe_savings(verdict: Verdict, row: Mapping[str, Any]) -> str:
    """Return a sentence on the labels that a strategy saves or wastes, if any.

    Parameters
    ----------
    verdict : Verdict
        The conclusion about the strategy.
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
    return needed if needed == low == high == more else f"{needed} ({low} to {high})"


def format_params(settings: Mapping[str, Any]) -> str:
    """Return parameters as they would be set.

    Parameters
    ----------
    settings : dict
        Parameters; none is the model as it was given.
    """
    if not settings:
        return "as given"
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
