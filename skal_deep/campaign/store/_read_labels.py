"""Labels that others wrote: CSV, events, exports of Label Studio."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from skal_deep.campaign.store._events import (
    OK,
    SKIP_STATUS,
    UNSURE_STATUS,
    parse_event,
)
from skal_deep.campaign.store._settings import now
from skal_deep.campaign.store._tables import read_table
from skal_deep.evaluation._export import without_mark

UNREADABLE = "unreadable"  # instead of how an answer came
_UNSURE_CELL, _SKIP_CELL = "?", "-"


@dataclass(frozen=True)
class Answer:
    """What a file says of one item.

    Attributes
    ----------
    where : str
        The line or the task, for messages.
    id : str
        The item.
    status : str
        "ok", "skip", "unsure" or "void".
    label : object
        The label, as the file has it.
    annotator : str
        Who; empty if the file does not say.
    event : str
        A name by which the same answer read twice counts once; empty if there is none.
    time : str
        When; empty if the file does not say.
    seconds : float or None
        How long it took.
    via : str
        What kind of file it came from.
    withdraws : str
        The event that is taken back.
    digest : str
        Of what was shown.
    round : int
        The round that it says it belongs to; 0 if it does not say.
    """

    where: str
    id: str
    status: str
    label: Any
    annotator: str = ""
    event: str = ""
    time: str = ""
    seconds: float | None = None
    via: str = "csv"
    withdraws: str = ""
    digest: str = ""
    round: int = 0


def read_answers(path: Path, known: Mapping[str, Any]) -> tuple[list[Answer], str]:
    """Return the answers of a file, and what it may have lost.

    Parameters
    ----------
    path : Path
        A CSV file, events as JSONL, or an export of Label Studio.
    known : mapping
        Ids of the campaign.

    Returns
    -------
    answers : list of Answer
        In the order of the file.
    warning : str
        In words; empty if nothing was lost.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is {'a folder' if path.is_dir() else 'not there'}: a file of "
            "labels is needed, such as the batch.csv that `next` writes."
        )
    if path.suffix.lower() == ".jsonl":
        return list(_from_events(path)), ""
    if path.suffix.lower() == ".json":
        return _from_json(path, known)
    return _from_csv(path, known)


def _from_events(path: Path) -> Iterator[Answer]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        event = parse_event(line)
        if event is None:
            yield _unreadable(f"line {number}")
            continue
        yield Answer(
            f"line {number}",
            event.id,
            event.status,
            event.label,
            event.annotator,
            event.event,
            event.time,
            event.seconds,
            event.via,
            event.withdraws,
            event.digest,
            event.round,
        )


def _unreadable(where: str) -> Answer:
    return Answer(where, "", OK, None, via=UNREADABLE)


def _from_csv(path: Path, known: Mapping[str, Any]) -> tuple[list[Answer], str]:
    table = read_table(path)
    if "id" not in table.header and _is_label_studio(table.header):
        rows = [dict(zip(table.header, row, strict=True)) for row in table.rows]
        answers = [
            _from_flat(row, f"line {line}", known)
            for row, line in zip(rows, table.lines, strict=True)
        ]
        return answers, _LOSSY
    ids, labels = table.column("id"), table.column("label")
    who = table.column("annotator") if "annotator" in table.header else [""] * len(ids)
    answers = []
    for line, name, label, annotator in zip(table.lines, ids, labels, who, strict=True):
        label, name = without_mark(label.strip()), _known_id(name, known)
        if label:
            answers.append(_answer(f"line {line}", name, label, annotator.strip()))
    return answers, ""


def _answer(where: str, name: str, label: str, annotator: str) -> Answer:
    status = {_UNSURE_CELL: UNSURE_STATUS, _SKIP_CELL: SKIP_STATUS}.get(label, OK)
    return Answer(where, name, status, label if status == OK else None, annotator)


def _known_id(name: str, known: Mapping[str, Any]) -> str:
    bare = name.strip()
    # First as our tables have it, then as somebody may have typed it.
    for one in (without_mark(name), name, without_mark(bare), bare):
        if one in known:
            return one
    return name


# Label Studio

