"""The verdict on a strategy beside random sampling, in a word, in a sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skal_deep.evaluation.statistics._paired import LEVEL, PairedDifference
from skal_deep.evaluation.statistics._power import (
    detectable_effect,
    fewest_repeats,
    repeats_needed,
)
from skal_deep.evaluation.statistics._tests import holm


@dataclass(frozen=True)
class Verdict:
    """The conclusion about one strategy, compared with random sampling.

    :func:`verdicts` and ``Comparison.verdicts`` return it: quote :attr:`word` with the
    interval, and :attr:`reach` where no difference was detected.

    Attributes
    ----------
    difference : PairedDifference
        Difference in area, paired by repeat.
    p_value : float
        That of the difference, corrected by Holm for the number of strategies.
    detectable : float
        The smallest true difference that a study like this detects in four of five
        cases: repeats, their spread, the number of strategies. An estimate, as the
        spread is that of few repeats. NaN with one repeat.
    is_share : bool
        Whether scores are shares, whose hundredths are called points.
    n_tests : int
        Number of strategies that are judged together.

    See Also
    --------
    verdicts : Judges several strategies together.
    PairedDifference : The difference that is judged.

    Examples
    --------
    >>> from skal_deep.evaluation import paired_difference, verdicts
    >>> difference = paired_difference([0.82, 0.91, 0.86], [0.71, 0.81, 0.77])
    >>> verdicts({"Badge": difference}, is_share=True)["Badge"].word
    'better'
    """

    difference: PairedDifference
    p_value: float
    detectable: float
    is_share: bool
    n_tests: int = 1

    @property
    def word(self) -> str:
        """The conclusion: "better", "worse", or that no difference was detected."""
        return self.difference.word_at(self.p_value)

    @property
    def is_found(self) -> bool:
        """Whether a difference was detected."""
        return self.word in ("better", "worse")

    @property
    def level(self) -> float:
        """The level of :attr:`low` and :attr:`high`, before any correction.

        An equal part of 5 % for each strategy, so that all intervals hold at once in
        95 % of the studies (Bonferroni). Where only a later step of Holm's test finds
        a difference, it is the level of that step.
        """
        bonferroni, p_value = LEVEL / self.n_tests, self.difference.p_value
        if self.is_found and p_value >= bonferroni:
            return LEVEL * p_value / self.p_value
        return bonferroni

    @property
    def low(self) -> float:
        """Lower bound of the interval that goes with the word: see :attr:`level`."""
        return self.difference.interval(self.level)[0]

    @property
    def high(self) -> float:
        """Upper bound of the interval that goes with the word: see :attr:`level`."""
        return self.difference.interval(self.level)[1]

    def __str__(self) -> str:
        if self.is_found:
            return f"{self.word}{self.caveat}"
        if not self.difference.has_statement or self.difference.sd == 0:
            return f"{self.word}{self.caveat if self.difference.has_statement else ''}"
        return f"{self.word}{self.caveat}; {self.reach}"

    @property
    def caveat(self) -> str:
        """What to add to the word if there are too few repeats to rely on."""
        n = self.difference.n
        if n >= fewest_repeats(self.n_tests):
            return ""
        return f", but {n} repeats are too few to rely on"

    @property
    def reach(self) -> str:
        """What the study would often have missed, in words."""
        if self.is_share and self.detectable > 1:  # no share differs by more than 1
            return f"{self.difference.n} repeats could detect nothing"
        size = format_size(self.detectable, self.is_share)
        size = size.replace("points", "percentage points")
        return f"a true gain below about {size} would often be missed (80 % power)"


def verdicts(
    differences: Mapping[str, PairedDifference], is_share: bool
) -> dict[str, Verdict]:
    """Judge several strategies together, each compared with random sampling.

    The more strategies there are, the stronger the evidence that each of them needs
    (Holm's correction).

    Use it on differences of your own; ``Comparison.verdicts`` does it for a comparison.

    Parameters
    ----------
    differences : dict of str to PairedDifference
        Of each strategy to random sampling, over the same repeats.
    is_share : bool
        Whether scores are shares.

    Returns
    -------
    dict of str to Verdict
        The conclusion about each strategy.

    See Also
    --------
    holm : The correction of the p-values.
    paired_difference : Computes the differences.

    Examples
    --------
    >>> from skal_deep.evaluation import paired_difference, verdicts
    >>> random = [0.71, 0.81, 0.77]
    >>> badge = paired_difference([0.82, 0.91, 0.86], random)
    >>> bald = paired_difference([0.72, 0.80, 0.78], random)
    >>> found = verdicts({"Badge": badge, "BALD": bald}, is_share=True)
    >>> [verdict.word for verdict in found.values()]
    ['better', 'no difference detected']
    """
    corrected = holm([difference.p_value for difference in differences.values()])
    level = LEVEL / max(len(differences), 1)  # what Holm asks of the smallest p-value
    return {
        name: Verdict(
            difference,
            float(p_value),
            difference.sd * detectable_effect(difference.n, level, difference.overlap),
            is_share,
            len(differences),
        )
        for (name, difference), p_value in zip(
            differences.items(), corrected, strict=True
        )
    }


def are_shares(scores: Iterable[float]) -> bool:
    """Return whether scores are shares, as an accuracy is.

    Parameters
    ----------
    scores : iterable of float
        All scores; those that are missing say nothing.
    """
    values = np.fromiter(scores, float)
    values = values[np.isfinite(values)]
    return bool(((values >= 0) & (values <= 1)).all())


def too_few(n_repeats: int, n_strategies: int) -> str | None:
    """Return a warning if there are too few repeats to rely on, else nothing.

    Parameters
    ----------
    n_repeats : int
        Number of paired repeats.
    n_strategies : int
        Number of strategies beside random sampling.
    """
    if not n_strategies:
        return None
    enough = fewest_repeats(n_strategies)
    if n_repeats >= enough:
        return None
    many = f"{n_repeats} repeat{'s are' if n_repeats > 1 else ' is'}"
    return (
        f"{many} too few to rely on: with fewer than {enough}, all rests on the "
        "assumption that differences are normal (no permutation test of "
        f"{n_strategies} strateg{'ies' if n_strategies > 1 else 'y'} can be "
        "significant). Ten or more are better."
    )


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


def format_size(value: float, is_share: bool, sign: str = "") -> str:
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
    low, high = (_digits(100 * bound if is_share else bound, "+") for bound in bounds)
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
    return needed if needed == low == high else f"{needed} ({low} to {high})"


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
