"""One round: which items are asked, by a strategy and by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.pool import RandomSampling

from skal_deep.campaign.store._control import n_control
from skal_deep.campaign.store._rounds import CHOSEN, CONTROL
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._inside import is_regressor, last_step
from skal_deep.evaluation.risk._weights import draw_probabilities
from skal_deep.evaluation.simulation._steps import Asked, ask, learn
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.rows._label_array import narrowed

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class StepRules:
    """What is fitted and asked in a round; a campaign always trains afresh."""

    estimator: Any
    query_strategy: Any
    batch_size: int
    missing_label: Any
    retrain: str = "scratch"


@dataclass(frozen=True)
class Situation:
    """What can be asked and learned from before a round; rows count all items.

    Attributes
    ----------
    X : ndarray of shape (n_items, ...)
        Features of all items.
    y : ndarray of shape (n_items,)
        Labels that train, as numbers; ``missing_label`` elsewhere.
    pool : ndarray of shape (n_candidates,)
        Rows that a strategy may choose.
    control : ndarray of shape (n_waiting,)
        Reserved rows that wait, the smallest key first.
    fresh : ndarray of shape (n_fresh,)
        Rows that are kept for referees, in any order.
    again : ndarray of shape (n_again,)
        Chosen rows to ask again before all others.
    classes : ndarray of shape (n_classes,)
        All classes as numbers; empty for a regression.
    missing_label : float or int
        Marks a row without a label.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    pool: Rows
    control: Rows
    fresh: Rows
    again: Rows
    classes: NDArray[np.intp]
    missing_label: Any

    @property
    def trained_on(self) -> Rows:
        """Rows whose label trains."""
        if np.isnan(self.missing_label):
            return np.flatnonzero(~np.isnan(self.y))
        return np.flatnonzero(self.y != self.missing_label)


@dataclass(frozen=True)
class Pick:
    """One item of a round.

    Attributes
    ----------
    row : int
        The item.
    arm : {"chosen", "control", "referee"}
        Who picked it: a strategy, chance, or two models that disagree.
    rank : int or None
        Its place among what the strategy chose; ``None`` for a control item and for one
        that is asked again.
    utility : float or None
        What the strategy thought of it.
    draw : float or None
        With which probability it was drawn, where the strategy draws.
    said : dict or None
        Of a referee, the classes that the models of both arms predict.
    """

    row: int
    arm: str
    rank: int | None = None
    utility: float | None = None
    draw: float | None = None
    said: dict[str, str] | None = None


@dataclass(frozen=True)
class Plan:
    """What one round asks.

    Attributes
    ----------
    picks : list of Pick
        In the order in which they are shown.
    strategy : QueryStrategy or None
        What was asked; ``None`` if nothing was chosen.
    """

    picks: list[Pick]
    strategy: Any


def fit_round(
    situation: Situation, estimator: Any, seed: int, number: int
) -> Any | None:
    """Return the model that a round asks, or nothing before the first label.

    Parameters
    ----------
    situation : Situation
        What can be learned from.
    estimator : object
        An unfitted model.
    seed : int
        That of the campaign.
    number : int
        Of the round, from 1 on.
    """
    rows = situation.trained_on
    if not len(rows):
        return None
    rules = StepRules(estimator, None, 1, situation.missing_label)
    seen = np.sort(np.concatenate([rows, situation.pool]))
    return learn(
        rules,
        seed,
        None,
        situation.X[seen],
        situation.y[seen],
        situation.classes,
        number - 1,
    )


def plan_round(
    situation: Situation,
    model: Any | None,
    rules: StepRules,
    share: float,
    n_before: int,
    seed: int,
    number: int,
    referees: Sequence[Pick] = (),
) -> Plan:
    """Return what a round asks: items of all arms, shuffled together.

    Rows that no strategy may see, reserved ones above all, are not among those that it
    is given, so that they cannot shape clusters or densities either.

    Parameters
    ----------
    situation : Situation
        What can be asked.
    model : object or None
        The fitted model, from :func:`fit_round`.
    rules : StepRules
        The strategy, and how many items are wanted.
    share : float
        Share of control items.
    n_before : int
        How many items were asked in all rounds before.
    seed : int
        That of the campaign.
    number : int
        Of the round, from 1 on.
    referees : sequence of Pick, default=()
        What two models disagree about; these are among the items that are wanted.
    """
    by_chance = min(
        n_control(share, n_before, rules.batch_size), len(situation.control)
    )
    wanted = rules.batch_size - len(referees)
    n_choosable = len(situation.again) + len(situation.pool)
    # Where nothing is left to choose from, chance may have the rest.
    by_chance = min(
        max(by_chance, wanted - n_choosable), len(situation.control), wanted
    )
    again = situation.again[: wanted - by_chance]
    n_new = min(wanted - by_chance - len(again), len(situation.pool))
    picks = [Pick(int(row), CONTROL) for row in situation.control[:by_chance]]
    picks += [*referees, *(Pick(int(row), CHOSEN) for row in again)]
    strategy = None
    if n_new:
        seen = np.sort(np.concatenate([situation.trained_on, situation.pool]))
        asked = ask(
            StepRules(
                rules.estimator, rules.query_strategy, n_new, rules.missing_label
            ),
            seed,
            model,
            situation.X[seen],
            situation.y[seen],
            np.searchsorted(seen, situation.pool),
            number,
            with_utilities=True,
        )
        strategy = asked.strategy
        draws = _draws(asked, len(situation.pool))
        for rank, row in enumerate(asked.rows):
            utility = None if asked.utilities is None else asked.utilities[rank, row]
            picks.append(
                Pick(
                    int(seen[row]),
                    CHOSEN,
                    rank,
                    None if utility is None else float(utility),
                    None if draws is None else float(draws[rank]),
                )
            )
    rng = np.random.default_rng(derived_seed(seed, Purpose.ORDER, number))
    return Plan([picks[at] for at in rng.permutation(len(picks))], strategy)


def _draws(asked: Asked, n_pool: int) -> NDArray[np.float64] | None:
    """Return with which probability each pick was drawn, where a strategy draws."""
    if isinstance(asked.strategy, RandomSampling):
        return 1 / (n_pool - np.arange(len(asked.rows), dtype=float))
    if asked.utilities is None:
        return None
    try:
        return draw_probabilities(asked.rows, asked.utilities)
    except ValueError:  # utilities that are no probabilities
        return None


def answers_on(
    model: Any, X: NDArray[Any], classes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return probabilities with a column for each class, or the predicted numbers.

    Parameters
    ----------
    model : object
        A fitted model.
    X : ndarray of shape (n_samples, ...)
        Features.
    classes : ndarray of shape (n_classes,)
        All classes as numbers; empty for a regression.
    """
    if is_regressor(model):
        return np.asarray(model.predict(X), dtype=float).reshape(len(X), -1)[:, :1]
    proba_NC = np.zeros((len(X), len(classes)))
    if not len(X):
        return proba_NC
    known = narrowed(np.asarray(last_step(model).classes_))
    if hasattr(model, "predict_proba"):
        proba_NC[:, known.astype(np.intp)] = model.predict_proba(X)
        return proba_NC
    predicted = np.asarray(model.predict(X)).astype(np.intp)
    proba_NC[np.arange(len(X)), predicted] = 1
    return proba_NC
