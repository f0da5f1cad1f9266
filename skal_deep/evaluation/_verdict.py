"""What may be said of a strategy beside random sampling."""

from collections.abc import Mapping
from dataclasses import dataclass

from skal_deep.evaluation._holm import holm
from skal_deep.evaluation._paired import LEVEL, PairedDifference
from skal_deep.evaluation._power import detectable_effect, fewest_repeats
from skal_deep.evaluation._wording import sized


@dataclass(frozen=True)
class Verdict:
    """One strategy beside random sampling.

    Attributes
    ----------
    difference : PairedDifference
        Difference in area, paired by repeat.
    p_value : float
        That of the difference, corrected by Holm for the number of strategies.
    detectable : float
        The smallest true difference that a study like this detects in four of five
        cases: repeats, their spread, the number of strategies. NaN with one repeat.
    is_share : bool
        Whether scores are shares, whose hundredths are called points.
    """

    difference: PairedDifference
    p_value: float
    detectable: float
    is_share: bool

    @property
    def word(self) -> str:
        """What may be said: "better", "worse", or that no difference was detected."""
        return self.difference.worded(self.p_value)

    def __str__(self) -> str:
        if self.word != "no difference detected" or self.difference.sd == 0:
            return self.word
        return f"{self.word}; {self.reach}"

    @property
    def reach(self) -> str:
        """What the study could have detected, in words."""
        if self.is_share and self.detectable > 1:  # no share differs by more than 1
            return f"{self.difference.n} repeats could detect nothing"
        size = sized(self.detectable, self.is_share)
        return f"{self.difference.n} repeats could only detect {size}"


def verdicts(
    differences: Mapping[str, PairedDifference], is_share: bool
) -> dict[str, Verdict]:
    """Judge strategies together: the more there are, the more is asked of each.

    Parameters
    ----------
    differences : dict of str to PairedDifference
        Of each strategy to random sampling, over the same repeats.
    is_share : bool
        Whether scores are shares.
    """
    corrected = holm([difference.p_value for difference in differences.values()])
    level = LEVEL / max(len(differences), 1)  # what Holm asks of the smallest p-value
    return {
        name: Verdict(
            difference,
            float(p_value),
            difference.sd * detectable_effect(difference.n, level, difference.overlap),
            is_share,
        )
        for (name, difference), p_value in zip(
            differences.items(), corrected, strict=True
        )
    }


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
