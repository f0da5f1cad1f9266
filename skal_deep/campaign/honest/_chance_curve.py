"""Models of chosen labels beside models of as many labels that chance picked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.honest._honest import control_sample
from skal_deep.campaign.honest._plan import Situation, answers_on
from skal_deep.campaign.honest._referees import arms_of, fit_on
from skal_deep.campaign.store._state import State
from skal_deep.evaluation import Table
from skal_deep.evaluation.risk._intervals import clopper_pearson, folds_interval

_N_FOLDS = 10
_N_POINTS = 6
_LEVEL = 0.95
_FEW = 20
_NOTE = (
    "All errors are on the same {n} control labels. Intervals of chosen labels are "
    "exact; those of random ones allow for folds that share models, which is simulated "
    "and not proved. Two random draws of as many labels differ by some points, too: "
    "this curve shows these labels, not the strategy."
)


def chance_curve(
    state: State,
    situation: Situation,
    has_features: NDArray[np.bool_],
    estimator: Any,
) -> Table:
    """Return errors of models of the first chosen labels, and of random ones.

    A model of random labels is trained on control labels. So each of these is judged by
    a model of others, in ten folds; the models of chosen labels are judged on all.

    Parameters
    ----------
    state : State
        What the files say.
    situation : Situation
        What can be learned from.
    has_features : ndarray of shape (n_items,)
        Items that a model can be asked about.
    estimator : object
        An unfitted classifier.
    """
    if state.settings.is_regression:
        raise ValueError(
            "The curve counts wrong answers, and these labels are numbers."
        )
    sample = control_sample(state, has_features)
    rows, y = sample.rows, sample.y
    if len(rows) < _FEW:
        raise ValueError(
            f"{len(rows)} control labels say too little of models that are trained on "
            f"some of them: label on until there are {_FEW}."
        )
    order = np.argsort(state.keys[rows])  # that of chance
    rows, y = rows[order], y[order]
    names = [state.items.ids[row] for row in rows]
    start, chosen, _ = arms_of(state, has_features)
    fold_M = np.arange(len(rows)) % _N_FOLDS
    most = min(int(np.sum(fold_M != 0)), len(chosen))
    number = len(state.rounds) + 1

    def wrong(trained: list[str], asked: Any) -> Any:
        model = fit_on([*start, *trained], state, situation, estimator, number)
        answers_NC = answers_on(model, situation.X[rows[asked]], situation.classes)
        return answers_NC.argmax(axis=1) != y[asked]

    table = []
    for n in np.unique(np.linspace(most / _N_POINTS, most, _N_POINTS).astype(int)):
        of_chosen = wrong(chosen[:n], np.arange(len(rows)))
        of_random = np.zeros(len(rows), bool)
        for fold in range(_N_FOLDS):
            others = [names[at] for at in np.flatnonzero(fold_M != fold)]
            of_random[fold_M == fold] = wrong(
                others[:n], np.flatnonzero(fold_M == fold)
            )
        exact = clopper_pearson(int(of_chosen.sum()), len(rows), _LEVEL)
        by_folds = folds_interval(int(of_random.sum()), len(rows), _LEVEL)
        table.append({"labels": int(n), **_said("chosen", of_chosen, exact)})
        table[-1] |= _said("random", of_random, by_folds)
        table[-1]["only chosen right"] = int((of_random & ~of_chosen).sum())
        table[-1]["only random right"] = int((of_chosen & ~of_random).sum())
    return Table(table, note=_NOTE.format(n=len(rows)))


def _said(arm: str, is_wrong: Any, interval: tuple[float, float]) -> dict[str, float]:
    low, high = interval
    return {arm: float(is_wrong.mean()), f"{arm} low": low, f"{arm} high": high}
