"""The labelling widget in JupyterLab: a key and a click reach a file."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skal_deep.campaign import Campaign

pytestmark = pytest.mark.nightly
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "id": "widget",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": "from skal_deep.campaign import Campaign\n"
            "Campaign('c').widget('anna')",
        }
    ],
    "metadata": {
        "kernelspec": {"name": "python3", "display_name": "3", "language": "python"}
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def lab(tmp_path):
    """Run JupyterLab in a folder, and return its address."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = ["--port=0", "--IdentityProvider.token=x"]
    root = f"--ServerApp.root_dir={tmp_path}"
    repository = str(Path(__file__).parents[2])
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, *options, root],
            env=os.environ
            | {"JUPYTER_DATA_DIR": str(tmp_path), "PYTHONPATH": repository},
            cwd=tmp_path,
            stderr=file,
        )
    while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    yield found[0]
    process.terminate()
    process.wait()


def test_keys_and_clicks_reach_a_file(tmp_path, request):
    sync_api = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("jupyterlab")
    pytest.importorskip("anywidget")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium here")
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(80, 3)))
    campaign = Campaign.create(
        tmp_path / "c",
        embeddings=tmp_path / "X.npy",
        classes=["a", "b"],
        budget=9,
    )
    ids = campaign.next(batch_size=4).ids
    (tmp_path / "n.ipynb").write_text(json.dumps(NOTEBOOK))
    address = request.getfixturevalue("lab")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{address}/lab/tree/n.ipynb?token=x")
        # A cell that is run before the kernel idles is silently dropped.
        page.get_by_text("| Idle").wait_for()
        page.click(".jp-Cell .cm-content")
        page.keyboard.press("Shift+Enter")
        page.wait_for_selector("[data-idle=true]")
        page.click(".skal-label .item")
        for n, key in enumerate("1z2", 1):
            page.keyboard.press(key)
            page.wait_for_selector("[data-idle=true]")
            assert len(campaign.events()) == n
        page.click("button.class >> nth=0")
        page.wait_for_selector("[data-idle=true]")
        browser.close()
    assert campaign.labels() == {ids[0]: "b", ids[1]: "a"}
