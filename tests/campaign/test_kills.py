"""Campaigns whose processes are killed: nothing is lost, nothing is there twice."""

import os
import signal
import time
import warnings

import numpy as np
import pytest

from skal_deep.campaign import Campaign, NothingToDoError

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="processes and signals of POSIX"
)


def work(path, truth):
    """Do all that a campaign does, until the process is killed."""
    campaign = Campaign(path)
    sheet = path.parent / f"{os.getpid()}.csv"
    while True:
        campaign.embed("pixels", batch_size=3)
        try:
            batch = campaign.next(batch_size=4)
        except NothingToDoError:
            return
        batch.to_html()
        half = len(batch.left) // 2
        lines = [f"{name},{truth[name]}\n" for name in batch.left[:half]]
        sheet.write_text("id,label\n" + "".join(lines))
        campaign.add(sheet, "anna")
        campaign.label({name: truth[name] for name in batch.left}, "bob")


def kill_workers(images, n_kills, monkeypatch):
    monkeypatch.setattr("skal_deep.campaign._embed._SECONDS", 0.0)
    played = images(60, budget=10**6)
    path, rng = played.campaign.path, np.random.default_rng(0)
    known: dict[str, str] = {}
    for _ in range(n_kills):
        if not (pid := os.fork()):
            try:
                warnings.simplefilter("ignore")
                work(path, played.truth)
            finally:
                os._exit(0)
        time.sleep(float(rng.uniform(0.02, 0.5)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        campaign = Campaign(path)
        events, labels = campaign.events(), campaign.labels()
        assert len({e.event for e in events}) == len(events)
        said = [(e.id, e.annotator) for e in events]
        assert len(set(said)) == len(said)  # nobody is asked twice for one item
        assert known.items() <= labels.items()
        assert labels.items() <= played.truth.items()
        assert len(campaign.items) == 60
        known = labels
    warnings.simplefilter("ignore")
    work(path, played.truth)
    assert Campaign(path).labels() == played.truth
    numbers = [one.number for one in Campaign(path).state().rounds]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.slow
def test_killed_workers(images, monkeypatch):
    kill_workers(images, 4, monkeypatch)


@pytest.mark.nightly
def test_a_hundred_killed_workers(images, monkeypatch):
    kill_workers(images, 100, monkeypatch)
