"""Referees: items on which a model of chosen and one of random labels disagree.

A campaign that compares keeps some more items back, by the largest keys. Each round
trains two models on as many labels, the first chosen ones and the control labels, and
looks at fresh items of these: where the two disagree, people are asked who is right.
The evidence is that of :class:`~skal_deep.evaluation.ControlArm`.
"""

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.honest._plan import (
    Pick,
    Situation,
    answers_on,
    fit_round,
)
from skal_deep.campaign.store._control import FRESH_PER_REFEREE
from skal_deep.campaign.store._rounds import CHOSEN, CONTROL, REFEREE
from skal_deep.campaign.store._state import State
from skal_deep.evaluation.control._arm_verdict import ArmVerdict, judge

_MARGIN = 0.01  # in accuracy: without one, the luck of a draw is called a difference
_LEVEL = 0.05
_JUDGED = np.dtype([("outcome", "i8"), ("margin", "f8")])


@dataclass(frozen=True)
class Comparison:
    """What a round asks the referees, and how far the two models are apart.

    Attributes
    ----------
    picks : list of Pick
        Items to ask.
    n_arm : int
        Labels of each model beyond those given before.
    disagreement : float
        Share of the fresh items on which the models disagree.
    until : float
        Key of the last fresh item that was looked at: those above it are used up.
    """

    picks: list[Pick]
    n_arm: int
    disagreement: float
    until: float

    def content(self) -> dict[str, Any]:
        """Return what a round's file says of it."""
        return {
            "n_arm": self.n_arm,
            "disagreement": self.disagreement,
            "until": self.until,
        }


def compare_arms(
    state: State,
    situation: Situation,
    has_features: NDArray[np.bool_],
    estimator: Any,
    number: int,
    wanted: int,
) -> Comparison | None:
    """Return what to ask of referees; nothing before both arms have a label.

    Parameters
    ----------
    state : State
        What the files say.
    situation : Situation
        What can be asked and learned from.
    has_features : ndarray of shape (n_items,)
        Items that a model can be asked about.
    estimator : object
        An unfitted model.
    number : int
        Of the round, from 1 on.
    wanted : int
        How many items to ask at most.
    """
    start, chosen, control = arms_of(state, has_features)
    n_arm = min(len(chosen), len(control))
    fresh = situation.fresh[~is_used(state)[situation.fresh]]
    fresh = fresh[np.argsort(-state.keys[fresh])]
    if not (wanted and n_arm and len(fresh)):
        return None
    said = []
    for arm in (chosen, control):
        names = [*start, *arm[:n_arm]]
        try:
            model = fit_on(names, state, situation, estimator, number)
            answers_NC = answers_on(model, situation.X[fresh], situation.classes)
        except ValueError as error:  # many a model needs more labels than classes
            warnings.warn(
                f"Nobody is asked as a referee in this round: on {len(names)} labels "
                f"{type(estimator).__name__} cannot be trained ({error}).",
                stacklevel=2,
            )
            return None
        said.append(answers_NC.argmax(axis=1))
    differs = said[0] != said[1]
    # No further than to the last one that is asked: the rest stays fresh.
    looked_at = min(FRESH_PER_REFEREE * wanted, len(fresh))
    places = np.flatnonzero(differs[:looked_at])[:wanted]
    if len(places) == wanted:
        looked_at = int(places[-1]) + 1
    names = state.settings.classes
    picks = [
        Pick(
            int(fresh[at]),
            REFEREE,
            said={CHOSEN: names[said[0][at]], CONTROL: names[said[1][at]]},
        )
        for at in places
    ]
    until = float(state.keys[fresh[looked_at - 1]])
    return Comparison(picks, n_arm, float(differs.mean()), until)


def fit_on(
    names: list[str], state: State, situation: Situation, estimator: Any, number: int
) -> Any:
    """Return a model of the labels of some items.

    Parameters
    ----------
    names : list of str
        Items whose labels train.
    state : State
        What the files say.
    situation : Situation
        What can be learned from.
    estimator : object
        An unfitted model.
    number : int
        Of the round, which decides the seed.
    """
    y = np.full_like(situation.y, situation.missing_label)
    y[state.items.rows(names)] = state.codes(names)
    return fit_round(replace(situation, y=y), estimator, state.settings.seed, number)


def arms_of(
    state: State, has_features: NDArray[np.bool_]
) -> tuple[list[str], list[str], list[str]]:
    """Return labelled items of both arms, in the order in which they were asked.

    Parameters
    ----------
    state : State
        What the files say.
    has_features : ndarray of shape (n_items,)
        Items that a model can learn from.

    Returns
    -------
    start, chosen, control : list of str
        Ids; those of the start were given before, and train both models.
    """
    row_of = state.items.row_of
    asked: dict[str, None] = {}
    for one in state.rounds:
        ranks = {n: item.get("rank", -1) for n, item in one.items.items()}
        asked |= dict.fromkeys(sorted(ranks, key=ranks.__getitem__))
    labels, arms = state.labels.label, state.arms
    chosen = [n for n in asked if n in labels and arms[n] == CHOSEN]
    control = sorted(state.labeled(CONTROL), key=lambda n: state.keys[row_of[n]])
    start, chosen, control = (
        [name for name in names if has_features[row_of[name]]]
        for names in (state.labeled(None), chosen, control)
    )
    return start, chosen, control


def is_used(state: State) -> NDArray[np.bool_]:
    """Return which items a round has looked at already, to compare the models.

    Parameters
    ----------
    state : State
        What the files say.
    """
    until = [
        one.content["comparison"]["until"]
        for one in state.rounds
        if one.content.get("comparison")
    ]
    return np.asarray(state.keys >= min(until, default=math.inf))


def choice_verdict(state: State) -> ArmVerdict | None:
    """Return whether chosen labels made a better model than as many random ones.

    Parameters
    ----------
    state : State
        What the files say.
    """
    if not state.settings.referee_share:
        return None
    judged = []
    n_arm, disagreement = 0, math.nan
    for one in state.rounds:
        comparison = one.content.get("comparison")
        if not comparison:
            continue
        n_arm, disagreement = comparison["n_arm"], comparison["disagreement"]
        for name, item in one.items.items():
            label = state.labels.label.get(name)
            if item["arm"] == REFEREE and label is not None:
                chosen, random = (item["said"][arm] for arm in (CHOSEN, CONTROL))
                outcome = int(chosen == label) - int(random == label)
                judged.append((outcome, _MARGIN / disagreement))
    return judge(np.array(judged, _JUDGED), _MARGIN, _LEVEL, n_arm, disagreement)
