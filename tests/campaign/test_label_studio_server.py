"""Tasks go to a real Label Studio and come back: labels, skips, corrections.

The server needs an environment of its own, a gigabyte: ``pip install label-studio``
there, and say where its program is by ``LABEL_STUDIO=.../bin/label-studio``.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import urlencode

import numpy as np
import pytest

from skal_deep.campaign import Campaign

PROGRAM = os.environ.get("LABEL_STUDIO") or shutil.which("label-studio")
TOKEN = "0123456789abcdef" * 2 + "01234567"
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(PROGRAM is None, reason="there is no Label Studio here"),
]
_START_SECONDS = 400


class Server:
    """A Label Studio on this machine."""

    def __init__(self, url):
        self.url = url

    def person(self, email):
        """Return the server as another person sees it, who signs up for that."""
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

        def mark():
            return next(c.value for c in jar if c.name == "csrftoken")

        opener.open(f"{self.url}/user/signup/", timeout=60).read()
        form = {"email": email, "password": "a long password", "allow_newsletters": ""}
        form["csrfmiddlewaretoken"] = mark()
        body = urlencode(form).encode()
        opener.open(f"{self.url}/user/signup/", body, timeout=60).read()

        def ask(method, path, content=None):
            request = urllib.request.Request(
                f"{self.url}{path}",
                None if content is None else json.dumps(content).encode(),
                {"X-CSRFToken": mark(), "Content-Type": "application/json"},
                method=method,
            )
            with opener.open(request, timeout=60) as response:
                return json.loads(response.read())

        return ask

    def ask(self, method, path, content=None):
        request = urllib.request.Request(
            f"{self.url}{path}",
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            body = response.read()
        return json.loads(body) if body else None

    def project(self, out):
        """Make a project of what ``export`` wrote; return it, and its tasks by item."""
        config = (out / "labelstudio" / "config.xml").read_text()
        made = {"title": "skal_deep", "label_config": config}
        number = self.ask("POST", "/api/projects/", made)["id"]
        tasks = json.loads((out / "labelstudio" / "tasks.json").read_text())
        self.ask("POST", f"/api/projects/{number}/import", tasks)
        found = self.exported(number)
        return number, {task["data"]["skal_id"]: task["id"] for task in found}

    def exported(self, number):
        query = "exportType=JSON&download_all_tasks=true"
        return self.ask("GET", f"/api/projects/{number}/export?{query}")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DEBUG")},
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }
    words = [
        "start",
        "--no-browser",
        "--internal-host",
        "127.0.0.1",
        "--port",
        f"{port}",
    ]
    words += ["--data-dir", f"{folder}", "--username", "anna@example.org"]
    words += ["--password", "a long password", "--user-token", TOKEN]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [PROGRAM, *words, "--enable-legacy-api-token"],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    server = Server(f"http://127.0.0.1:{port}")
    try:
        for _ in range(_START_SECONDS):
            try:
                server.ask("GET", "/api/projects/")
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(1)
        yield server
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def answer_of(campaign, label):
    """Return an annotation's result."""
    kind, value = "choices", {"choices": [label]}
    if not campaign.classes:
        kind, value = "number", {"number": label}
    return [{"from_name": "label", "to_name": "item", "type": kind, "value": value}]


def round_trip(server, campaign, labels, tmp_path):
    """Label a round on the server: a skip, a correction, the rest; and read it back."""
    campaign.export(tmp_path / "out", ["labelstudio"])
    number, task_of = server.project(tmp_path / "out")
    assert task_of.keys() == labels.keys()
    skipped, corrected, *rest = labels
    wrong = next(label for label in labels.values() if label != labels[corrected])
    for name in (corrected, *rest):
        label = wrong if name == corrected else labels[name]
        made = {"result": answer_of(campaign, label), "lead_time": 2.5}
        path = f"/api/tasks/{task_of[name]}/annotations/"
        annotation = server.ask("POST", path, made)
    made = {"result": [], "was_cancelled": True}
    server.ask("POST", f"/api/tasks/{task_of[skipped]}/annotations/", made)
    file = tmp_path / "project.json"
    file.write_text(json.dumps(server.exported(number)))
    added = campaign.add(file)
    assert (added.added, added.skipped, added.refused) == (len(labels) - 1, 1, [])
    annotation = server.ask("GET", f"/api/tasks/{task_of[corrected]}")["annotations"][0]
    time.sleep(1.1)  # times on the server have seconds
    made = {"result": answer_of(campaign, labels[corrected])}
    server.ask("PATCH", f"/api/annotations/{annotation['id']}/", made)
    file.write_text(json.dumps(server.exported(number)))
    again = campaign.add(file)
    assert (again.corrected, again.added) == (1, 0)
    assert campaign.add(file).same == len(labels)
    wanted = {name: labels[name] for name in (corrected, *rest)}
    assert campaign.labels() == wanted
    assert campaign.state().labels.skipped == [skipped]
    times = {e.id: e.seconds for e in campaign.events() if e.status == "ok"}
    assert all(times[name] == 2.5 for name in rest)


