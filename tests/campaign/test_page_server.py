"""The server of the labelling page, attacked: each row is refused or does no harm."""

import http.client
import json
import re
import socket
import threading
from contextlib import closing, contextmanager

import pytest
from label_process import label_process
from sklearn.datasets import load_digits

from skal_deep.campaign import Campaign, NothingToDoError
from skal_deep.campaign._label_server import LabelServer
from skal_deep.campaign._sitting import RefusedError, Sitting
from skal_deep.campaign.store._items import NAME as ITEMS

CLASSES = ["zero", "<b>one</b>", "two"]
JSON = "application/json"


def make_images(folder, n=12):
    image = pytest.importorskip("PIL.Image")
    (folder / "a b").mkdir(parents=True)
    X = load_digits().images
    for row in range(n):
        pixels = (X[row] * 15).astype("uint8")
        image.fromarray(pixels).save(folder / "a b" / f"img {row:02d}.png")


@pytest.fixture
def campaign(tmp_path):
    """Return a campaign on images with an open round of six."""
    make_images(tmp_path / "photos")
    made = Campaign.create(
        tmp_path / "c", images=tmp_path / "photos", classes=CLASSES, budget=8
    )
    made.embed("pixels")
    made.next(batch_size=6)
    return made


@contextmanager
def serve(sitting):
    server = LabelServer(sitting)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Client(server.url)
    finally:
        server.shutdown()
        thread.join()


