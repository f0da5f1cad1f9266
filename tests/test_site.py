"""The site: every method has its page, links lead on, and the whole of it builds."""

import inspect
import json
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from test_pages import (
    DOCS,
    ROOT,
    api_page,
    evidence,
    methods_page,
    script,
)

from skal_deep import classifier, pool

gallery_pictures = script("gallery_pictures")
strategy_pages = script("strategy_pages")
CLASSES = [cls for classes in strategy_pages.pages().values() for cls in classes]


def test_every_method_has_a_page_with_a_formula_and_its_limits():
    names = {cls.__name__ for cls in CLASSES}
    assert names == methods_page.public_methods()
    extras = tomllib.loads((DOCS / "gallery.toml").read_text())
    assert extras.keys() == names
    for name, extra in extras.items():
        assert extra.keys() - {"measured_as"} == {"formula", "not_for"}, name
        assert extra["not_for"].endswith("."), name


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_page_has_all_its_parts(cls):
    page = strategy_pages.page_of(cls)
    headings = re.findall(r"^(.+)\n-+$", page, re.M)
    expected = ["Idea", "Formula", "When to use it", "Needs, cost, status", "Evidence"]
    assert [each for each in headings if each in expected] == expected
    assert headings[-1] == "Reference"
    parts = dict(re.findall(r"^(.+)\n-+\n\n?(.+)", page, re.M))
    assert len(parts["Idea"]) > 20
    assert re.match(r"[Uu]se (it|its|one)\b|.*\b[Uu]se it\b", parts["When to use it"])
    assert not re.search(r"\[\d\]_", page), "marks of references lead nowhere here"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_no_sentence_of_a_docstring_is_lost(cls):
    text = re.split(r"\n\n(?:Parameters|See Also)\n-", inspect.getdoc(cls))[0]
    words = re.sub(r",?\s\[\d\]_", "", text).split()
    assert sorted(" ".join({*strategy_pages.prose_of(cls)}).split()) == sorted(words)


def test_evidence_is_what_the_benchmarks_say():
    page = strategy_pages.evidence_of(pool.TypiClust)
    assert "0.144 (+0.121 to +0.167)" in page.replace("\\", "")
    assert "random" in page
    assert "No benchmark" in strategy_pages.evidence_of(pool.PerCost)
    page = strategy_pages.evidence_of(pool.BALD)
    assert "BALD, top-k" in page
    assert "MarginSampling\n" not in page


def test_a_row_has_the_baseline_of_its_own_classifier():
    page = strategy_pages.evidence_of(pool.DEAL).partition("Every strategy")[2]
    assert "EvidentialClassifier" in page
    assert "BayesianLinearClassifier" not in page
    page = strategy_pages.evidence_of(classifier.EvidentialClassifier)
    assert "Every strategy" not in page


@pytest.mark.parametrize("name", ["Power", "Softmax", "SoftRank", "ClusterRounds"])
def test_a_rule_is_measured_by_the_score_that_it_is_given(name):
    page = strategy_pages.evidence_of(getattr(pool, name))
    assert page.count(f"BALD(selection={name}())") == 1


@pytest.mark.parametrize("cls", strategy_pages.pages()["strategy"])
def test_every_strategy_is_measured(cls):
    page = strategy_pages.evidence_of(cls)
    assert "**Every strategy on " in page
    assert "No benchmark" not in page


def test_every_measured_name_is_one_of_the_results():
    found = {
        cell for _, _, rows in evidence.results() for row in rows for cell in row[:2]
    }
    named = {
        extra["measured_as"]
        for extra in strategy_pages.extras().values()
        if "measured_as" in extra
    }
    assert named <= found


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "MarginSampling",
        "TypiClust",
        "Power",
        "DeepClassifier",
        "BayesianLinearRegressor",
    ],
)
def test_pictures_are_drawn(name, tmp_path):
    gallery_pictures.draw(methods_page.class_of(name), tmp_path)
    assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    with Image.open(tmp_path / f"{name}-rounds.png") as film:
        rounds = np.split(np.asarray(film.convert("RGB")), gallery_pictures.ROUNDS, 1)
    for before, after in pairwise(rounds):
        assert (before != after).any()


def test_a_film_keeps_colours_that_are_rare(tmp_path):
    rounds = [
        np.stack([np.linspace(0, 255, 4_000).reshape(40, 100).astype(np.uint8)] * 3, 2)
        for _ in range(2)
    ]
    rounds[1][5:8, 5:8] = 213, 94, 0
    gallery_pictures.save_film(rounds, tmp_path, "Some")
    with Image.open(tmp_path / "Some-rounds.png") as film:
        shown = np.asarray(film.convert("RGB")).astype(int)
    assert shown.shape == (40, 200, 3)
    assert np.abs(shown - np.hstack(rounds)).max() < 8


