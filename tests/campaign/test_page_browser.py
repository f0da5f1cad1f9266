"""The labelling page in a real browser: keys, undo, reload, hostile texts, no server.

Needs ``pip install 'skal-deep[browser]'`` and Chromium (``apt-get install chromium``).
"""

import base64
import re
import shutil
import threading
import time
from contextlib import contextmanager

import pytest
from label_process import label_process
from sklearn.datasets import load_digits

from skal_deep.campaign import Campaign
from skal_deep.campaign._label_page import part
from skal_deep.campaign._label_server import LabelServer
from skal_deep.campaign._report import report_page
from skal_deep.campaign._sitting import Sitting
from skal_deep.campaign._widget import reply

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]

CLASSES = ["<b>zero</b>", "one & two", "two"]
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
IDLE = "[data-idle=true]"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        # A container's root may not use the browser's own sandbox.
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """The page of a sitting, and what it must never say."""

    def __init__(self, url, page, server=None):
        self.server, self.page, self.complaints = server, page, []
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        self.wait()

    def wait(self):
        self.page.wait_for_selector(IDLE)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
            self.wait()

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def count(self):
        return self.text(".count")

    def name(self):
        return self.text(".name")


@contextmanager
def opened(browser, campaign, what="round", suggest=False, **context):
    sitting = Sitting(campaign, "anna", what)
    if suggest:
        sitting.suggest()
    server = LabelServer(sitting)
    thread = threading.Thread(target=server.run)
    thread.start()
    opened_context = browser.new_context(**context)
    page = Page(server.url, opened_context.new_page(), server)
    try:
        yield page
    finally:
        opened_context.close()
        server.shutdown()
        thread.join()
    assert page.complaints == []


def image_campaign(folder, classes=CLASSES, n=40, batch_size=15):
    image = pytest.importorskip("PIL.Image")
    (folder / "photos").mkdir()
    X = load_digits().images
    for row in range(n):
        pixels = (X[row] * 15).astype("uint8")
        image.fromarray(pixels).save(folder / "photos" / f"i'm #{row:02d}.png")
    campaign = Campaign.create(
        folder / "c", images=folder / "photos", classes=classes, budget=30
    )
    campaign.embed("pixels")
    campaign.next(batch_size=batch_size)
    return campaign


def text_campaign(folder, table, classes=CLASSES):
    rows = [[f"t{row} {HOSTILE}", f"{row} {HOSTILE} </script>"] for row in range(60)]
    path = table(folder / "texts.csv", ["id", "text"], rows)
    campaign = Campaign.create(
        folder / "c", texts=path, column="text", id="id", classes=classes, budget=30
    )
    campaign.embed("tfidf")
    campaign.next(batch_size=5)
    return campaign


def test_fifteen_answers_by_keys_and_clicks(browser, tmp_path):
    campaign = image_campaign(tmp_path)
    ids = campaign.open_round().ids
    with opened(browser, campaign) as page:
        assert "#" not in page.page.url  # the token is out of the address bar
        keys = ["1", "2", "s", "3", "u", "2", "2"]
        for place, key in enumerate(keys):
            assert page.name() == ids[place]
            page.press(key)
            # It is on the disk before the next item shows.
            assert len(campaign.events()) == place + 1
        assert page.text(".word") == "Saved: one & two."
        assert page.count() == "7 of 15"
        page.press("z", "Backspace")
        assert page.name() == ids[5]
        assert page.count() == "5 of 15"
        page.page.reload()  # it goes on where it was
        page.wait()
        assert (page.name(), page.count()) == (ids[5], "5 of 15")
        for _ in range(9):
            page.page.click("button.class >> nth=0")
            page.wait()
        page.press("1")
        assert "Round 1 is done" in page.text(".item")
        page.press("z")  # also the last one
        assert page.name() == ids[14]
        page.press("3", "Enter")
        assert "You can close this page" in page.text(".item")
    said = campaign.answers("anna")
    assert [said[name].status for name in ids[:5]] == [
        "ok",
        "ok",
        "skip",
        "ok",
        "unsure",
    ]
    assert [said[name].label for name in ids[:2]] == CLASSES[:2]
    assert [said[name].label for name in ids[5:]] == [CLASSES[0]] * 9 + [CLASSES[2]]
    assert all(event.digest and event.seconds is not None for event in said.values())


