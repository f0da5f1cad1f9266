"""Events: what is on the disk is kept, whatever stops the process that wrote it."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from skal_deep.campaign import SKIP, UNSURE, Campaign, Event
from skal_deep.campaign.store._events import (
    append_events,
    parse_event,
    read_log,
    standing,
)


def event(name="a", label="cat", annotator="anna", **more):
    return Event(name, "ok", label, annotator, 1, **more)


def test_a_line_says_all_and_comes_back():
    said = event(seconds=1.5, via="page", digest="b2:00", name="photos/ä 0.png")
    entry = json.loads(said.line())
    assert {"event", "id", "status", "label", "annotator", "time", "round"} <= set(
        entry
    )
    assert not {"arm", "strategy", "utility", "draw"} & set(entry)
    assert said.line().isascii()
    assert parse_event(said.line()) == said


@pytest.mark.slow
def test_cut_at_every_byte_whole_lines_and_new_ones_are_read(tmp_path):
    append_events(tmp_path, [event(f"item {i}", "ä" * (i + 1)) for i in range(2)])
    path = tmp_path / "labels" / "anna.jsonl"
    content = path.read_bytes()
    ends = [i for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        append_events(tmp_path, [event("new")])
        log = read_log(tmp_path)
        whole = sum(end <= cut for end in ends)  # a line needs its break no more
        assert [e.id for e in log.events] == [
            *(f"item {i}" for i in range(whole)),
            "new",
        ]
        is_torn = cut - 1 not in ends and cut not in (0, *ends)
        assert len(log.unreadable) == is_torn
        assert path.read_bytes()[:cut] == content[:cut]  # nothing is cut off


def test_lines_that_are_no_events_are_counted_and_left_alone(tmp_path):
    append_events(tmp_path, [event()])
    path = tmp_path / "labels" / "anna.jsonl"
    wrong = [
        b"no json",
        b"[]",
        b'{"event": "1", "id": "a", "status": "maybe", "annotator": "x"}',
        b'{"event": "2", "id": "a", "status": "ok", "label": NaN, "annotator": "x"}',
        b'{"event": "3", "id": "a", "status": "ok", "annotator": "x"}',
        b'{"event": 4, "id": "a", "status": "skip", "annotator": "x"}',
        b'{"event": "5", "id": "a", "status": "skip", "annotator": "x", "round": "1"}',
        b"\xff\xfe",
    ]
    path.write_bytes(path.read_bytes() + b"\n".join(wrong) + b"\n")
    log = read_log(tmp_path)
    assert len(log.events) == 1
    assert [line for _, line in log.unreadable] == list(range(2, 2 + len(wrong)))


def test_merging_is_copying_files(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    shared = event("a", "cat", time="2026-01-01T00:00:00Z")
    for folder in (ours, theirs):
        folder.mkdir()
        append_events(folder, [shared])
    append_events(ours, [event("b", "cat", time="2026-01-01T00:00:02Z")])
    append_events(theirs, [event("a", "dog", time="2026-01-01T00:00:01Z")])
    (ours / "labels" / "anna-laptop.jsonl").write_bytes(
        (theirs / "labels" / "anna.jsonl").read_bytes()
    )
    log = read_log(ours)
    assert [(e.id, e.label) for e in log.events] == [
        ("a", "cat"),
        ("a", "dog"),
        ("b", "cat"),
    ]
    assert standing(log.events)["a"]["anna"].label == "dog"


def test_a_withdrawn_correction_leaves_the_label_before():
    first, second = event(label="cat"), event(label="dog")
    undo = Event("a", "void", None, "anna", 1, withdraws=second.event)
    assert standing([first, second])["a"]["anna"].label == "dog"
    assert standing([first, second, undo])["a"]["anna"].label == "cat"
    again = Event("a", "void", None, "anna", 1, withdraws=first.event)
    assert standing([first, second, undo, again]) == {}


def test_label_and_undo(digits):
    played = digits()
    batch = played.campaign.next(batch_size=5)
    first, second, third, *_ = batch.ids
    played.campaign.label({first: "3", second: SKIP, third: UNSURE}, "anna", 1.5)
    played.campaign.label({first: "4"}, "anna")
    assert played.campaign.labels() == {first: "4"}
    assert len(batch.left) == 2
    played.campaign.undo(first, "anna")
    assert played.campaign.labels("anna") == {first: "3"}
    played.campaign.undo(first, "anna")
    assert played.campaign.labels() == {}
    with pytest.raises(ValueError, match="no answer"):
        played.campaign.undo(first, "anna")
    said = played.campaign.answers("anna")
    assert {name: e.status for name, e in said.items()} == {
        second: "skip",
        third: "unsure",
    }
    assert len(played.campaign.events()) == 6


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"nobody": "3"}, "no item 'nobody'"),
        ({"r000000": "cat"}, "not asked|no class"),
        ({"r000000": 3}, "not asked|no class"),
        ({"r000000": None}, "not asked|no class"),
    ],
)
def test_answers_are_refused_as_a_whole(digits, labels, match):
    played = digits()
    batch = played.campaign.next(batch_size=5)
    with pytest.raises(ValueError, match=match):
        played.campaign.label({batch.ids[0]: "3", **labels}, "anna")
    with pytest.raises(ValueError, match="no class"):
        played.campaign.label({batch.ids[0]: "cat"}, "anna")
    assert played.campaign.events() == []


def test_names_of_annotators_stay_inside_the_folder(digits):
    played = digits()
    name = played.campaign.next(batch_size=5).ids[0]
    for who in ("../../evil", "..", "a/b", "Änne O'Neil"):
        played.campaign.label({name: "3"}, who)
    files = list((played.campaign.path / "labels").iterdir())
    assert len(files) == 4
    assert not (played.campaign.path.parent / "evil.jsonl").exists()
    assert len(played.campaign.state().labels.answers[name]) == 4
    with pytest.raises(ValueError, match="no name"):
        played.campaign.label({name: "3"}, " ")


def test_several_annotators_the_majority_and_a_tie(digits):
    played = digits()
    batch = played.campaign.next(batch_size=4)
    a, b, c, d = batch.ids
    played.campaign.label({a: "1", b: "2", c: SKIP, d: "4"}, "anna")
    played.campaign.label({a: "1", b: "3", c: SKIP, d: SKIP}, "bob")
    played.campaign.label({a: "7"}, "cleo")
    labels = played.campaign.state().labels
    assert labels.label == {a: "1", d: "4"}
    assert (labels.disputed, labels.skipped) == ([b], [c])
    status = played.campaign.status().to_dict()
    assert status["disputed"] == [b]
    assert status["agreement"]["n"] == 2
    assert status["annotators"] == {"anna": 4, "bob": 4, "cleo": 1}


def start_writer(folder, who, n_events):
    """Write events in another process; return its id and what it says it saved."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    try:
        for i in range(n_events):
            append_events(folder, [event(f"{who}-{i}", annotator="shared")])
            os.write(write, f"{who}-{i}\n".encode())
    finally:
        os._exit(0)