@pytest.fixture
def browser():
    """Return Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.mark.slow
def test_a_film_plays_and_a_reader_moves_it(browser, tmp_path):
    core = pytest.importorskip("docutils.core")
    n, cls = gallery_pictures.ROUNDS, pool.BALD
    rounds = [np.full((31, 36, 3), 40 * i, dtype=np.uint8) for i in range(n)]
    gallery_pictures.save_film(rounds, tmp_path, cls.__name__)
    body = core.publish_parts(strategy_pages.film_of(cls), writer="html5")["body"]
    css, js = ((DOCS / "_static" / f).read_text() for f in ("site.css", "rounds.js"))
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<style>{css}</style>{body}<script>{js}</script>")
    for motion in ("no-preference", "reduce"):
        page = browser.new_page(reduced_motion=motion)
        page.goto(page_file.as_uri())
        film, slider = page.locator(".film"), page.locator("[type=range]")

        def shown(film=film):
            """Return which of the rounds is seen."""
            picture, window = (
                film.locator("img").bounding_box(),
                film.bounding_box(),
            )
            assert picture["width"] == pytest.approx(n * window["width"])
            return round((window["x"] - picture["x"]) / window["width"])

        is_still = motion == "reduce"
        assert page.locator(".play").is_visible() != is_still
        page.wait_for_timeout(1_700)
        assert (shown() == 0) == is_still
        for asked in (1, n, 3):
            slider.fill(str(asked))
            assert shown() == asked - 1
        page.wait_for_timeout(1_700)
        assert shown() == 2  # it stays
        if not is_still:
            page.get_by_label("Play").check()
            page.wait_for_timeout(1_700)
            assert shown() != 2
            assert int(slider.input_value()) in (shown(), shown() + 1)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_page_has_a_film_that_says_what_it_shows(cls):
    page = strategy_pages.page_of(cls)
    if not strategy_pages.has_picture(cls):
        assert "-rounds.png" not in page
        return
    [caption] = re.findall(r"<figcaption><p>(.+)</p>", page)
    assert f".. image:: {cls.__name__}-rounds.png\n   :alt: {caption}\n" in page
    assert not re.search(r"[{}`]", caption)


def test_the_shared_points_have_two_labels_a_class():
    _, truth, y = gallery_pictures.shared_data()
    assert np.bincount(y[y != -1]).tolist() == [2, 2, 2]
    assert (y[y != -1] == truth[y != -1]).all()


def formulas():
    """Yield the formulas of the gallery and of the notebooks."""
    for name, extra in strategy_pages.extras().items():
        yield name, extra["formula"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        text = "\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
        for formula in re.findall(r"\$\$(.+?)\$\$", text, re.S):
            yield path.stem, formula


def test_formulas_can_be_shown_without_a_script():
    latex2mathml = pytest.importorskip("docutils.utils.math.latex2mathml")
    shown = 0
    for name, formula in formulas():
        tex = re.sub(r"\\[bB]igg?(?![A-Za-z])", "", formula)  # as the site does
        assert "<math" in latex2mathml.tex2mathml(tex, as_block=True), name
        shown += 1
    assert shown > 80


def test_links_of_notebooks_lead_somewhere():
    missing = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            text = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                file = path.parent / target.partition("#")[0]
                if not target.startswith("http") and not file.exists():
                    missing.append(f"{path.name}: {target}")
    assert not missing


def cited_papers():
    """Return all papers that docstrings cite, each as it is written."""
    return {
        paper
        for package in api_page.public_packages()
        for name in package.__all__
        for paper in strategy_pages.references_of(getattr(package, name))
    }


def test_a_paper_is_cited_in_one_way():
    title = re.compile(r"(?<=[^\W\d_]{2})\. (.+?)\. ")  # after the last surname
    titles = sorted(
        re.sub(r"\W+", " ", title.search(f"{p} ")[1]) for p in cited_papers()
    )
    assert len(titles) > 100
    twice = [pair for pair in pairwise(titles) if pair[1].startswith(pair[0])]
    assert not twice


def test_numbers_of_preprints_are_of_the_year_that_is_cited():
    numbers = 0
    for paper in cited_papers():
        assert re.search(r", (19|20)\d\d\.$", paper), f"venue and year of {paper}"
        if (found := re.search(r"arXiv:?(.*)", paper)) is not None:
            number = re.fullmatch(
                r"(\d\d)(0[1-9]|1[0-2])\.(\d{4,5}), 20(\d\d)\.", found[1]
            )
            assert number is not None, paper
            year, _, digits, cited = number.groups()
            assert year == cited, paper
            assert len(digits) == (4 if int(year) < 15 else 5), paper
            numbers += 1
    assert numbers > 10


LINK = re.compile(r"https?://[^\s()<>\"'`\\\]}{,]+")
KINDS = ("*.md", "*.py", "*.ipynb", "*.toml", "*.csv", "*.cff")


def links():
    """Yield each external link of pages, notebooks and code, with its file."""
    folders = [DOCS, ROOT / "skal_deep", ROOT / "notebooks", ROOT / "benchmarks"]
    files = [
        *ROOT.glob("*.*"),
        *(f for d in folders for k in KINDS for f in d.rglob(k)),
    ]
    for path in files:
        if "_build" in path.parts or not path.is_file():
            continue
        if path.suffix in {kind[1:] for kind in KINDS}:
            for link in LINK.findall(path.read_text()):
                yield path, link.rstrip(".;:")


# Addresses of this machine, of examples, and names that no browser asks for.
LOCAL = ("127.0.0.1", "localhost", "example.org", "www.w3.org")


def test_external_links_are_well_formed_and_ours_lead_to_files():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    home, ours = urls["Source"], 0
    for path, link in links():
        parts = urlsplit(link)
        if parts.hostname in LOCAL or not parts.hostname:
            continue
        assert parts.scheme == "https", f"{path.name}: {link}"
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), (
            f"{path}: {link}"
        )
        if parts.netloc == "github.com" and "skal" in link:
            assert link == home or link.startswith(f"{home}/"), f"{path.name}: {link}"
            file = link.removeprefix(f"{home}/blob/main/")
            assert file == link or (ROOT / file).exists(), f"{path.name}: {link}"
            ours += 1
    assert ours > 20


class Links(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given["id"]} if given.get("id") else set()
        for name in ("href", "src"):
            if given.get(name):
                self.links.append(given[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, which is built once; a warning is an error."""
    for needed in ("myst_nb", "pydata_sphinx_theme", "sphinx_design"):
        pytest.importorskip(needed, reason='pip install -e ".[docs]"')
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(DOCS / "build_site.py"), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.mark.nightly
def test_the_site_builds_without_a_warning_and_its_links_lead_somewhere(site):
    pages = {
        path: Links(path.read_text())
        for path in site.rglob("*.html")
        if "_static" not in path.parts  # a template of the theme
    }
    assert len(pages) > 300
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                assert parts.scheme in ("https", "http", "data", "mailto"), link
                continue
            target = (
                (path.parent / unquote(parts.path)).resolve() if parts.path else path
            )
            assert target.exists(), f"{path.name} links to {link}"
            if parts.fragment and target in pages:
                anchors = pages[target].anchors
                assert unquote(parts.fragment) in anchors, f"{path.name}: {link}"
    index = (site / "searchindex.js").read_text()
    assert all(word in index for word in ("batchbald", "dropout", "slurm"))


