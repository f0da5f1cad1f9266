"""What a search with the true labels found beyond a strategy."""

from dataclasses import dataclass

from skal_deep.evaluation.statistics._paired import PairedDifference
from skal_deep.evaluation.statistics._wording import format_difference


@dataclass(frozen=True)
class SearchGap:
    """How far a strategy stays behind what a search with the true labels found.

    ``Comparison.gap`` returns it: print it for a sentence, or read the differences. The
    search is greedy and tries few batches, so that there may be more to gain than it
    found.

    Attributes
    ----------
    strategy : str
        Name of the strategy.
    final : tuple of float
        Mean scores at the end of the budget: of random sampling, of the strategy, of
        the search.
    area : tuple of float
        The same in the mean over the labels spent.
    final_difference : PairedDifference
        Search less strategy at the end, paired by repeat.
    area_difference : PairedDifference
        The same in the mean over the labels spent.
    is_share : bool
        Whether scores are shares, whose hundredths are called points.

    See Also
    --------
    compare_strategies : Searches, if it is told ``search=True``.
    PairedDifference : Mean, interval and p-value of a difference.

    Examples
    --------
    >>> from skal_deep.evaluation import SearchGap, paired_difference
    >>> gain = paired_difference([0.82, 0.91, 0.86], [0.71, 0.81, 0.77])
    >>> gap = SearchGap("Badge", (0.7, 0.76, 0.86), (0.6, 0.7, 0.8), gain, gain, True)
    >>> round(gap.final_difference.mean, 2)
    0.1
    """

    strategy: str
    final: tuple[float, float, float]
    area: tuple[float, float, float]
    final_difference: PairedDifference
    area_difference: PairedDifference
    is_share: bool

    def __str__(self) -> str:
        size = format_difference(self.area_difference, self.is_share)
        said = f"Found by search, beyond {self.strategy}: {size} in area."
        if self.area_difference.wording == "better":
            return f"{said} There may be more: the search is greedy."
        if not self.area_difference.has_statement:
            return said
        return (
            f"{said} So the search did not show that there is more to gain, nor that "
            "there is not."
        )
