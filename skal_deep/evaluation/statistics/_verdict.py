"""The verdict on a strategy beside random sampling."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from skal_deep.evaluation.statistics._paired import LEVEL, PairedDifference
from skal_deep.evaluation.statistics._power import (
    detectable_effect,
    fewest_repeats,
)
from skal_deep.evaluation.statistics._sizes import format_size
from skal_deep.evaluation.statistics._tests import holm

# Found by a search; strategies of a comparison have it in common.
_detectable = lru_cache(detectable_effect)


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
            difference.sd * _detectable(difference.n, level, difference.overlap),
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