class Client:
    def __init__(self, url):
        self.port, self.token = re.fullmatch(r"http://[\d.]+:(\d+)/#(.+)", url).groups()

    def ask(self, method, path, body=None, *, drop=(), twice=(), **headers):
        """Return status, headers and body; headers are written with underscores."""
        sent = {"Host": f"127.0.0.1:{self.port}", "X-Token": self.token}
        if body is not None:
            sent |= {"Content-Type": JSON, "Content-Length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(wire):
            wire.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if name not in drop:
                    wire.putheader(name, value)
            for name, value in twice:
                wire.putheader(name, value)
            wire.endheaders(body)
            response = wire.getresponse()
            content = response.read()
        return response.status, response.headers, content

    def status(self, *args, **headers):
        return self.ask(*args, **headers)[0]

    def post(self, path, content, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.status("POST", path, body, **headers)

    def item(self, name):
        return json.loads(self.ask("GET", f"/item?id={name}")[2])


@pytest.fixture
def client(campaign):
    with serve(Sitting(campaign, "anna")) as client:
        yield client


def first(campaign):
    return campaign.open_round().ids[0]


def log_of(campaign, name="anna"):
    path = campaign.path / "labels" / f"{name}.jsonl"
    return path.read_bytes() if path.exists() else b""


def test_it_listens_on_the_loopback_address_only(client):
    for other in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
        if other != "127.0.0.1":
            with pytest.raises(OSError):  # noqa: PT011
                socket.create_connection((other, int(client.port)), timeout=2)


@pytest.mark.parametrize("path", ["/view", "/item?id=x", "/image?id=x", "/nothing"])
def test_without_the_token_nothing_is_told(client, path):
    assert client.status("GET", path, drop=["X-Token"]) == 401
    assert client.status("GET", path, X_Token="wrong") == 401
    assert client.status("GET", path, X_Token="") == 401
    again = [("X-Token", client.token)]
    assert client.status("GET", path, twice=again) == 401
    assert client.status("GET", f"{path}#{client.token}", X_Token="é") == 401


@pytest.mark.parametrize("path", ["/answer", "/undo", "/leave"])
def test_without_the_token_nothing_is_written(campaign, client, path):
    said = {"id": first(campaign), "status": "ok", "label": "zero"}
    assert client.post(path, said, drop=["X-Token"]) == 401
    assert client.post(path, said, X_Token="wrong") == 401
    assert log_of(campaign) == b""
    assert client.status("GET", "/view") == 200


def test_the_token_is_long_and_new_at_each_start(campaign):
    tokens = set()
    for _ in range(2):
        server = LabelServer(Sitting(campaign, "anna"))
        server.server_close()
        assert server.url.endswith(f"/#{server.token}")
        tokens.add(server.token)
    assert len(tokens) == 2
    assert all(len(token) >= 43 for token in tokens)  # 256 bits in base 64


def test_a_name_that_was_bound_to_this_machine_is_refused(client):
    port = client.port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        "",
        f"[::1]:{port}",
    ):
        assert client.status("GET", "/", Host=host) == 421
    assert client.status("GET", "/view", drop=["Host"]) == 421
    again = [("Host", f"127.0.0.1:{port}")]
    assert client.status("GET", "/", twice=again) == 421
    assert client.status("GET", "/view", Host=f"localhost:{port}") == 200


def test_requests_of_other_sites_are_refused(client):
    for origin in ("https://evil.example", "null", f"https://127.0.0.1:{client.port}"):
        assert client.status("GET", "/view", Origin=origin) == 403
        assert client.post("/undo", {}, Origin=origin) == 403
    for site in ("cross-site", "same-site", "nonsense"):
        assert client.status("GET", "/view", Sec_Fetch_Site=site) == 403
        assert client.status("GET", "/", Sec_Fetch_Site=site) == 403
    own = f"http://127.0.0.1:{client.port}"
    assert (
        client.status("GET", "/view", Origin=own, Sec_Fetch_Site="same-origin") == 200
    )


def test_a_link_may_open_the_page_and_nothing_else(client):
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert client.status("GET", "/", **link, Sec_Fetch_Dest="document") == 200
    assert client.status("GET", "/", **link, Sec_Fetch_Dest="iframe") == 403
    assert client.status("GET", "/view", **link, Sec_Fetch_Dest="document") == 403
    assert client.post("/undo", {}, **link, Sec_Fetch_Dest="document") == 403


def test_no_other_site_is_ever_allowed(client):
    for method in ("OPTIONS", "PUT", "DELETE", "HEAD", "TRACE", "CONNECT"):
        status, headers, _ = client.ask(method, "/view")
        assert status == 501
        assert not [name for name in headers if "access-control" in name.lower()]
    for path in ("/", "/view"):
        _, headers, _ = client.ask("GET", path)
        assert not [name for name in headers if "access-control" in name.lower()]


@pytest.mark.slow
def test_answers_are_small_json_objects(campaign, client):
    name = first(campaign)
    said = {"id": name, "status": "ok", "label": "zero"}
    form = "application/x-www-form-urlencoded"
    assert client.post("/answer", b"id=1", Content_Type=form) == 415
    assert client.post("/answer", said, Content_Type="text/plain") == 415
    assert client.post("/answer", said, drop=["Content-Type"]) == 415
    assert client.post("/answer", b" " * 70_000) == 413
    assert client.post("/answer", b"{}", Content_Length="9" * 30) == 413
    assert client.post("/answer", b"{}", drop=["Content-Length"]) == 411
    assert client.post("/answer", b"{}", Content_Length="-1") == 411
    assert client.post("/answer", b"2\r\n{}\r\n", Transfer_Encoding="chunked") == 411
    assert client.post("/answer", [said]) == 400
    assert client.post("/answer", b"{") == 400
    assert client.post("/answer", b"[" * 60_000) == 400
    assert client.post("/answer", b"\xff\xfe") == 400
    assert log_of(campaign) == b""
    kind = "application/json; charset=utf-8"
    assert client.post("/answer", said, Content_Type=kind) == 200
    assert log_of(campaign)


def test_a_question_with_a_body_cannot_hide_another_one(client):
    hidden = b"POST /leave HTTP/1.1\r\n\r\n"
    assert client.status("GET", "/view", hidden) == 400
    assert client.status("GET", "/view", drop=(), Transfer_Encoding="chunked") == 400


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "..%2fsecret.png",
        "%2e%2e/secret.png",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "a b/img 99.png",
        "..",
        "",
        "%00",
        "%ff",
        "a&id=b",
    ],
)
def test_only_ids_of_the_round_are_shown(client, name):
    address = name.replace(" ", "%20")
    for path in ("/item", "/image"):
        assert client.status("GET", f"{path}?id={address}") == 404
        assert client.status("GET", f"{path}/{address}") == 404
    assert client.status("GET", f"/{address}") in (200, 404)  # the page, or nothing
    assert client.post("/answer", {"id": name, "status": "skip"}) == 404