def test_texts_ids_and_classes_are_shown_and_never_run(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table, [HOSTILE, *CLASSES])
    with opened(browser, campaign) as page:
        for _ in range(3):
            assert HOSTILE in page.text(".text")
            assert page.name().endswith(HOSTILE)
            assert page.text("button.class >> nth=0").endswith(HOSTILE)
            page.press("1")
            assert page.text(".word") == f"Saved: {HOSTILE}."
        for selector in ("img", ".item script", "b"):
            assert page.page.locator(selector).count() == 0
        assert page.page.evaluate("window.hacked") is None
    assert set(campaign.labels().values()) == {HOSTILE}


def test_a_command_that_is_killed_has_lost_nothing(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table)
    with label_process(campaign.path) as (process, url):
        context = browser.new_context()
        page = Page(url, context.new_page())
        page.press("1")
        name = page.name()
        process.kill()
        process.join()
        page.press("2")
        alarm = "Not saved: The labelling command does not answer."
        assert page.text(".alarm").startswith(alarm)
        assert (page.name(), page.count()) == (name, "1 of 5")
        # Only the browser itself complains, that nobody answers.
        assert all("ERR_" in text for text in page.complaints)
        context.close()
    assert len(campaign.events()) == 1


def test_a_command_that_ends_saves_no_more(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table)
    with opened(browser, campaign) as page:
        page.server.shutdown()
        page.server.sitting.close()  # as the command does at its end
        page.press("2")
        assert page.text(".alarm").startswith("Not saved: ")
        page.complaints.clear()  # the browser's own word on a refusal
    assert campaign.events() == []


def test_what_cannot_be_written_stays_on_the_page(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table)
    labels = campaign.path / "labels"
    labels.write_text("a file in the folder's place")
    with opened(browser, campaign) as page:
        name = page.name()
        page.press("1")
        assert page.text(".alarm").startswith("Not saved: It could not be written")
        assert (page.name(), page.count()) == (name, "0 of 5")
        labels.unlink()
        page.press("1")
        assert not page.page.locator(".alarm").is_visible()
        assert page.count() == "1 of 5"
        page.complaints.clear()  # the browser's own word on status 507
    assert list(campaign.labels()) == [name]


def test_a_key_before_the_item_is_painted_does_nothing(browser, tmp_path):
    campaign = image_campaign(tmp_path, batch_size=6)
    with opened(browser, campaign) as page:
        held = threading.Event()
        image = page.server.sitting.image

        def slow(name):
            held.wait(5)
            return image(name)

        page.server.sitting.image = slow
        page.page.reload()
        page.page.wait_for_selector(".skal-label .count:not(:empty)")
        page.page.wait_for_selector("button.class")
        page.page.keyboard.press("1")
        page.page.wait_for_selector(".word.warning")
        assert "is not shown yet" in page.text(".word")
        assert campaign.events() == []
        held.set()
        page.wait()
        page.press("1")
        assert len(campaign.events()) == 1


def test_the_next_three_images_are_fetched_ahead(browser, tmp_path, monkeypatch):
    campaign = image_campaign(tmp_path, batch_size=8)
    ids = campaign.open_round().ids
    asked, image = [], Sitting.image

    def ask(sitting, name):
        asked.append(name)
        return image(sitting, name)

    monkeypatch.setattr(Sitting, "image", ask)
    with opened(browser, campaign) as page:
        for n, key in ((4, None), (5, "1"), (6, "2")):
            if key is not None:
                page.press(key)
            deadline = time.monotonic() + 10
            while len(asked) < n and time.monotonic() < deadline:
                page.page.wait_for_timeout(20)
            page.page.wait_for_timeout(200)
            assert asked == ids[:n]


def test_a_key_that_is_held_answers_once(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table)
    with opened(browser, campaign) as page:
        page.page.keyboard.down("1")
        for _ in range(3):
            page.wait()
            page.page.keyboard.down("1")  # what a keyboard sends while it is held
        page.page.keyboard.up("1")
        page.wait()
    assert len(campaign.events()) == 1