_LOSSY = (
    "This is an export of Label Studio as JSON_MIN or CSV, which loses skipped tasks: "
    "export as JSON to keep them."
)
_TIMES = ("updated_at", "created_at")


def _is_label_studio(header: list[str]) -> bool:
    return "annotation_id" in header or "annotator" in header


def _from_json(path: Path, known: Mapping[str, Any]) -> tuple[list[Answer], str]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}).") from error
    is_tasks = isinstance(content, list) and all(isinstance(t, dict) for t in content)
    if not is_tasks:
        raise ValueError(
            f"{path} should hold a list of tasks, as Label Studio exports them; it "
            f"holds {str(content)[:60]}."
        )
    is_full = not content or any("annotations" in task for task in content)
    answers: list[Answer] = []
    for number, task in enumerate(content, 1):
        where = f"task {task.get('id', number)}"
        try:
            if is_full:
                answers += _from_task(task, where, known)
            else:
                answers.append(_from_flat(task, where, known))
        except (AttributeError, TypeError, KeyError):  # not as Label Studio writes it
            answers.append(_unreadable(where))
    return answers, "" if is_full else _LOSSY


def _from_task(
    task: dict[str, Any], where: str, known: Mapping[str, Any]
) -> Iterator[Answer]:
    """Yield the answers of one task of a full export."""
    data = task.get("data") or {}
    name = _task_id(data, known)
    for annotation in task.get("annotations") or []:
        result = annotation.get("result") or []
        is_skip = bool(annotation.get("was_cancelled")) or not result
        value = None if is_skip else _value(result)
        when = next((annotation[key] for key in _TIMES if annotation.get(key)), "")
        yield Answer(
            where,
            name,
            SKIP_STATUS if is_skip else OK,
            value,
            _annotator(annotation.get("completed_by")),
            str(annotation.get("unique_id") or ""),
            _time(str(when)),
            _seconds(annotation.get("lead_time")),
            "label-studio",
        )


def _from_flat(row: dict[str, Any], where: str, known: Mapping[str, Any]) -> Answer:
    """Return the answer of a row of JSON_MIN or CSV."""
    value = row.get("label", row.get("choice"))
    if isinstance(value, dict):
        value = _only(value.get("choices") or [value.get("number")])
    elif isinstance(value, list):
        value = _only(value)
        value = value.get("number") if isinstance(value, dict) else value
    unique = row.get("annotation_id")
    return Answer(
        where,
        _task_id(row, known),
        SKIP_STATUS if value in (None, "") else OK,
        value,
        _annotator(row.get("annotator")),
        f"ls-{unique}" if unique else "",
        _time(str(row.get("updated_at") or row.get("created_at") or "")),
        _seconds(row.get("lead_time")),
        "label-studio",
    )


def _value(result: list[Any]) -> Any:
    """Return the label of an annotation's result, which may hold other things, too."""
    for part in result:
        value = part.get("value") or {}
        if part.get("type") == "choices" and value.get("choices"):
            return _only(value["choices"])
        if part.get("type") == "number" and "number" in value:
            return value["number"]
    raise TypeError("neither a choice nor a number")


def _only(values: Any) -> Any:
    """Return the entry of a list of one; more are no label, and are refused as such."""
    if not isinstance(values, list):
        return values
    return values[0] if len(values) == 1 else values or None


def _seconds(lead_time: Any) -> float | None:
    try:
        seconds = float(lead_time)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _annotator(completed_by: Any) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("id") or completed_by.get("email")
    return f"ls-{completed_by}" if completed_by not in (None, "") else ""


def _task_id(data: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return the item of a task: its own id, or the path of its file."""
    name = data.get("skal_id")
    if name is not None:
        return str(name)
    for value in data.values():
        if not isinstance(value, str) or "?" not in value:
            continue
        path = parse_qs(urlsplit(value).query).get("d", [""])[0]
        while path:  # the root that was served may lie above the source
            if path in known:
                return path
            path = path.partition("/")[2]
    return ""


def _time(text: str) -> str:
    """Return a time as events write it."""
    if not text:
        return now()
    return f"{text[:19]}Z" if "T" in text else text
