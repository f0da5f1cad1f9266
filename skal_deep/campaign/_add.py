"""Answers of a file become events, once each, or are refused with their line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from skal_deep.campaign.store._events import OK, VOID, Event, file_name
from skal_deep.campaign.store._files import digest
from skal_deep.campaign.store._read_labels import UNREADABLE, Answer
from skal_deep.campaign.store._settings import now
from skal_deep.campaign.store._state import State


@dataclass(frozen=True)
class Added:
    """What came of the answers of a file.

    ``Campaign.add`` returns it.

    Attributes
    ----------
    added : int
        New labels.
    same : int
        Answers that stood already.
    corrected : int
        Labels in place of others by the same annotator.
    skipped : int
        Skips and doubts.
    refused : list of str
        What was refused: the line, and why.
    warning : str
        What the file may have lost; empty if nothing.

    See Also
    --------
    Campaign : Adds answers.

    Examples
    --------
    >>> from skal_deep.campaign import Added
    >>> print(Added(added=19, same=1))
    19 added, 1 the same as before, 0 corrected, 0 skipped or unsure, 0 refused
    """

    added: int = 0
    same: int = 0
    corrected: int = 0
    skipped: int = 0
    refused: list[str] = field(default_factory=list)
    warning: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers and words.

        Returns
        -------
        dict
            The fields by their names.
        """
        return asdict(self)

    def __str__(self) -> str:
        text = (
            f"{self.added} added, {self.same} the same as before, {self.corrected} "
            f"corrected, {self.skipped} skipped or unsure, {len(self.refused)} refused"
        )
        return "\n".join([text, *self.refused])


def events_of(
    state: State,
    answers: Sequence[Answer],
    annotator: str,
    given: bool,
    as_answer: Any,
) -> tuple[list[Event], Added]:
    """Return the events that answers make.

    Parameters
    ----------
    state : State
        What the files say.
    answers : sequence of Answer
        What was read.
    annotator : str
        Who said what has no name.
    given : bool
        Whether labels of items that were never asked are taken.
    as_answer : callable
        Checks a label.
    """
    events: list[Event] = []
    counts: dict[str, Any] = dict.fromkeys(("added", "same", "corrected", "skipped"), 0)
    refused = []
    seen = {event.event: event for event in state.log.events}
    now_said: dict[tuple[str, str], tuple[str, Any]] = {
        (name, who): (event.status, event.label)
        for name, said in state.labels.answers.items()
        for who, event in said.items()
    }
    for answer in answers:
        who = answer.annotator or annotator
        try:
            file_name(who)
            event = _event(state, answer, who, given, as_answer)
        except (ValueError, TypeError) as error:
            refused.append(f"{answer.where}: {error}")
            continue
        before = now_said.get((event.id, who))
        event = _unlike(event, seen)
        if event.event in seen:
            counts["same"] += 1
            continue
        seen[event.event] = event
        if event.status == VOID:
            now_said.pop((event.id, who), None)
        elif before == (event.status, event.label):
            counts["same"] += 1
            continue
        else:
            now_said[event.id, who] = (event.status, event.label)
            kind = "skipped" if event.status != OK else "added"
            if kind == "added" and before is not None and before[0] == OK:
                kind = "corrected"
            counts[kind] += 1
        events.append(event)
    return events, replace(Added(refused=refused), **counts)


def _unlike(event: Event, seen: dict[str, Event]) -> Event:
    """Return an event under another name, if its own stands for something else.

    Label Studio keeps the name of an annotation that is corrected.
    """
    first = seen.get(event.event)
    if first is None or (first.status, first.label) == (event.status, event.label):
        return event
    told = f"{event.event} {event.status} {event.label} {event.time}"
    return replace(event, event=digest(told.encode())[3:])


def _event(
    state: State, answer: Answer, who: str, given: bool, as_answer: Any
) -> Event:
    if answer.via == UNREADABLE:
        raise ValueError("it cannot be read")
    items = state.items
    if answer.id not in items.row_of:
        shown = f"there is no item {answer.id!r}" if answer.id else "it names no item"
        raise ValueError(shown)
    asked = state.asked_in.get(answer.id)
    if asked is None and not given:
        raise ValueError(
            f"{answer.id!r} was not asked in any round; with --given labels that "
            "existed before are taken"
        )
    status, label = answer.status, answer.label
    if status == OK:
        status, label = as_answer(state.settings, label)
    known = {"event": answer.event} if answer.event else {}
    return Event(
        answer.id,
        status,
        label,
        who,
        answer.round if asked and answer.round in asked else (asked or [0])[-1],
        time=answer.time or now(),
        seconds=answer.seconds,
        via=answer.via,
        digest=answer.digest or items.digests[items.row_of[answer.id]],
        withdraws=answer.withdraws,
        **known,
    )
