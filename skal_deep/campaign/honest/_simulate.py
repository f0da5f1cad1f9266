"""A campaign played in memory, with answers that are known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.honest._honest import ControlSample, estimate_from
from skal_deep.campaign.honest._plan import (
    Situation,
    StepRules,
    answers_on,
    fit_round,
    plan_round,
)
from skal_deep.campaign.models._models import round_strategy
from skal_deep.campaign.store._control import reserve_for


@dataclass(frozen=True)
class PlayedCampaign:
    """What came of a campaign whose answers were known.

    ``Campaign.simulate`` returns it. Use it to see what a budget brings, and whether
    the estimate of the error keeps what it promises.

    Attributes
    ----------
    rounds : list of dict
        After each round: "labels" that trained, "control" labels, the estimated
        "error" with "low" and "high", and the "true_error" on items that no model was
        trained on.
    picks : list of ndarray
        Rows that a strategy chose, by round.
    control : list of ndarray
        Rows that chance picked, by round.

    See Also
    --------
    Campaign : Plays it.
    skal_deep.evaluation.compare_strategies : Compares strategies, with repeats.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from skal_deep.campaign import Campaign
    >>> folder = Path(tempfile.mkdtemp())
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> np.save(folder / "X.npy", X)
    >>> c = Campaign.create(
    ...     folder / "c", embeddings=folder / "X.npy", classes=["no", "yes"], budget=60
    ... )
    >>> played = c.simulate(np.where(X[:, 0] > 0, "yes", "no"))
    >>> [row["labels"] for row in played.rounds]
    [16, 32, 48]
    """

    rounds: list[dict[str, Any]]
    picks: list[NDArray[np.intp]]
    control: list[NDArray[np.intp]]


def play_campaign(
    X: NDArray[Any],
    y: NDArray[Any],
    classes: list[str],
    estimator: Any,
    strategy: Any = None,
    *,
    batch_size: int = 20,
    budget: int = 100,
    share: float = 0.2,
    reserve: float | None = None,
    keys: NDArray[np.float64],
    seed: int = 0,
    level: float = 0.95,
    new: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> PlayedCampaign:
    """Play a campaign to the end of its budget.

    Parameters
    ----------
    X : ndarray of shape (n_items, ...)
        Features.
    y : ndarray of shape (n_items,)
        True labels: places in ``classes``, or numbers.
    classes : list of str
        Names of the classes; none for a regression.
    estimator : object
        An unfitted model.
    strategy : QueryStrategy, default=None
        What chooses; ``None`` as in a campaign.
    batch_size : int, default=20
        Items of a round.
    budget : int, default=100
        Labels altogether.
    share : float, default=0.2
        Share of control items.
    reserve : float or int, default=None
        As in a campaign.
    keys : ndarray of shape (n_items,)
        The keys by which chance picks, from
        :func:`~skal_deep.campaign.store._control.control_keys`.
    seed : int, default=0
        Seed of everything else.
    level : float, default=0.95
        Of the intervals.
    new : tuple of ndarray (X, y), default=None
        Items like these that the campaign does not have, on which the true error is
        counted. ``None`` counts it on all reserved items: those that trained do not
        tell it, and those that are left are the easy ones.
    """
    is_regression = not classes
    missing: Any = np.nan if is_regression else -1
    y = np.asarray(y, float if is_regression else np.intp)
    is_reserved = keys < reserve_for(keys, share, budget, reserve)
    waiting = np.flatnonzero(is_reserved)
    waiting = waiting[np.argsort(keys[waiting])]
    y_shown = np.full(len(X), missing, y.dtype)
    codes = np.arange(len(classes))
    pool, asked, n_used = np.flatnonzero(~is_reserved), waiting[:0], 0
    rounds, picks, control = [], [], []
    empty = np.empty(0, np.intp)
    model: Any = None
    number = 0
    while n_used < budget and len(pool) + len(waiting):
        number += 1
        situation = Situation(X, y_shown, pool, waiting, empty, empty, codes, missing)
        counts = (
            [n_used]
            if is_regression
            else np.bincount(y_shown[y_shown >= 0], minlength=len(classes)).tolist()
        )
        chooser, to_ask = round_strategy(
            strategy, model, counts, n_used, budget, is_regression
        )
        wanted = min(batch_size, budget - n_used)
        plan = plan_round(
            situation,
            to_ask,
            StepRules(estimator, chooser, wanted, missing),
            share,
            n_used,
            seed,
            number,
        )
        # In the order of the strategy, not in that in which items are shown.
        chosen = sorted((p.rank or 0, p.row) for p in plan.picks if p.arm == "chosen")
        picks.append(np.array([row for _, row in chosen], np.intp))
        by_chance = {p.row for p in plan.picks if p.arm == "control"}
        control.append(waiting[np.isin(waiting, list(by_chance))])
        y_shown[picks[-1]] = y[picks[-1]]
        pool = np.setdiff1d(pool, picks[-1])
        asked = np.concatenate([asked, control[-1]])
        waiting = waiting[~np.isin(waiting, control[-1])]
        n_used += len(plan.picks)
        situation = Situation(X, y_shown, pool, waiting, empty, empty, codes, missing)
        model = fit_round(situation, estimator, seed, number + 1)
        if model is None:
            continue
        answers_NC = answers_on(model, X[asked], codes)
        said = answers_NC[:, 0] if is_regression else answers_NC.argmax(axis=1)
        n_trained = len(situation.trained_on)
        sample = ControlSample(asked, y[asked], 0, len(X), n_trained)
        metric = "mae" if is_regression else "error"
        estimate = estimate_from(sample, said, metric, level, None, classes)
        X_new, y_new = (X[is_reserved], y[is_reserved]) if new is None else new
        true_error = _error(answers_on(model, X_new, codes), y_new, is_regression)
        rounds.append(
            {
                "labels": n_trained,
                "control": len(asked),
                "error": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "true_error": true_error,
            }
        )
    return PlayedCampaign(rounds, picks, control)


def _error(
    answers_NC: NDArray[np.float64], y: NDArray[Any], is_regression: bool
) -> float | None:
    """Return the share of wrong answers, or their mean absolute error."""
    if not len(y):
        return None
    if is_regression:
        return float(np.abs(answers_NC[:, 0] - y).mean())
    return float((answers_NC.argmax(axis=1) != y).mean())
