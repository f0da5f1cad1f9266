"""One sitting of an annotator: what is shown, what is said, what is taken back."""

import math
from collections.abc import Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any

from skal_deep.campaign._answers import as_answer
from skal_deep.campaign._shown_image import as_shown
from skal_deep.campaign.store._errors import NothingToDoError
from skal_deep.campaign.store._events import (
    OK,
    SKIP,
    UNSURE,
    VOID,
    Event,
    append_events,
    file_name,
)
from skal_deep.campaign.store._files import digest
from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._rounds import CHOSEN
from skal_deep.campaign.store._rows import Rows

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_findings import CampaignFindings
    from skal_deep.campaign.store._state import State

ROUND, REVIEW, DISPUTED = "round", "review", "disputed"
N_REVIEWED = 50
_VIA = "page"


class RefusedError(Exception):
    """A request that is not answered.

    Attributes
    ----------
    status : int
        Why, as HTTP counts reasons.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Sitting:
    """What one annotator is shown, says and takes back.

    It knows neither sockets nor notebooks: the server and the widget ask it. Which
    items chance picked, it tells nobody.

    Parameters
    ----------
    campaign : Campaign
        What is labelled.
    annotator : str
        Who labels.
    what : {"round", "review", "disputed"}, default="round"
        Whether to show the open round, the annotator's last answers, or items on which
        annotators are divided.
    via : str, default="page"
        How the answers come, as events say it.

    Attributes
    ----------
    n_saved : int
        How many answers of this sitting stand.
    """

    def __init__(
        self,
        campaign: "CampaignFindings",
        annotator: str,
        what: str = ROUND,
        via: str = _VIA,
    ):
        file_name(annotator)  # refuses what is no name
        self._campaign, self._annotator, self._what = campaign, annotator, what
        self._via = via
        self._lock, self._is_closed = RLock(), False
        self._digests: dict[str, str] = {}
        self._suggested: dict[str, Any] = {}
        if not isinstance(campaign.source, Folder):  # rows may be others by now
            campaign.rescan()
        state = campaign.state()
        self._mine = _answers_in_order(state, annotator)
        self._ids, self._done = self._shown(state)
        asked = state.asked_in
        self._asked_in = {name: asked.get(name, [0])[-1] for name in self._ids}
        self._number = len(state.rounds)
        # What can be taken back: in a round all of it, also after the page was
        # closed and opened again; else what was said in this sitting.
        own = self._mine.values() if what == ROUND else ()
        self._said: list[tuple[Event, Event | None]] = [
            (event, None)
            for event in own
            if event.round == self._asked_in.get(event.id)
        ]
        self._n_before = len(self._said)

    def _shown(self, state: "State") -> tuple[list[str], set[str]]:
        """Return the items to show, and those of them that have an answer."""
        path = self._campaign.path
        if self._what == REVIEW:
            ids = list(reversed(self._mine))[:N_REVIEWED]
            if not ids:
                raise NothingToDoError(
                    f"{self._annotator} has no answers in {path} yet. Next: python -m "
                    f"skal_deep label {path}."
                )
            return ids, set()
        if self._what == DISPUTED:
            if not state.labels.disputed:
                raise NothingToDoError(
                    f"No item of {path} is disputed: wherever several annotators gave "
                    "a label, most of them agree."
                )
            return list(state.labels.disputed), set()
        one = state.open_round
        if one is None:
            done = f"round {len(state.rounds)} is finished" if state.rounds else ""
            raise NothingToDoError(
                f"Nothing is to be labelled in {path}: {done or 'no round was begun'}. "
                f"Next: python -m skal_deep next {path}."
            )
        return list(one.ids), set(one.ids) - set(state.left(one))

    @property
    def n_saved(self) -> int:
        """How many answers of this sitting stand."""
        return len(self._said) - self._n_before

    @property
    def n_left(self) -> int:
        """How many items have no answer yet."""
        return len(self._ids) - len(self._done)

    def suggest(self) -> bool:
        """Show what the model thinks of chosen items; return whether there is one.

        Never of those that chance picked: whoever reads a suggestion follows it, and
        they are to tell how wrong the model is.
        """
        state = self._campaign.state()
        if not state.training():
            return False
        ids, answers_NC = self._campaign.predict(self._campaign.fit())
        row_of = {name: row for row, name in enumerate(ids)}
        classes = state.settings.classes
        for name in self._ids:
            if state.arms.get(name) == CHOSEN and name in row_of:
                answers_C = answers_NC[row_of[name]]
                self._suggested[name] = (
                    classes[int(answers_C.argmax())]
                    if classes
                    else float(f"{answers_C[0]:.4g}")
                )
        return True

    # What the page asks

    def view(self) -> dict[str, Any]:
        """Return what is to be shown, and what has an answer already."""
        campaign, settings = self._campaign, self._campaign.settings
        with self._lock:
            done = [name for name in self._ids if name in self._done]
        return {
            "name": campaign.path.resolve().name,
            "folder": str(campaign.path),
            "annotator": self._annotator,
            "what": self._what,
            "round": self._number,
            "classes": settings.classes,
            "numbers": settings.is_regression,
            "ids": self._ids,
            "done": done,
        }

    def item(self, name: Any) -> dict[str, Any]:
        """Return an item in words, or that it is an image.

        Parameters
        ----------
        name : str
            Its id.
        """
        name = self._known(name)
        campaign = self._campaign
        shown: dict[str, Any] = {"id": name}
        try:
            if campaign.kind == "image":
                shown["image"] = True
            else:
                source = campaign.source
                self._digests[name] = digest(campaign.read(name))
                entries = {}
                if isinstance(source, Rows):
                    entries = source.entries(campaign.place(name))
                if len(entries) > 1:
                    shown["entries"] = list(entries.items())
                else:
                    shown["text"] = campaign.text(name)
        except (OSError, ValueError, LookupError) as error:
            raise RefusedError(404, f"{name} cannot be read ({error}).") from error
        if name in self._suggested:
            shown["suggested"] = self._suggested[name]
        if self._what != ROUND and name in self._mine:
            mine = self._mine[name]
            shown["answer"] = mine.label if mine.status == OK else mine.status
        return shown

    def image(self, name: Any) -> tuple[bytes, str]:
        """Return the bytes of an image, and their type.

        Parameters
        ----------
        name : str
            Its id.
        """
        name = self._known(name)
        if self._campaign.kind != "image":
            raise RefusedError(404, f"{name} is no image.")
        try:
            content = self._campaign.read(name)
        except (OSError, ValueError) as error:
            raise RefusedError(404, f"{name} cannot be read: is it gone?") from error
        self._digests[name] = digest(content)
        try:
            return as_shown(content)
        except (ValueError, ImportError) as error:
            raise RefusedError(415, f"{name} cannot be shown: {error}.") from error

    def answer(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Write down an answer; when this returns, it is on the disk.

        Parameters
        ----------
        said : mapping
            "id", "status" ("ok", "skip" or "unsure"), "label" and "seconds".
        """
        name, seconds = self._known(said.get("id")), said.get("seconds")
        status, label = self._label_of(said)
        if not _is_duration(seconds):
            seconds = None
        with self._lock:
            event = Event(
                name,
                status,
                label,
                self._annotator,
                self._asked_in[name],
                seconds=None if seconds is None else round(seconds, 2),
                via=self._via,
                digest=self._digests.get(name, ""),
            )
            # A page that heard nothing of its first try asks again.
            before = self._mine.get(name)
            if _meaning(before) != _meaning(event):
                self._write(event)
                self._mine[name] = event
                self._said.append((event, before))
            self._done.add(name)
            return {"saved": name, "left": self.n_left}

    def _label_of(self, said: Mapping[str, Any]) -> tuple[str, str | float | None]:
        marks = {SKIP.status: SKIP, UNSURE.status: UNSURE}
        status, settings = said.get("status"), self._campaign.settings
        if isinstance(status, str) and status in marks:
            return as_answer(settings, marks[status])
        if status != OK:
            raise RefusedError(422, f"The status must be ok, skip or unsure: {status}.")
        label = said.get("label")
        if settings.is_regression and isinstance(label, str):
            raise RefusedError(422, f"A label must be a finite number, not {label!r}.")
        try:
            return as_answer(settings, label)
        except (ValueError, OverflowError) as error:
            raise RefusedError(422, str(error)) from error

    def undo(self) -> dict[str, Any]:
        """Take the last answer back, and return the id of its item."""
        with self._lock:
            if not self._said:
                raise RefusedError(409, "There is no answer to take back.")
            last, before = self._said[-1]
            self._write(
                Event(
                    last.id,
                    VOID,
                    None,
                    self._annotator,
                    last.round,
                    via=self._via,
                    withdraws=last.event,
                )
            )
            self._said.pop()
            self._n_before = min(self._n_before, len(self._said))
            self._mine.pop(last.id, None)
            if before is not None:
                self._mine[last.id] = before
            self._done.discard(last.id)
            return {"id": last.id, "left": self.n_left}

    def close(self) -> None:
        """End the sitting: when this returns, nothing is written any more."""
        with self._lock:
            self._is_closed = True

    def _known(self, name: Any) -> str:
        """Return an id, if it is one of those that are shown."""
        if not isinstance(name, str) or name not in self._asked_in:
            raise RefusedError(404, "No item with that id is to be labelled now.")
        return name

    def _write(self, event: Event) -> None:
        if self._is_closed:
            raise RefusedError(
                503,
                "The labelling command was ended. What was saved is safe: start it "
                "again, and open the address that it prints.",
            )
        try:
            append_events(self._campaign.path, [event])
        except OSError as error:
            raise RefusedError(507, f"It could not be written ({error}).") from error


def _answers_in_order(state: "State", annotator: str) -> dict[str, Event]:
    """Return what an annotator says now, by id, in the order in which it was said."""
    order = {event.event: place for place, event in enumerate(state.log.events)}
    said = [by[annotator] for by in state.labels.answers.values() if annotator in by]
    said.sort(key=lambda event: order[event.event])
    return {event.id: event for event in said}


def _meaning(event: Event | None) -> tuple[Any, ...] | None:
    return None if event is None else (event.status, event.label, event.round)


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < 1e9 and math.isfinite(value)