def test_a_broken_image_can_be_skipped_and_not_labelled(browser, tmp_path):
    campaign = image_campaign(tmp_path, batch_size=6)
    one, two, three = campaign.open_round().ids[:3]
    (tmp_path / "photos" / one).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "photos" / two).unlink()
    (tmp_path / "photos" / three).write_bytes(b"<svg onload='window.hacked=1'/>")
    with opened(browser, campaign) as page:
        for _ in range(3):
            assert re.search("cannot be (shown|read)", page.text(".item"))
            page.press("1")
            assert "Press s to skip" in page.text(".word")
            page.press("s")
        assert page.page.locator(".item img").count() == 1
        page.complaints.clear()  # the browser's own words on status 404 and 415
    assert [event.status for event in campaign.events()] == ["skip"] * 3


def test_many_classes_are_found_by_letters(browser, tmp_path):
    birds = ["sparrow", "owl", "crow", "tit", "jay", "rook", "robin", "swan"]
    birds += ["duck", "goose"]
    campaign = image_campaign(tmp_path, birds, batch_size=8)
    ids = campaign.open_round().ids
    with opened(browser, campaign) as page:
        page.press("Enter")  # nothing was chosen
        assert campaign.events() == []
        page.page.keyboard.type("sparr")
        page.press("Enter")
        page.page.keyboard.type("ro")
        page.press("ArrowDown", "Enter")  # rook, robin; sparrow and crow behind them
        page.page.keyboard.type("ro")
        page.press("4")
        page.press("Escape", "s")
        assert page.name() == ids[4]
        page.press("Escape", "z")
        page.press("Backspace")  # the field is empty: undo
        page.page.keyboard.type("xyz")
        page.press("Enter")
        assert page.text(".word") == "No class has these letters."
    assert list(campaign.labels().values()) == ["sparrow", "robin"]


def test_numbers_have_a_field(browser, tmp_path, table):
    rows = [[f"r{row}", str(row), "red"] for row in range(60)]
    path = table(tmp_path / "t.csv", ["id", "size", "ink"], rows)
    campaign = Campaign.create(
        tmp_path / "c", table=path, id="id", numbers=True, budget=9
    )
    ids = campaign.next(batch_size=5).ids
    with opened(browser, campaign) as page:
        assert page.text(".entries").split()[2:] == ["ink", "red"]
        page.page.keyboard.type("-1.5e1")
        page.press("Enter")
        page.page.keyboard.type("1,5")
        page.press("Enter")
        assert page.text(".word").startswith("A number is needed")
        for _ in range(3):
            page.press("Backspace")
        page.press("s", "2", "Enter", "z", "3", "Enter")
    assert campaign.labels() == {ids[0]: -15.0, ids[2]: 3.0}
    assert campaign.answers("anna")[ids[1]].status == "skip"


def test_review_keeps_and_corrects(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table)
    ids = campaign.open_round().ids
    campaign.label(dict.fromkeys(ids[:3], CLASSES[0]), "anna")
    with opened(browser, campaign, "review") as page:
        assert page.name() == ids[2]
        assert page.text(".note") == f"Your answer: {CLASSES[0]}"
        page.press("ArrowRight", "2", "ArrowRight")
        assert "That was all" in page.text(".item")
    assert [campaign.labels()[name] for name in ids[:3]] == [
        CLASSES[0],
        CLASSES[1],
        CLASSES[0],
    ]


def test_the_page_of_an_earlier_start_says_so(browser, tmp_path, table):
    campaign = text_campaign(tmp_path, table)
    with opened(browser, campaign) as page:
        page.page.goto(page.server.url.replace("#", "#x"))
        page.page.reload()
        page.wait()
        assert "open the address that the command printed" in page.text(".alarm")
        page.complaints.clear()  # the browser's own word on status 401


