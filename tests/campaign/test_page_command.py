"""The command ``label``, and the widget without a notebook."""

import http.client
import json
import os
import re
import signal
import stat
import sys
import threading
import time
import webbrowser

import pytest

from skal_deep import cli
from skal_deep.campaign import Campaign
from skal_deep.campaign._batch import CSV
from skal_deep.campaign._label_server import LabelServer
from skal_deep.campaign._sitting import Sitting
from skal_deep.campaign._widget import reply


@pytest.fixture
def campaign(tmp_path, table):
    rows = [[f"t{row}", f"text {row}"] for row in range(60)]
    path = table(tmp_path / "texts.csv", ["id", "text"], rows)
    made = Campaign.create(
        tmp_path / "c", texts=path, column="text", id="id", classes=["a", "b"], budget=9
    )
    made.embed("tfidf")
    made.next(batch_size=4)
    return made


def ask(url, path, said):
    """Ask the server of a command."""
    host, token = re.fullmatch(r"http://([\d.:]+)/#(\S+)", url).groups()
    connection = http.client.HTTPConnection(host, timeout=5)
    kind = {"Content-Type": "application/json", "X-Token": token}
    connection.request("POST", path, json.dumps(said), kind)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


def test_the_command_prints_the_address_once_and_what_was_saved(
    campaign, monkeypatch, capsys
):
    name = campaign.open_round().ids[0]
    said = {"id": name, "status": "ok", "label": "a"}
    run, urls = LabelServer.run, []

    def work(url):
        urls.append(url)
        assert ask(url, "/answer", said)[0] == 200
        assert ask(url, "/answer", {**said, "label": "c"})[0] == 422
        os.kill(os.getpid(), signal.SIGINT)

    def run_and_work(server):
        threading.Thread(target=work, args=(server.url,)).start()
        run(server)

    monkeypatch.setattr(LabelServer, "run", run_and_work)
    code = cli.main(["label", str(campaign.path), "--no-browser", "--as", "anna"])
    printed = capsys.readouterr()
    first, *rest = printed.out.splitlines()
    assert first == f"Label {campaign.path} here: {urls[0]}"
    assert urls[0].split("#")[1] not in "".join([*rest, printed.err])
    assert rest[-1].startswith("Saved: 1, left: 3. Next: python -m skal_deep label")
    assert code == 130
    assert campaign.labels() == {name: "a"}


@pytest.mark.slow
def test_it_ends_when_the_page_is_closed_and_leaves_no_token(
    campaign, monkeypatch, capsys
):
    opened = []

    def browse(url):
        door = campaign.path / "label.html"
        assert url == door.as_uri()
        opened.append((stat.S_IMODE(door.stat().st_mode), door.read_text()))
        address = re.search(r'href="([^"]+)"', opened[0][1])[1]

        def work():
            for name in campaign.open_round().ids:
                said = {"id": name, "status": "ok", "label": "b"}
                assert ask(address, "/answer", said)[0] == 200
            assert ask(address, "/leave", {}) == (200, {"left": 0})

        threading.Thread(target=work).start()

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.setenv("BROWSER", "any")
    assert cli.main(["label", str(campaign.path), "--as", "anna", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"saved": 4, "left": 0, "interrupted": False}
    if os.name != "nt":
        assert opened[0][0] == 0o600
    assert not (campaign.path / "label.html").exists()
    assert set(campaign.labels().values()) == {"b"}


@pytest.mark.skipif(sys.platform != "linux", reason="others always have a screen")
def test_without_a_screen_no_browser_takes_the_terminal(campaign, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(LabelServer, "run", LabelServer.server_close)
    assert cli.main(["label", str(campaign.path)]) == 0
    assert capsys.readouterr().out.startswith("Label ")
    assert opened == []


def test_kill_ends_it_as_ctrl_c_does(campaign, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)

    def run(server):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)  # the signal ends it

    monkeypatch.setattr(LabelServer, "run", run)
    assert cli.main(["label", str(campaign.path), "--no-browser"]) == 130
    assert "Saved: 0, left: 4" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_be_labelled_says_what_to_do(campaign, tmp_path, capsys):
    folder = str(campaign.path)
    assert cli.main(["label", folder, "--review", "--as", "ben"]) == 3
    assert "ben has no answers" in capsys.readouterr().err
    assert cli.main(["label", folder, "--disputed"]) == 3
    assert "disputed" in capsys.readouterr().err
    for name in ("a\nb", "", " "):  # a script's variable may be empty
        assert cli.main(["label", folder, "--as", name]) == 2
        assert "no name of an annotator" in capsys.readouterr().err
        assert cli.main(["add", folder, str(campaign.path / CSV), "--as", name]) == 2
        assert "no name of an annotator" in capsys.readouterr().err
    with pytest.raises(ValueError, match="None is no name of an annotator"):
        campaign.label({}, None)
    with pytest.raises(FileNotFoundError, match=r"is a folder: a file of labels"):
        campaign.add(campaign.path)
    assert cli.main(["add", folder, "nowhere.csv"]) == 2
    assert "nowhere.csv is not there: a file of labels" in capsys.readouterr().err
    assert cli.main(["label", str(tmp_path / "nowhere")]) == 2
    assert "There is no campaign" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["label", folder, "--port", "70000"])
    campaign.label(dict.fromkeys(campaign.open_round().ids, "a"), "anna")
    assert cli.main(["label", folder]) == 3
    assert f"Next: python -m skal_deep next {folder}" in capsys.readouterr().err


def test_the_widget_asks_the_same_sitting(campaign):
    sitting = Sitting(campaign, "anna", via="widget")
    answer, files = reply(sitting, {"n": 1, "ask": "view"})
    assert (answer["n"], answer["got"], files) == (1, sitting.view(), [])
    name = campaign.open_round().ids[0]
    said = {"id": name, "status": "ok", "label": "a", "seconds": 0.5}
    got, _ = reply(sitting, {"n": 2, "ask": "answer", "said": said})
    assert got == {"n": 2, "got": {"saved": name, "left": 3}}
    [event] = campaign.events()
    assert (event.via, event.label, event.seconds) == ("widget", "a", 0.5)
    assert reply(sitting, {"n": 3, "ask": "undo"})[0]["got"]["id"] == name
    for wrong in (
        {"ask": "leave"},
        {"ask": "item", "said": {"id": "../x"}},
        {"ask": "image", "said": {"id": name}},
        {"ask": "answer", "said": {"id": name, "status": "ok", "label": "<b>"}},
        {"ask": "answer", "said": [1]},
        {"ask": ["view"]},
        [1],
        None,
    ):
        answer, files = reply(sitting, wrong)
        assert "error" in answer
        assert "got" not in answer
        assert files == []


def test_a_widget_is_made_of_the_script_of_the_page(campaign):
    pytest.importorskip("anywidget")
    widget = campaign.widget("anna")
    assert "function start(root, wire)" in widget._esm
    assert "export default" in widget._esm
    assert ".skal-label" in widget._css


def test_without_anywidget_the_extra_is_named(campaign, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"skal-deep\[notebook\]"):
        campaign.widget("anna")
