"""What a control arm has shown: evidence, the bounds of it, and the words for it."""

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from skal_deep.evaluation.control._evidence import (
    count,
    decided_rows_needed,
    log_e_margin,
    log_e_value,
    share_interval,
)

_SHOWN_DIFFERENCE = 0.05  # in accuracy, for which the outlook says what it takes


@dataclass(frozen=True, repr=False)
class ArmVerdict:
    """What the control arm has shown so far.

    :meth:`ControlArm.verdict` returns it; print it. It may be looked at as often as you
    like.

    Attributes
    ----------
    word : str
        "better", "worse", or "no difference shown".
    wins, losses, ties : int
        Judged rows that only the model of chosen labels has right, that only the model
        of random labels has right, and those that both have wrong.
    log_e_better, log_e_worse : float
        Natural logarithms of the evidence for each side, beyond the margin.
    low, high : float
        Interval for the mean of wins less losses among decided rows, without a margin.
    n_arm : int
        Labels of each arm beyond those of the start.
    disagreement : float
        Share of the rows set aside on which the arms disagree; NaN before they were
        compared.
    level : float
        Probability of a false "better" or "worse" at any time.

    See Also
    --------
    ControlArm : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import ControlArm
    >>> X, truth = load_iris(return_X_y=True)
    >>> y = np.where(np.arange(150) % 10 == 0, truth, -1)
    >>> arm = ControlArm(GaussianNB(), random_state=0)
    >>> ask = arm.ask(X, y)
    >>> arm.tell(ask.indices, truth[ask.indices]).verdict().word
    'no difference shown'
    """

    word: str
    wins: int
    losses: int
    ties: int
    log_e_better: float
    log_e_worse: float
    low: float
    high: float
    n_arm: int
    disagreement: float
    level: float

    def __repr__(self) -> str:
        return (
            f"{self._finding} This speaks of these labels: two random draws of this "
            "size differ by some points, too. For the strategy use does_al_help."
        )

    @property
    def _finding(self) -> str:
        if self.word == "no difference shown":
            return f"No difference shown yet{self._outlook}."
        log_e = max(self.log_e_better, self.log_e_worse)
        e_value = f"e-value {math.exp(min(log_e, 700)):.3g}"
        advice = " Label at random from here." if self.word == "worse" else ""
        return (
            f"These {self.n_arm} chosen labels have made a {self.word} model than "
            f"{self.n_arm} random ones ({e_value}; look as often as you like).{advice}"
        )

    @property
    def _outlook(self) -> str:
        if not self.n_arm or math.isnan(self.disagreement):
            return ": the two models have not been compared"
        if self.disagreement <= _SHOWN_DIFFERENCE:
            return (
                f": the two models disagree on {self.disagreement:.1%} of the rows set "
                "aside, so that their accuracies on these cannot differ by more"
            )
        share = 0.5 + _SHOWN_DIFFERENCE / self.disagreement / 2
        n = decided_rows_needed(share, self.level / 2)
        return (
            f": {self.wins} wins, {self.losses} losses. With this disagreement "
            f"({self.disagreement:.0%} of the rows) a difference of 5 points takes up "
            f"to about {n} decided labels"
        )


def judge(
    judged: NDArray[Any], margin: float, level: float, n_arm: int, disagreement: float
) -> ArmVerdict:
    """Return the verdict on judged rows.

    Parameters
    ----------
    judged : structured ndarray
        ``ControlArm.judged_``: outcome and margin of each judged row.
    margin : float
        Difference in accuracy that does not count.
    level : float
        Probability of a false "better" or "worse" at any time.
    n_arm : int
        Labels of each arm beyond those of the start.
    disagreement : float
        Share of rows on which the arms disagree.
    """
    outcomes, margins = judged["outcome"], judged["margin"]
    wins, losses, ties = count(outcomes)
    if margin:
        better = log_e_margin(outcomes, margins)
        worse = log_e_margin(-outcomes, margins)
    else:
        better, worse = log_e_value(wins, losses), log_e_value(losses, wins)
    word = "no difference shown"
    if max(better, worse) >= math.log(2 / level):
        word = "better" if better > worse else "worse"
    return ArmVerdict(
        word,
        wins,
        losses,
        ties,
        better,
        worse,
        *share_interval(wins, losses, level),
        n_arm=n_arm,
        disagreement=disagreement,
        level=float(level),
    )
