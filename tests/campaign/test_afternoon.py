"""The afternoon, whole: a shell, a browser, a kill, and an estimate, as benchmarked."""

import json
import shutil

import pytest

from benchmarks import afternoon
from skal_deep.campaign import Campaign

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="there is no Chromium here"
    ),
]


def test_nothing_is_lost_in_an_afternoon(tmp_path):
    assert len(afternoon.SHELL.splitlines()) <= 20
    task = afternoon.images(tmp_path, "digits", 200)
    afternoon.shell(tmp_path, task, rounds=2, batch_size=15)
    facts = afternoon.facts(tmp_path, task)
    assert (facts["rounds"], facts["labels"]) == (2, 30)
    assert (facts["lost"], facts["doubled"]) == (0, 0)
    assert facts["low"] <= facts["error"] <= facts["high"]
    campaign = Campaign(tmp_path / "work")
    assert campaign.labels().items() <= task.truth.items()
    assert {event.via for event in campaign.events()} == {"page"}
    assert json.loads((tmp_path / "estimate.json").read_text())["n_control"] == 6
    assert (tmp_path / "result" / "labels.csv").exists()
