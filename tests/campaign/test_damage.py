"""Damaged files of a campaign: one clear error that names the file, or a rebuild."""

import json

import numpy as np
import pytest

from skal_deep.campaign import Campaign

_EVENT = {
    "event": "e1",
    "id": "r000001",
    "status": "ok",
    "label": "1",
    "annotator": "ben",
    "round": 1,
}


def _change(path, **values):
    content = json.loads(path.read_text(encoding="utf-8"))
    content = {k: v for k, v in {**content, **values}.items() if v is not ...}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "values",
    [
        {"source": ...},
        {"source": {"type": "folder"}},
        {"source": {"type": "zip", "path": "x"}},
        {"control": None},
        {"control": {"share": 0.2, "reserve": "x"}},
        {"classes": "ab"},
        {"classes": [1, 2]},
        {"classes": ["a", "a"]},
        {"classes": None},
        {"budget": None},
        {"budget": "5"},
        {"seed": "x"},
        {"salt": None},
        {"task": "other"},
        {"kind": "video"},
        {"features": 5},
        {"features": "../../elsewhere"},
        {"model": 5},
        {"model": {"name": 5}},
    ],
)
def test_a_setting_that_cannot_be_used_is_named(digits, values):
    campaign = digits().campaign
    _change(campaign.path / "campaign.json", **values)
    with pytest.raises(ValueError, match=rf"campaign\.json: '{next(iter(values))}'"):
        Campaign(campaign.path)


def test_a_later_schema_that_says_nothing_of_its_version(digits):
    campaign = digits().campaign
    _change(campaign.path / "campaign.json", schema=2, versions=None)
    with pytest.raises(ValueError, match="schema 2, and this version reads 1"):
        Campaign(campaign.path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda text: text + "x,y\r\n", "'x,y'.*2 entries for 7 columns"),
        (lambda text: text + '"' + "x" * 200_000, "line 62: field larger"),
        (lambda text: text[:-40] + '"' + text[-40:], "line 61: "),
        (lambda text: text + text.splitlines()[1] + "\r\n", "'r000000'.*twice"),
        (lambda text: "", "begins with None"),
    ],
)
def test_damaged_items_are_named(digits, change, match):
    campaign = digits(n_items=60).campaign
    path = campaign.path / "items.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), newline="")
    with pytest.raises(ValueError, match=rf"(?s)items\.csv.*{match}"):
        Campaign(campaign.path).status()


def test_missing_items_are_named(digits):
    campaign = digits().campaign
    (campaign.path / "items.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"items\.csv is missing"):
        Campaign(campaign.path).status()


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {"items": ...},
        {"items": [{}]},
        {"items": [{"id": "r000001", "arm": 5}]},
        {"model": ...},
        {"strategy": ...},
        {"strategy": {}},
        {"n_train": ...},
        {"schema": 2},
        {"round": 7},
    ],
)
def test_a_damaged_round_is_named_with_its_number(digits, values):
    played = digits()
    played.play(2, batch_size=10)
    _change(played.campaign.path / "rounds" / "0002.json", **values)
    with pytest.raises(ValueError, match=r"0002\.json is not round 2 of"):
        played.campaign.status()


@pytest.mark.slow
def test_a_round_that_is_cut_off_is_named_with_its_number(digits):
    played = digits()
    played.play(2, batch_size=10)
    (played.campaign.path / "rounds" / "0002.json").write_text("{")
    with pytest.raises(ValueError, match=r"0002\.json is not round 2 of"):
        played.campaign.status()


@pytest.mark.slow
def test_a_round_of_another_campaign_is_named(digits):
    played = digits()
    played.play(2, batch_size=10)
    items = [{"id": "elsewhere", "arm": "chosen"}]
    _change(played.campaign.path / "rounds" / "0002.json", items=items)
    for call in (played.campaign.status, played.campaign.next):
        with pytest.raises(ValueError, match="Round 2 asked for 'elsewhere'"):
            call()


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        json.dumps({**_EVENT, "label": 10**400}).encode(),
        json.dumps({**_EVENT, "seconds": "x"}).encode(),
        json.dumps({**_EVENT, "seconds": float("nan")}).encode(),
        json.dumps({**_EVENT, "round": -1}).encode(),
        json.dumps({**_EVENT, "digest": [1]}).encode(),
        json.dumps({**_EVENT, "id": "\ud800"}).encode(),
        json.dumps({**_EVENT, "label": "\ud800"}).encode(),
    ],
)
def test_a_damaged_event_is_counted_and_stops_nothing(digits, line, tmp_path):
    played = digits()
    played.play(1, batch_size=10)
    (played.campaign.path / "labels" / "ben.jsonl").write_bytes(line + b"\n")
    assert played.campaign.status().to_dict()["unreadable"] == [["ben.jsonl", 1]]
    played.campaign.export(tmp_path / "out")


def test_a_folder_among_the_files_of_labels_is_named(digits):
    played = digits()
    (played.campaign.path / "labels" / "ben.jsonl").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"ben\.jsonl should be a file"):
        played.campaign.status()


@pytest.mark.parametrize(
    "values",
    [
        {"done": "x"},
        {"done": 99},
        {"broken": [999]},
        {"broken": "x"},
        {"settings": 5},
        {"features": ...},
    ],
)
def test_what_is_known_of_features_is_made_anew(images, values):
    played = images(20)
    played.campaign.embed("pixels")
    X, _, _ = played.campaign.data()
    _change(played.campaign.path / "features" / "pixels.json", **values)
    with pytest.raises((ValueError, FileNotFoundError), match="skal_deep embed"):
        played.campaign.next()
    assert played.campaign.embed("pixels").done == 20
    np.testing.assert_array_equal(played.campaign.data()[0], X)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_a_damaged_array_of_features_is_made_anew(images, content):
    played = images(20)
    played.campaign.embed("pixels")
    X, _, _ = played.campaign.data()
    (played.campaign.path / "features" / "pixels.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"pixels\.npy.*skal_deep embed"):
        played.campaign.next()
    assert played.campaign.embed("pixels").done == 20
    np.testing.assert_array_equal(played.campaign.data()[0], X)