def test_an_item_of_another_round_is_not_shown(campaign, client):
    other = next(n for n in campaign.items.ids if n not in campaign.open_round().ids)
    address = other.replace(" ", "%20")
    assert client.status("GET", f"/image?id={address}") == 404
    assert client.post("/answer", {"id": other, "status": "skip"}) == 404
    ours = first(campaign).replace(" ", "%20")
    assert client.status("GET", f"/image?id={ours}") == 200


def test_a_folder_from_a_stranger_leads_nowhere(campaign, client, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"\x89PNG secret")
    name = first(campaign)
    address = name.replace(" ", "%20")
    shown = tmp_path / "photos" / name
    content = shown.read_bytes()
    shown.unlink()
    shown.symlink_to(tmp_path / "secret.png")
    assert client.status("GET", f"/image?id={address}") == 404
    shown.unlink()
    shown.write_bytes(content)
    items = campaign.path / ITEMS
    text = items.read_text()
    for place in ("../secret.png", str(tmp_path / "secret.png"), "../c/campaign.json"):
        lines = [
            line.replace(name, place) if line.startswith(name) else line
            for line in text.splitlines()
        ]
        changed = [
            line.replace(place, name, 1) if line.startswith(place) else line
            for line in lines
        ]
        items.write_text("\n".join(changed) + "\n")
        assert Campaign(campaign.path).place(name) == place
        status, _, body = client.ask("GET", f"/image?id={address}")
        assert (status, b"secret" in body) == (404, False)


def test_vector_graphics_and_other_files_are_no_images(campaign, client, tmp_path):
    name = first(campaign)
    address = name.replace(" ", "%20")
    for content in (b"<svg xmlns='x'><script>1</script></svg>", b"a text", b""):
        (tmp_path / "photos" / name).write_bytes(content)
        assert client.status("GET", f"/image?id={address}") == 415


def test_tiff_is_shown_as_png(campaign, client, tmp_path):
    image = pytest.importorskip("PIL.Image")
    name = first(campaign)
    image.new("RGB", (5, 4)).save(tmp_path / "photos" / name, "TIFF")
    status, headers, body = client.ask("GET", f"/image?id={name.replace(' ', '%20')}")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert body.startswith(b"\x89PNG")


def test_every_answer_of_the_server_forbids_what_the_page_does_not_need(client):
    nonces = set()
    for path, token in (("/", True), ("/view", True), ("/view", False), ("/x", True)):
        _, headers, body = client.ask("GET", path, drop=() if token else ["X-Token"])
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Python" not in headers["Server"]
        nonces |= set(re.findall(r"'nonce-([^']+)'", policy))
        if path == "/":
            assert body.decode().count(f'nonce="{nonces.copy().pop()}"') == 2
    client.ask("GET", "/")
    again = client.ask("GET", "/")[1]["Content-Security-Policy"]
    assert len(nonces) == 1
    assert nonces.pop() not in again


def test_the_page_holds_nothing_from_outside_and_no_token(client):
    page = client.ask("GET", "/", drop=["X-Token"])[2].decode()
    assert client.token not in page
    assert not re.findall(r"(?:src|href)=|url\(|https?:|style=|innerHTML|eval\(", page)


def test_labels_that_are_none_are_refused(campaign, client):
    name = first(campaign)
    for said in (
        {"status": "ok", "label": "four"},
        {"status": "ok", "label": None},
        {"status": "ok", "label": 1},
        {"status": "ok", "label": ["zero"]},
        {"status": "ok", "label": {"zero": 1}},
        {"status": "ok"},
        {"status": "void"},
        {"status": ["ok"], "label": "zero"},
        {},
    ):
        assert client.post("/answer", {"id": name, **said}) == 422
    for other in (None, 3, ["x"], {"x": 1}):
        assert client.post("/answer", {"id": other, "status": "skip"}) == 404
    assert log_of(campaign) == b""