@pytest.mark.parametrize("width", [320, 420, 1280])
def test_it_fits_phones_and_large_letters(browser, tmp_path, table, width):
    long = "a rather long name of a class, as they are in some data sets"
    campaign = text_campaign(tmp_path, table, [long, "x" * 60, *CLASSES])
    size = {"width": width, "height": 700}
    with opened(browser, campaign, viewport=size, color_scheme="dark") as page:
        html = page.page.locator("html")
        assert html.evaluate("e => e.scrollWidth <= e.clientWidth")
        box = page.page.locator("button.class >> nth=0").bounding_box()
        assert box["height"] >= 44  # a finger
        ground = page.page.locator("main").evaluate(
            "e => getComputedStyle(e).backgroundColor"
        )
        assert ground == "rgb(22, 24, 29)"


BIRDS = ["robin", "European greenfinch", "sparrow", "owl", "crow", "tit", "jay", "rook"]
SCREENS = [(844, 390), (667, 375), (667, 320), (390, 844), (360, 640), (1280, 700)]


@pytest.mark.parametrize("kind", ["image", "text", "table", "many classes"])
def test_all_answers_are_in_sight_beside_the_item(browser, tmp_path, table, kind):
    """On phones, also on their side and with the browser's own bars, nobody scrolls."""
    options = {"classes": [*BIRDS, "swan"], "budget": 9}
    if kind in ("image", "many classes"):
        image = pytest.importorskip("PIL.Image")
        (tmp_path / "p").mkdir()
        for n in range(8):
            image.new("RGB", (900, 1200), (n, 0, 0)).save(tmp_path / "p" / f"{n}.png")
        options["images"] = tmp_path / "p"
        if kind == "many classes":
            options["classes"] = [f"class number {n}" for n in range(30)]
    else:
        rows = [[f"t{n}", f"{n} of many words, " * 90, *"abcdefgh"] for n in range(9)]
        names = ["id", "text", *(f"column {letter}" for letter in "abcdefgh")]
        path = table(tmp_path / "t.csv", names, rows)
        options |= {"id": "id"} | (
            {"texts": path, "column": "text"} if kind == "text" else {"table": path}
        )
    campaign = Campaign.create(tmp_path / "c", **options)
    if kind != "table":
        campaign.embed("tfidf" if kind == "text" else "pixels")
    campaign.next(batch_size=4)
    with opened(browser, campaign, has_touch=True) as page:
        for width, height in SCREENS:
            page.page.set_viewport_size({"width": width, "height": height})
            check_in_sight(page.page, kind, width, height)


# [top, bottom, left, right, whether the text overflows] of all that is shown.
BOXES = """(all) => all.filter((one) => one.offsetParent).map((one) => {
  const { top, bottom, left, right } = one.getBoundingClientRect();
  return [top, bottom, left, right, one.scrollHeight > one.clientHeight + 1];
})"""


def check_in_sight(page, kind, width, height):
    html = page.locator("html")
    assert html.evaluate("e => [e.scrollWidth, e.scrollHeight]") == [width, height]
    boxes = {
        name: page.eval_on_selector_all(name, BOXES)
        for name in ("button.class", "button.other", ".field", ".item", ".picture")
    }
    named = boxes["button.class"]
    assert named
    for top, bottom, _, _, is_cut in named:
        assert bottom - top >= 44  # a finger
        assert not is_cut
    if kind == "many classes":  # these scroll by themselves, below the field
        named = boxes[".field"]
    for top, bottom, left, right, _ in [*named, *boxes["button.other"]]:
        assert 0 <= top <= bottom <= height
        assert 0 <= left <= right <= width
    [(item_top, item_bottom, *_)] = boxes[".item"]
    assert item_bottom - item_top >= 140
    if kind == "image":
        [(top, bottom, *_)] = boxes[".picture"]
        assert bottom - top >= 96
        assert item_top <= top <= bottom <= item_bottom


