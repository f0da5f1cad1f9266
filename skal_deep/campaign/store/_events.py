"""Events, one a line, in a file for each annotator: labels, doubts, withdrawals."""

import json
import math
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from skal_deep.campaign.store._settings import now
from skal_deep.evaluation._journal import append_lines

FOLDER = "labels"
OK, SKIP_STATUS, UNSURE_STATUS, VOID = "ok", "skip", "unsure", "void"


class _Mark:
    """An answer that is no label."""

    def __init__(self, name: str, status: str):
        self._name, self.status = name, status

    def __repr__(self) -> str:
        return self._name


SKIP = _Mark("SKIP", SKIP_STATUS)
UNSURE = _Mark("UNSURE", UNSURE_STATUS)


@dataclass(frozen=True)
class Event:
    """One thing that an annotator said.

    ``Campaign.label`` writes events, and ``Campaign.events`` reads them. Use them to
    see who said what, and when.

    Attributes
    ----------
    id : str
        The item.
    status : str
        "ok" (a label), "skip" (cannot be labelled), "unsure" (ask again later) or
        "void" (withdraws an earlier event).
    label : str, float or None
        A class, or a number.
    annotator : str
        Who said it.
    round : int
        The round in which it was asked; 0 for labels that existed before.
    event : str
        A random name, by which the same event read twice counts once.
    time : str
        When, in UTC.
    seconds : float or None
        How long it took.
    via : str
        How it came: "page", "python", "csv", ...
    digest : str
        Of what was shown; empty if nothing was.
    withdraws : str
        The event that a "void" takes back; empty for others.

    See Also
    --------
    Campaign : Writes and reads events.

    Examples
    --------
    >>> from skal_deep.campaign import Event
    >>> event = Event("photos/a.png", "ok", "robin", "anna", round=1)
    >>> event.status, event.label
    ('ok', 'robin')
    """

    id: str
    status: str
    label: str | float | None
    annotator: str
    round: int
    event: str = field(default_factory=lambda: uuid.uuid4().hex)
    time: str = field(default_factory=now)
    seconds: float | None = None
    via: str = "python"
    digest: str = ""
    withdraws: str = ""

    def line(self) -> bytes:
        """Return the event as a line of a file.

        Returns
        -------
        bytes
            JSON, with the end of the line.
        """
        entry = {k: v for k, v in asdict(self).items() if v is not None and v != ""}
        return json.dumps(entry).encode() + b"\n"


_FIELDS = frozenset(Event.__dataclass_fields__)


@dataclass(frozen=True)
class Log:
    """All events of a campaign, each once.

    Attributes
    ----------
    events : list of Event
        By annotator, in the order in which they were said.
    unreadable : list of tuple (str, int)
        Files and lines that hold no event.
    """

    events: list[Event]
    unreadable: list[tuple[str, int]]


def append_events(folder: Path, events: Sequence[Event]) -> None:
    """Write events; when this returns they are on the disk.

    Parameters
    ----------
    folder : Path
        That of the campaign.
    events : sequence of Event
        What was said.
    """
    by_annotator: dict[str, list[bytes]] = {}
    for event in events:
        line = event.line()
        if parse_event(line) is None:  # it would be lost
            raise ValueError(f"{event} cannot be kept: its text or number is no such.")
        by_annotator.setdefault(event.annotator, []).append(line)
    (folder / FOLDER).mkdir(exist_ok=True)
    for annotator, lines in by_annotator.items():
        append_lines(folder / FOLDER / file_name(annotator), b"".join(lines))


def file_name(annotator: str) -> str:
    """Return the name of the file of an annotator.

    Parameters
    ----------
    annotator : str
        Any name with letters.
    """
    is_name = isinstance(annotator, str) and annotator.strip()
    if not is_name or not annotator.isprintable() or len(annotator) > 60:
        raise ValueError(
            f"{annotator!r} is no name of an annotator: up to 60 letters or digits "
            "that can be printed are needed."
        )
    safe = quote(annotator, safe=" @+")
    return f"{'%2E' + safe[1:] if safe.startswith('.') else safe}.jsonl"


def read_log(folder: Path) -> Log:
    """Return all events of a campaign.

    Lines that cannot be read are counted and left alone.

    Parameters
    ----------
    folder : Path
        That of the campaign.
    """
    events: dict[str, Event] = {}
    files: dict[str, set[str]] = {}
    unreadable = []
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        if path.is_dir():
            raise IsADirectoryError(f"{path} should be a file of labels: move it away.")
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            event = parse_event(line)
            if event is None:
                unreadable.append((path.name, number))
                continue
            events.setdefault(event.event, event)
            files.setdefault(event.annotator, set()).add(path.name)
    told = list(events.values())
    if any(len(names) > 1 for names in files.values()):
        # Files were copied together: only times say what came first.
        split = {who for who, names in files.items() if len(names) > 1}
        alone = [event for event in told if event.annotator not in split]
        merged = [event for event in told if event.annotator in split]
        told = alone + sorted(merged, key=lambda event: event.time)
    return Log(told, unreadable)


def parse_event(line: bytes) -> Event | None:
    """Return the event of a line, or nothing if the line holds none.

    Parameters
    ----------
    line : bytes
        JSON.
    """
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError):  # brackets in brackets, without an end
        return None
    if not isinstance(entry, dict):
        return None
    known: dict[str, Any] = {k: v for k, v in entry.items() if k in _FIELDS}
    known.setdefault("label", None)
    known.setdefault("round", 0)
    texts = [known.get(name) for name in ("event", "id", "status", "annotator")]
    if not all(isinstance(text, str) and text for text in texts):
        return None
    if not _is_text("".join(map(str, texts))):
        return None
    if known["status"] not in (OK, SKIP_STATUS, UNSURE_STATUS, VOID):
        return None
    if type(known["round"]) is not int or known["round"] < 0:
        return None
    if known["status"] == OK and not _is_label(known["label"]):
        return None
    for name in ("time", "via", "digest", "withdraws"):
        if not isinstance(known.setdefault(name, ""), str):
            return None
    if not (known.get("seconds") is None or _is_number(known["seconds"])):
        return None
    return Event(**known)


def _is_label(value: Any) -> bool:
    return _is_text(value) if isinstance(value, str) else _is_number(value)


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # more digits than a float can hold
        return False


def _is_text(value: str) -> bool:
    """Return whether characters are such that a file can hold them."""
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair
        return False
    return True


def standing(events: Iterable[Event]) -> dict[str, dict[str, Event]]:
    """Return what each annotator says now of each item: {id: {annotator: event}}.

    That is the last event that was not withdrawn.

    Parameters
    ----------
    events : iterable of Event
        In the order of each annotator.
    """
    said: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        stack = said.setdefault((event.id, event.annotator), [])
        if event.status != VOID:
            stack.append(event)
        elif event.withdraws:
            stack[:] = [one for one in stack if one.event != event.withdraws]
        elif stack:
            stack.pop()
    found: dict[str, dict[str, Event]] = {}
    for (name, annotator), stack in said.items():
        if stack:
            found.setdefault(name, {})[annotator] = stack[-1]
    return found