@pytest.mark.slow
def test_numbers_must_be_finite(tmp_path, table):
    rows = [[f"r{row}", str(row)] for row in range(60)]
    path = table(tmp_path / "t.csv", ["id", "x"], rows)
    numbers = Campaign.create(
        tmp_path / "c", table=path, id="id", numbers=True, budget=9
    )
    name = numbers.next(batch_size=4).ids[0]
    with serve(Sitting(numbers, "anna")) as client:
        start = f'{{"id": "{name}", "status": "ok", "label": '
        for label in ("NaN", "Infinity", "-Infinity", '"1"', "true", "1" + "0" * 400):
            assert client.post("/answer", f"{start}{label}}}".encode()) == 422
        assert client.post("/answer", f"{start}1.5}}".encode()) == 200
    assert numbers.labels() == {name: 1.5}


def test_what_cannot_be_written_is_not_saved_and_can_be_said_again(campaign, client):
    name = first(campaign)
    said = {"id": name, "status": "ok", "label": "zero"}
    labels = campaign.path / "labels"
    labels.write_text("a file in the folder's place")
    status, _, body = client.ask("POST", "/answer", json.dumps(said).encode())
    assert status == 507
    assert "could not be written" in json.loads(body)["error"]
    assert json.loads(client.ask("GET", "/view")[2])["done"] == []
    labels.unlink()
    assert client.post("/answer", said) == 200
    assert campaign.labels() == {name: "zero"}


def test_an_answer_that_is_sent_again_counts_once(campaign, client):
    said = {"id": first(campaign), "status": "ok", "label": "zero", "seconds": 1.25}
    assert client.post("/answer", said) == client.post("/answer", said) == 200
    [event] = campaign.events()
    assert (event.label, event.seconds, event.via) == ("zero", 1.25, "page")
    assert client.post("/answer", said | {"label": "two"}) == 200  # a correction
    assert campaign.labels() == {said["id"]: "two"}


@pytest.mark.parametrize("seconds", [-1, "1", True, 1e300, None, [1]])
def test_a_duration_that_is_none_is_left_out(campaign, client, seconds):
    said = {"id": first(campaign), "status": "skip", "seconds": seconds}
    assert client.post("/answer", said) == 200
    assert campaign.events()[0].seconds is None


def test_an_event_holds_the_digest_of_what_was_shown(campaign, client, tmp_path):
    name = first(campaign)
    (tmp_path / "photos" / name).write_bytes(b"\x89PNG other content")
    client.ask("GET", f"/image?id={name.replace(' ', '%20')}")
    client.post("/answer", {"id": name, "status": "ok", "label": "zero"})
    items = campaign.items
    assert campaign.events()[0].digest not in ("", items.digests[items.row_of[name]])


@pytest.mark.slow
def test_undo_takes_back_what_was_said_last_before_a_restart_too(campaign):
    one, two = campaign.open_round().ids[:2]
    with serve(Sitting(campaign, "anna")) as client:
        client.post("/answer", {"id": one, "status": "ok", "label": "zero"})
        client.post("/answer", {"id": two, "status": "unsure"})
    sitting = Sitting(campaign, "anna")
    assert sitting.view()["done"] == [one, two]
    assert [sitting.undo()["id"], sitting.undo()["id"]] == [two, one]
    assert campaign.labels() == {}
    with pytest.raises(RefusedError, match="no answer to take back"):
        sitting.undo()
    assert Sitting(campaign, "anna").view()["done"] == []


def test_nobody_is_told_what_chance_picked(campaign, client):
    everything = client.ask("GET", "/view")[2]
    for name in campaign.open_round().ids:
        everything += json.dumps(client.item(name.replace(" ", "%20"))).encode()
    assert not re.search(rb"arm|chosen|control|utility|rank", everything)


def test_suggestions_are_for_chosen_items_only(campaign):
    sitting = Sitting(campaign, "anna")
    assert not sitting.suggest()  # nothing has trained yet
    for place, name in enumerate(sitting.view()["ids"]):
        said = {"id": name, "status": "ok", "label": CLASSES[place % 3]}
        sitting.answer(said)
    campaign.set_budget(12)
    batch = campaign.next(batch_size=6)
    sitting = Sitting(campaign, "anna")
    assert sitting.suggest()
    items = campaign.state().rounds[-1].items
    arms = {items[n]["arm"] for n in batch.ids}
    assert arms == {"chosen", "control"}
    for name in batch.ids:
        suggested = sitting.item(name).get("suggested")
        assert (suggested in CLASSES) == (items[name]["arm"] == "chosen")


