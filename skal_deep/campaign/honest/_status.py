"""Where a campaign stands, for people and for scripts."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.honest._honest import ControlSample, agreement, control_sample
from skal_deep.campaign.honest._intervals import mean_interval
from skal_deep.campaign.honest._referees import choice_verdict
from skal_deep.campaign.honest._status_words import LEVEL, status_lines
from skal_deep.campaign.store._rounds import CHOSEN, CONTROL, REFEREE, control_answers
from skal_deep.campaign.store._state import State
from skal_deep.evaluation.advice._stopping import stopping_advice
from skal_deep.evaluation.planning._calibration import MIN_STAGES
from skal_deep.evaluation.risk._intervals import clopper_pearson

_FEW_CONTROL = 30
_FEW_NUMBERS = 20


@dataclass(frozen=True)
class Status:
    """Where a campaign stands.

    ``Campaign.status`` returns it: print it, or take ``to_dict()``. Use it after each
    round to decide whether to go on.

    Attributes
    ----------
    content : dict
        All that is known: items, budget, labels, classes, rounds, advice.
    lines : list of str
        The same in words.

    See Also
    --------
    Campaign : Makes it.
    Estimate : The error of the present model.

    Examples
    --------
    >>> from skal_deep.campaign import Status
    >>> status = Status({"items": 3, "advice": "go on"}, ["3 items", "Advice: go on."])
    >>> print(status)
    3 items
    Advice: go on.
    """

    content: dict[str, Any]
    lines: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return all that is known as plain numbers and words.

        Returns
        -------
        dict
            The fields by their names.
        """
        return dict(self.content)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def status_of(
    path: Path, state: State, has_features: NDArray[np.bool_] | None
) -> Status:
    """Return where a campaign stands; no model is trained for it.

    Parameters
    ----------
    path : Path
        Folder of the campaign.
    state : State
        What its files say.
    has_features : ndarray of shape (n_items,) or None
        Items that a model can be asked about; ``None`` before there are features.
    """
    labels, settings = state.labels, state.settings
    there = ~state.items.is_gone
    sample = None if has_features is None else control_sample(state, has_features)
    rounds = [] if sample is None else honest_curve(path, state, sample)
    one = state.open_round
    counts = Counter(str(value) for value in labels.label.values())
    word, said = _advice(path, state, sample, rounds)
    verdict = choice_verdict(state)
    changed, gone = _changed(state)
    seconds = [e.seconds for e in state.log.events if e.seconds is not None]
    content = {
        "items": int(there.sum()),
        "round": len(state.rounds),
        "left": len(state.left(one)) if one is not None else 0,
        "budget": settings.budget,
        "used": state.n_used,
        "labels": {
            "all": len(labels.label),
            "chosen": len(state.labeled(CHOSEN)),
            "control": len(state.labeled(CONTROL)),
            "given": len(state.labeled(None)),
            **({"referee": len(state.labeled(REFEREE))} if verdict else {}),
        },
        "skipped": len(labels.skipped),
        "unsure": len(labels.unsure),
        "disputed": sorted(labels.disputed),
        "classes": {name: counts.get(name, 0) for name in settings.classes},
        "rounds": rounds,
        "advice": word,
        "reason": said,
        "choice": None if verdict is None else asdict(verdict),
        "annotators": dict(Counter(e.annotator for e in _standing(state))),
        "agreement": agreement(state, LEVEL),
        "unreadable": [[name, line] for name, line in state.log.unreadable],
        "unknown": state.unknown,
        "foreign": sorted({event.id for event in state.foreign}),
        "changed": changed,
        "gone": gone,
        "seconds": median(seconds) if seconds else None,
    }
    return Status(
        content, status_lines(path, state, content, sample, has_features is not None)
    )


def _standing(state: State) -> list[Any]:
    return [e for said in state.labels.answers.values() for e in said.values()]


def honest_curve(
    path: Path, state: State, sample: ControlSample
) -> list[dict[str, Any]]:
    """Return how wrong the model of each round is on all control labels.

    All models are scored on the same labels, which none of them was trained on.

    Parameters
    ----------
    path : Path
        Folder of the campaign.
    state : State
        What its files say.
    sample : ControlSample
        The control items that count.
    """
    curve = []
    for one in state.rounds:
        known, known_MC = answers_to(path, state, one.number, sample)
        y = known.y
        if not len(y):
            continue
        entry: dict[str, Any] = {"round": one.number, "labels": one.content["n_train"]}
        if state.settings.is_regression:
            errors = np.abs(known_MC[:, 0] - y)
            low, high = (None, None)
            if len(y) >= _FEW_NUMBERS and np.ptp(errors) > 0:
                low, high = mean_interval(errors, LEVEL)
            entry |= {"wrong": None, "control": len(y), "error": float(errors.mean())}
        else:
            wrong = int((known_MC.argmax(axis=1) != y).sum())
            low, high = clopper_pearson(wrong, len(y), LEVEL)
            entry |= {"wrong": wrong, "control": len(y), "error": wrong / len(y)}
        curve.append({**entry, "low": low, "high": high})
    return curve