def said_to_be_saved(read):
    """Return what a writer told until it ended; the last line may be torn."""
    with open(read, "rb") as file:
        return {line.decode() for line in file.read().split(b"\n")[:-1]}


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")


@pytest.mark.slow
@forks
def test_two_processes_lose_nothing(tmp_path):
    told = set()
    writers = [start_writer(tmp_path, who, 40) for who in ("x", "y")]
    for pid, read in writers:
        told |= said_to_be_saved(read)
        os.waitpid(pid, 0)
    log = read_log(tmp_path)
    assert not log.unreadable
    assert told == {f"{who}-{i}" for who in "xy" for i in range(40)}
    assert sorted(e.id for e in log.events) == sorted(told)


def kill_writers(folder, n_kills):
    """Kill pairs of writers at odd moments; what they said to be saved is there."""
    told = set()
    for number in range(n_kills):
        writers = [start_writer(folder, f"{who}{number}", 10**6) for who in "xy"]
        time.sleep(0.01 + 0.003 * (number % 7))
        for pid, _ in writers:
            os.kill(pid, signal.SIGKILL)
        for pid, read in writers:
            os.waitpid(pid, 0)
            told |= said_to_be_saved(read)
    names = [e.id for e in read_log(folder).events]
    assert told
    assert told <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.slow
@forks
def test_killed_writers_lose_nothing_that_was_said_to_be_saved(tmp_path):
    kill_writers(tmp_path, 6)


@forks
@pytest.mark.nightly
def test_a_hundred_killed_writers(tmp_path):
    kill_writers(tmp_path, 100)


def test_an_event_of_an_unknown_item_or_class_is_kept_and_listed(digits):
    played = digits()
    batch = played.campaign.next(batch_size=4)
    append_events(
        played.campaign.path,
        [event("elsewhere", "3"), event(batch.ids[0], "owl"), event(batch.ids[1], 3.5)],
    )
    status = played.campaign.status().to_dict()
    assert status["unknown"] == ["elsewhere"]
    assert status["foreign"] == sorted(batch.ids[:2])
    assert played.campaign.labels() == {}
    assert len(played.campaign.events()) == 3
    Campaign(played.campaign.path).add_classes([*played.campaign.classes, "owl"])
    assert played.campaign.labels() == {batch.ids[0]: "owl"}


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_what_could_not_be_read_again_is_not_written(digits, seconds):
    played = digits()
    batch = played.campaign.next(batch_size=5)
    with pytest.raises(ValueError, match="cannot be kept"):
        played.campaign.label({batch.ids[0]: "3"}, "anna", seconds)
    assert played.campaign.events() == []


def test_the_same_file_added_by_many_at_once_counts_once(digits, tmp_path, table):
    played = digits()
    ids = played.campaign.next(batch_size=20).ids
    file = table(tmp_path / "in.csv", ["id", "label"], [(name, "3") for name in ids])
    campaigns = [Campaign(played.campaign.path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda c: c.add(file, "anna"), campaigns))
    assert sorted(one.added for one in told) == [0] * 7 + [20]
    assert len(played.campaign.events()) == 20