def test_review_shows_own_answers_and_corrects_them(campaign):
    ids = campaign.open_round().ids
    campaign.label({ids[0]: "zero", ids[1]: "two"}, "anna")
    campaign.label({ids[2]: "zero"}, "ben")
    sitting = Sitting(campaign, "anna", "review")
    assert sitting.view()["ids"] == [ids[1], ids[0]]
    assert sitting.item(ids[1])["answer"] == "two"
    sitting.answer({"id": ids[1], "status": "ok", "label": "two"})
    assert len(campaign.events()) == 3  # nothing new was said
    sitting.answer({"id": ids[1], "status": "ok", "label": "zero"})
    assert campaign.labels("anna")[ids[1]] == "zero"
    sitting.undo()
    assert campaign.labels("anna")[ids[1]] == "two"
    assert sitting.item(ids[1])["answer"] == "two"
    with pytest.raises(NothingToDoError, match="cora has no answers"):
        Sitting(campaign, "cora", "review")


def test_disputed_items_are_shown_to_who_asks_for_them(campaign):
    ids = campaign.open_round().ids
    with pytest.raises(NothingToDoError, match="disputed"):
        Sitting(campaign, "cora", "disputed")
    campaign.label({ids[0]: "zero", ids[1]: "two"}, "anna")
    campaign.label({ids[0]: "two"}, "ben")
    sitting = Sitting(campaign, "cora", "disputed")
    assert sitting.view()["ids"] == [ids[0]]
    sitting.answer({"id": ids[0], "status": "ok", "label": "two"})
    assert campaign.labels()[ids[0]] == "two"


def test_two_annotators_at_once_lose_nothing(campaign):
    ids = campaign.open_round().ids
    sittings = {name: Sitting(campaign, name) for name in ("anna", "ben")}

    def say(who, label):
        for name in ids:
            sittings[who].answer({"id": name, "status": "ok", "label": label})

    threads = [
        threading.Thread(target=say, args=("anna", "zero")),
        threading.Thread(target=say, args=("ben", "two")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(campaign.events()) == 2 * len(ids)
    assert sorted(campaign.state().labels.disputed) == sorted(ids)


def test_a_class_that_was_added_meanwhile_is_taken(campaign, client):
    campaign.add_classes(["owl"])
    assert json.loads(client.ask("GET", "/view")[2])["classes"] == [*CLASSES, "owl"]
    said = {"id": first(campaign), "status": "ok", "label": "owl"}
    assert client.post("/answer", said) == 200


def test_a_finished_round_says_what_to_do(campaign):
    campaign.label(dict.fromkeys(campaign.open_round().ids, "zero"), "anna")
    with pytest.raises(NothingToDoError, match=r"round 1 is finished.*skal_deep next"):
        Sitting(campaign, "anna")


def test_a_port_that_is_taken_is_named(campaign, client):
    with pytest.raises(OSError, match=f"Port {client.port} of 127.0.0.1 is not free"):
        LabelServer(Sitting(campaign, "anna"), int(client.port))


@pytest.mark.slow
def test_kills_lose_no_label_that_was_called_saved(campaign):
    said: dict[str, str] = {}
    ids = campaign.open_round().ids
    for kill in range(20):
        with label_process(campaign.path) as (process, url):
            client = Client(url)
            killer = threading.Timer(0.002 + 0.003 * kill, process.kill)
            killer.start()
            for number in range(1000):
                name, label = ids[number % 5], CLASSES[(number + kill) % 3]
                try:
                    answer = {"id": name, "status": "ok", "label": label}
                    assert client.post("/answer", answer) == 200
                except (OSError, http.client.HTTPException):
                    break  # on the disk or not: nobody said so
                said[name] = label
            killer.join()
        labels = Campaign(campaign.path).labels("anna")
        if labels.get(name) == label:
            said[name] = label
        assert labels == said
    assert said
    events = campaign.events()
    assert len({event.event for event in events}) == len(events)
