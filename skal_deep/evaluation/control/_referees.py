"""Rows on which two models disagree, and which of them a label proves right."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation.control._evidence import sign_test
from skal_deep.rows._data import take

JUDGED = np.dtype([("round", "i8"), ("row", "i8"), ("outcome", "i8"), ("margin", "f8")])


@dataclass(frozen=True)
class Referees:
    """Fresh rows whose labels judge between two models.

    Attributes
    ----------
    rows : ndarray of shape (n_referees,)
        The rows.
    said : dict of int to tuple
        Of each row: what the two models say, and the mean outcome that is within the
        margin.
    disagreement : float
        Share of all rows set aside on which the models disagree.
    """

    rows: NDArray[np.intp]
    said: dict[int, tuple[Any, Any, float]]
    disagreement: float


NO_REFEREES = Referees(np.empty(0, np.intp), {}, math.nan)


def find_referees(
    arms: tuple[Any, Any],
    X: Any,
    rest: NDArray[np.intp],
    n_fresh: int,
    n_referees: int,
    margin: float,
) -> Referees:
    """Return rows on which the models disagree.

    Parameters
    ----------
    arms : tuple of two estimators
        The models of chosen and of random labels.
    X : array-like of shape (n_samples, ...)
        All inputs.
    rest : ndarray of shape (n_rest,)
        Rows that are set aside. All of them show, without labels, how often the models
        disagree; the first are fresh.
    n_fresh : int
        How many of them may become referees.
    n_referees : int
        How many do, at most.
    margin : float
        Difference in accuracy that does not count.
    """
    chosen, random = (arm.predict(take(X, rest)) for arm in arms)
    differs = chosen != random
    disagreement = float(differs.mean())
    bound = float(margin / disagreement) if disagreement else math.inf
    places = np.flatnonzero(differs[:n_fresh])[:n_referees]
    said = {int(rest[at]): (chosen[at], random[at], bound) for at in places}
    return Referees(rest[places], said, disagreement)


def outcome(said: tuple[Any, Any, float], label: Any) -> tuple[int, float]:
    """Return 1, 0 or -1, by which model a label proves right, and the margin.

    Parameters
    ----------
    said : tuple
        What the model of chosen and that of random labels say, and the margin.
    label : object
        The label.
    """
    chosen, random, margin = said
    return int(chosen == label) - int(random == label), margin


def better_if_proved(
    full: Any, random: Any, X: Any, truth: NDArray[Any], level: float
) -> Any:
    """Return the first of two models if labels of neither prove it better.

    Parameters
    ----------
    full, random : object
        The models.
    X : array-like of shape (n_guard, ...)
        Random inputs that neither was trained on.
    truth : ndarray of shape (n_guard,)
        Their labels.
    level : float
        Probability to return the first although it is the worse one.
    """
    if not len(truth):
        return random
    full_right, right = (model.predict(X) == truth for model in (full, random))
    p_value = sign_test(
        int((full_right & ~right).sum()), int((right & ~full_right).sum())
    )
    return full if p_value <= level else random
