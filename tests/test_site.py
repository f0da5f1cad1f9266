"""The site: every method has its page, links lead on, and the whole of it builds."""

import inspect
import json
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from test_pages import DOCS, ROOT, methods_page, script

from skal_deep import pool

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
    assert "No benchmark" in strategy_pages.evidence_of(pool.DAMI)
    assert "BALD, top-k" in strategy_pages.evidence_of(pool.BALD)


def test_every_measured_name_is_one_of_the_results():
    found = {
        cell
        for _, _, rows in strategy_pages.results()
        for row in rows
        for cell in row[:2]
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
    path = tmp_path / "picture.png"
    strategy_pages.draw(methods_page.class_of(name), path)
    assert path.stat().st_size > 5_000


def test_the_shared_points_have_two_labels_a_class():
    _, truth, y = strategy_pages.shared_data()
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


@pytest.mark.nightly
def test_the_site_builds_without_a_warning_and_its_links_lead_somewhere(tmp_path):
    for needed in ("myst_nb", "pydata_sphinx_theme", "sphinx_design"):
        pytest.importorskip(needed, reason='pip install -e ".[docs]"')
    command = [sys.executable, str(DOCS / "build_site.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    pages = {
        path: Links(path.read_text())
        for path in tmp_path.rglob("*.html")
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
    index = (tmp_path / "searchindex.js").read_text()
    assert all(word in index for word in ("batchbald", "dropout", "slurm"))


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