@pytest.fixture
def phone(browser):
    """Return a page as wide as a telephone's, without a network."""
    viewport = {"width": 420, "height": 800}
    return browser.new_context(offline=True, viewport=viewport).new_page()


# What a stranger types, and the page that has the answer.
ASKED = {
    "is my dropout sampled": "questions.html",
    "first 20 labels": "questions.html",
    "custom strategy": "questions.html",
    "how wrong is my model": "questions.html",
    "300 labels": "questions.html",
    "cluster": "scale.html",
    "Badge": "gallery/Badge.html",
    "modAL": "migration.html",
    "cold start": "notebooks/07_low_budget.html",
}


@pytest.mark.nightly
def test_the_search_works_offline_and_puts_answers_first(phone, site):
    for words, answer in ASKED.items():
        phone.goto(f"{site.as_uri()}/search.html?q={words.replace(' ', '+')}")
        phone.wait_for_selector("ul.search li > a")
        phone.wait_for_timeout(300)  # results come one after another
        found = phone.eval_on_selector_all(
            "ul.search li > a", "links => links.slice(0, 3).map(a => a.href)"
        )
        assert any(f"/{answer}" in link for link in found), (words, found)


@pytest.mark.nightly
def test_pages_fit_a_telephone(phone, site):
    for name in ("index", "start", "choose", "migration", "gallery/BALD", "results"):
        phone.goto(f"{site.as_uri()}/{name}.html")
        assert phone.evaluate("document.documentElement.scrollWidth") == 420, name


def test_the_extra_of_the_site_is_pinned():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = settings["project"]["optional-dependencies"]["docs"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    names = {re.split(r"[><=]", each)[0].lower() for each in wanted}
    assert names <= pinned
    assert "docs" in (ROOT / ".ci" / "nightly").read_text()