def test_images(server, images, tmp_path):
    played = images(30)
    played.campaign.embed("pixels")
    batch = played.campaign.next(batch_size=6)
    labels = {name: played.truth[name] for name in batch.ids}
    round_trip(server, played.campaign, labels, tmp_path)


def test_hostile_texts_and_classes(server, tmp_path, table):
    rows = [[f"t{n}", f'{n} <b>&amp; "é" 文'] for n in range(30)]
    path = table(tmp_path / "t.csv", ["id", "text"], rows)
    campaign = Campaign.create(
        tmp_path / "c",
        texts=path,
        column="text",
        id="id",
        classes=["zero & <one>", '"two"'],
        budget=20,
    )
    campaign.embed("tfidf")
    for _ in range(2):  # the second round has predictions
        batch = campaign.next(batch_size=6)
        labels = {n: campaign.classes[k % 2] for k, n in enumerate(batch.ids)}
        if campaign.state().rounds[-1].number == 1:
            campaign.label(labels, "anna")
    (tmp_path / "labels").mkdir()
    campaign.export(tmp_path / "out", ["labelstudio"])
    number, task_of = server.project(tmp_path / "out")
    tasks = server.exported(number)
    texts = {task["data"]["skal_id"]: task["data"]["text"] for task in tasks}
    assert texts == {name: campaign.text(name) for name in batch.ids}
    name = batch.ids[0]
    task = server.ask("GET", f"/api/tasks/{task_of[name]}")
    assert task["predictions"][0]["model_version"] == "round-2"
    made = {"result": answer_of(campaign, labels[name])}
    server.ask("POST", f"/api/tasks/{task_of[name]}/annotations/", made)
    (tmp_path / "p.json").write_text(json.dumps(server.exported(number)))
    assert campaign.add(tmp_path / "p.json").added == 1
    assert campaign.labels()[name] == labels[name]


def test_numbers(server, tmp_path, table):
    rows = [[f"t{n}", f"{n} things"] for n in range(30)]
    path = table(tmp_path / "t.csv", ["id", "text"], rows)
    campaign = Campaign.create(
        tmp_path / "c", texts=path, column="text", id="id", numbers=True, budget=20
    )
    campaign.embed("tfidf")
    batch = campaign.next(batch_size=6)
    values = np.linspace(-1.5, 2.25, 6).tolist()
    labels = dict(zip(batch.ids, values, strict=True))
    round_trip(server, campaign, labels, tmp_path)


def test_two_annotators_are_both_kept_and_their_disagreement_is_told(
    server, images, tmp_path
):
    played = images(30)
    campaign = played.campaign
    campaign.embed("pixels")
    batch = campaign.next(batch_size=6)
    campaign.export(tmp_path / "out", ["labelstudio"])
    number, task_of = server.project(tmp_path / "out")
    labels = {name: played.truth[name] for name in batch.ids}
    differs, skipped, alone = batch.ids[:3]
    other = next(name for name in campaign.classes if name != labels[differs])
    bert = server.person("bert@example.org")
    anna_says = {**labels, skipped: None}
    bert_says = {**labels, differs: other}
    del bert_says[alone]
    for ask, said in ((server.ask, anna_says), (bert, bert_says)):
        for name, label in said.items():
            made = {"result": [], "was_cancelled": True}
            if label is not None:
                made = {"result": answer_of(campaign, label)}
            ask("POST", f"/api/tasks/{task_of[name]}/annotations/", made)
    file = tmp_path / "project.json"
    file.write_text(json.dumps(server.exported(number)))
    added = campaign.add(file)
    assert (added.added, added.skipped, added.refused) == (10, 1, [])
    assert campaign.add(file).same == 11
    anna, ben = sorted({event.annotator for event in campaign.events()})
    del anna_says[skipped]
    assert campaign.labels(anna) == anna_says
    assert campaign.labels(ben) == bert_says
    # A skip beside a label leaves the label; two labels are no majority.
    assert campaign.labels() == {k: v for k, v in labels.items() if k != differs}
    said = campaign.status().to_dict()
    assert said["disputed"] == [differs]
    assert said["agreement"]["n"] == 4
    assert said["agreement"]["share"] == 0.75
    assert differs in campaign.next(batch_size=6).ids
    out = campaign.export(tmp_path / "wide", ["wide"])
    lines = out[0].read_text().splitlines()
    assert lines[0] == f"id,{anna},{ben}"
    assert f"{differs},{labels[differs]},{other}" in lines
    assert f"{skipped},,{labels[skipped]}" in lines