def test_a_picture_leaves_room_for_the_keys_and_is_seen_in_the_dark(browser, tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "p").mkdir()
    for n in range(8):  # black lines on nothing
        lines = image.new("RGBA", (60, 2000), (0, 0, 0, 0))
        lines.paste("black", (n, 0, n + 5, 2000))
        lines.save(tmp_path / "p" / f"{n}.png")
    campaign = Campaign.create(
        tmp_path / "c",
        images=tmp_path / "p",
        classes=["robin", "wren", "European greenfinch (Chloris chloris)", "other"],
        budget=8,
    )
    campaign.embed("pixels")
    campaign.next(batch_size=4)
    size = {"width": 900, "height": 700}
    with opened(browser, campaign, viewport=size, color_scheme="dark") as page:
        html = page.page.locator("html")
        assert html.evaluate("e => e.scrollHeight <= e.clientHeight")
        ground = page.page.locator(".picture").evaluate(
            "e => getComputedStyle(e).backgroundColor"
        )
        assert ground == "rgb(255, 255, 255)"


def test_it_works_without_a_mouse_and_is_told_to_who_cannot_see(
    browser, tmp_path, table
):
    campaign = text_campaign(tmp_path, table)
    with opened(browser, campaign) as page:
        page.press("Tab", "Tab")
        focused = page.page.locator(":focus")
        assert "one & two" in focused.inner_text()
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        page.press("Enter")
        for selector in ("[role=status]", "[role=alert]", "progress[aria-label]"):
            assert page.page.locator(selector).count() == 1
        assert page.page.locator("[aria-keyshortcuts='2']").count() == 1
        assert page.text("[role=status]") == "Saved: one & two."
        assert page.page.locator("section[aria-label='Item 2 of 5']").count() == 1
    assert list(campaign.labels().values()) == ["one & two"]


FAKE_KERNEL = """
const heard = [];
window.reached = [];
document.addEventListener("keydown", (event) => window.reached.push(event.key));
const el = document.createElement("div");
document.body.append(el);
render({
  el,
  model: {
    on: (name, hear) => heard.push(hear),
    off: () => {},
    send: async (message) => {
      const [answer, files] = await window.kernel(message);
      const buffers = await Promise.all(
        files.map(async (url) => new DataView(await (await fetch(url)).arrayBuffer())),
      );
      for (const hear of heard) hear(answer, buffers);
    },
  },
});
"""


def test_the_widget_labels_by_keys_that_a_notebook_does_not_hear(browser, tmp_path):
    campaign = image_campaign(tmp_path, batch_size=6)
    ids = campaign.open_round().ids
    sitting = Sitting(campaign, "anna", via="widget")

    def kernel(message):
        answer, files = reply(sitting, message)
        urls = [base64.b64encode(file).decode() for file in files]
        return [answer, [f"data:image/png;base64,{url}" for url in urls]]

    context = browser.new_context()
    page = context.new_page()
    page.expose_function("kernel", kernel)
    page.add_style_tag(content=part("label.css"))
    script = f"{part('label.js')}\n{part('widget.js')}\n{FAKE_KERNEL}"
    page.add_script_tag(content=script, type="module")
    page.wait_for_selector(IDLE)
    page.click(".item")
    for key in "1z2":
        page.keyboard.press(key)
        page.wait_for_selector(IDLE)
    page.click("button.class >> nth=2")
    page.wait_for_selector(IDLE)
    assert page.locator("img.picture").count() == 1
    assert page.locator(".count").inner_text() == "2 of 6"
    assert page.evaluate("window.reached") == []
    context.close()
    assert campaign.labels() == {ids[0]: CLASSES[1], ids[1]: CLASSES[2]}
    assert {event.via for event in campaign.events()} == {"widget"}


def test_the_contact_sheet_and_the_report_show_texts_and_run_none(
    browser, tmp_path, table
):
    campaign = text_campaign(tmp_path, table, [HOSTILE, *CLASSES])
    batch = campaign.open_round()
    sheet = batch.to_html()
    campaign.label(dict.fromkeys(batch.ids, HOSTILE), f"anna {HOSTILE[:40]}")
    report = tmp_path / "report.html"
    report.write_text(report_page(campaign), encoding="utf-8")
    context = browser.new_context()
    for path in (sheet, report):
        page = context.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))  # noqa: B023
        page.goto(path.as_uri())
        assert HOSTILE in page.locator("body").inner_text()
        assert page.evaluate("window.hacked") is None
        assert page.locator("script").count() == 0
        assert complaints == []
    context.close()