def answers_to(
    path: Path, state: State, number: int, sample: ControlSample
) -> tuple[ControlSample, NDArray[Any]]:
    """Return control items that a round's model was asked about, and its answers.

    Parameters
    ----------
    path : Path
        Folder of the campaign.
    state : State
        What its files say.
    number : int
        Of the round.
    sample : ControlSample
        The control items that count.
    """
    answers_NC = control_answers(path, number)
    if answers_NC is None:
        return sample.none(), np.zeros((0, 1))
    at = np.cumsum(state.has_small_key)[sample.rows] - 1
    is_known = at < len(answers_NC)  # others came later
    is_known[is_known] = ~np.isnan(answers_NC[at[is_known]]).any(axis=1)
    return sample.some(is_known), answers_NC[at[is_known]]


def stored_answers(
    path: Path, state: State, sample: ControlSample
) -> tuple[ControlSample, NDArray[Any]]:
    """Return control items that the last model was asked about, and its answers.

    Parameters
    ----------
    path : Path
        Folder of the campaign.
    state : State
        What its files say.
    sample : ControlSample
        The control items that count.
    """
    for one in reversed(state.rounds):
        known, answers_NC = answers_to(path, state, one.number, sample)
        if len(known):
            return known, answers_NC
    return sample.none(), np.zeros((0, 1))


def _advice(
    path: Path,
    state: State,
    sample: ControlSample | None,
    curve: list[dict[str, Any]],
) -> tuple[str, str]:
    """Return whether to go on, as a word and in words."""
    if not state.n_left:
        return "stop", f"the budget of {state.settings.budget} labels is spent"
    if state.settings.is_regression:
        return "unclear", "for numbers there is no advice: look at the curve"
    n = 0 if sample is None else len(sample)
    if n < _FEW_CONTROL:
        said = f"{n} control labels; from {_FEW_CONTROL} on there is a projection"
        return "unclear", said
    # One model for each number of labels; rounds that were closed early add none.
    by_labels = {row["labels"]: row for row in curve}
    rows = [by_labels[number] for number in sorted(by_labels) if number]
    if len(rows) < MIN_STAGES:
        n_rounds = f"{len(rows)} round{'s' * (len(rows) != 1)} with a model"
        return "unclear", f"{n_rounds}; from {MIN_STAGES} on there is a projection"
    proba = _probabilities(path, state, [row["round"] for row in rows])
    advice = stopping_advice(
        [row["labels"] for row in rows],
        [1 - row["error"] for row in rows],
        proba,
        n_more=min(state.n_left, rows[-1]["labels"]),  # no curve is continued at will
    )
    said = "; ".join(f"{s.name}: {s.reason.rstrip('.')}" for s in advice.signals)
    return advice.word, said


def _probabilities(
    path: Path, state: State, numbers: list[int]
) -> NDArray[np.float64] | None:
    """Return what the models of some rounds say of the same reserved items."""
    found = [control_answers(path, number) for number in numbers]
    if any(answers is None for answers in found):
        return None
    n_rows = min(len(answers) for answers in found)  # type: ignore[arg-type]
    n_classes = len(state.settings.classes)
    proba_TNC = np.zeros((len(found), n_rows, n_classes))
    for at, answers in enumerate(found):
        columns = answers[:n_rows]  # type: ignore[index]
        proba_TNC[at, :, : columns.shape[1]] = columns
    is_known = ~np.isnan(proba_TNC).any(axis=(0, 2))
    return proba_TNC[:, is_known] if is_known.any() else None


def _changed(state: State) -> tuple[list[str], list[str]]:
    """Return labelled items whose content is another now, and those that are gone."""
    changed, gone = set(), set()
    for event in _standing(state):
        row = state.items.row_of[event.id]
        now = state.items.digests[row]
        if state.items.gone[row]:
            gone.add(event.id)
        elif event.digest and now and now != event.digest:
            changed.add(event.id)
    return sorted(changed), sorted(gone)
