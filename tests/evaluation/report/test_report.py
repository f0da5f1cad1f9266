"""The report: one page, complete, that needs no other file."""

import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from comparisons import made_comparison
from matplotlib.figure import Figure

from skal_deep.evaluation import (
    Answer,
    Tuning,
    paired_difference,
    plot_curves,
    plot_savings,
    plot_seconds,
)
from skal_deep.evaluation.report._comparison_tables import rounds_table

rng = np.random.default_rng(0)
X, y = rng.normal(size=(300, 64)), rng.integers(4, size=300)
VOID = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """Collects tags, references and text, and checks that tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.references, self.open, self.words = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page_of(result, tmp_path, *args, **kwargs):
    path = tmp_path / "report.html"
    result.to_html(path, *args, **kwargs)
    page = Page(path.read_text("utf-8"))
    assert not page.open
    return page


@pytest.fixture(scope="module")
def comparison():
    return made_comparison({"good <b>": 0.1, "same": 0.0, "bad": -0.1})


@pytest.mark.slow
def test_sections(comparison, tmp_path):
    page = page_of(comparison, tmp_path)
    assert page.tags.count("svg") == 4
    for words in (
        "better than random sampling",
        "a true gain below about",
        "worse than random sampling",
        "It needs",
        "good <b>",
        "Learning curves",
        "All tests",
        "p Wilcoxon",
        "Labels saved, seconds spent",
        "needs itself",
        "Who beats whom",
        "too few to rely on",
        "scikit-learn",
    ):
        assert words in page.text
    assert "What was labelled" not in page.text


@pytest.mark.slow
@pytest.mark.parametrize("image_shape", [None, (8, 8)])
def test_picks_are_shown_where_data_are_given(comparison, tmp_path, image_shape):
    page = page_of(comparison, tmp_path, X, y, image_shape)
    assert page.tags.count("svg") == 4 + 2 * len(comparison.strategies)
    assert "near-duplicates" in page.text
    is_gallery = "Images picked" in page.text
    assert is_gallery == (image_shape is not None)
    assert is_gallery != ("principal components" in page.text)


@pytest.mark.slow
def test_other_metrics_are_shown(comparison, tmp_path):
    for row in comparison.curves:
        row["error"] = 1 - row["accuracy"]
    two = replace(comparison, metrics=("accuracy", "error"))
    page = page_of(two, tmp_path)
    assert page.tags.count("svg") == 5
    assert "error" in page.text


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(comparison, tmp_path):
    page = page_of(comparison, tmp_path, X, y)
    assert not set(page.tags) & {"script", "link", "iframe", "img"}
    assert page.references
    assert all(ref.startswith(("#", "data:")) for ref in page.references)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "url(http" not in text
    assert "@import" not in text
    for start in [i for i in range(len(text)) if text.startswith("<svg", i)]:
        svg = text[start : text.index("</svg>", start) + 6]
        assert ElementTree.fromstring(svg).tag.endswith("svg")


@pytest.mark.slow
def test_memory_is_that_of_the_hungriest_round(comparison, tmp_path):
    rows = {row["strategy"]: row for row in comparison.summary().rows}
    assert rows["random"]["peak MiB"] == 1000 + 3 + 5  # last stage, last repeat
    assert rows["bad"]["peak MiB"] == 1308
    assert repr(comparison.summary()).splitlines()[2].endswith("1,008")
    page = page_of(comparison, tmp_path)
    assert "peak MiB" in page.text
    assert "1,308" in page.text
    untold = [{**row, "peak_megabytes": float("nan")} for row in comparison.curves]
    assert "nan" not in page_of(replace(comparison, curves=untold), tmp_path).text


@pytest.mark.slow
def test_what_is_said_first(comparison, tmp_path):
    text = page_of(comparison, tmp_path).text
    said = "good <b>: better than random sampling. bad: worse than random sampling"
    assert text.index(said) < text.index("Next step") < text.index("Learning curves")
    assert "Let good <b> choose what to label" in text
    none = made_comparison({"same": 0.0}, n_repeats=12)
    text = page_of(none, tmp_path).text
    assert "No difference to random sampling was detected." in text
    assert "Label rows at random" in text
    alone = page_of(made_comparison({}), tmp_path).text
    assert "Random sampling alone" in alone


@pytest.mark.slow
def test_every_picture_and_table_is_named(comparison, tmp_path):
    page_of(comparison, tmp_path, X, y)
    text = (tmp_path / "report.html").read_text("utf-8")
    svgs = re.findall(r"<svg[^>]*>", text)
    alts = re.findall(r'<svg role="img" aria-label="([^"]+)"', text)
    assert len(svgs) == len(alts) == len(set(alts))
    assert text.count("<tr>") == text.count('scope="row"') + text.count("<thead>")


@pytest.mark.slow
def test_the_numbers_are_in_the_page(comparison, tmp_path):
    page_of(comparison, tmp_path, X, y)
    text = (tmp_path / "report.html").read_text("utf-8")
    files = {
        name: b64decode(held).decode()
        for name, held in re.findall(r'download="([^"]+)" href="[^,]+,([^"]+)"', text)
    }
    assert set(files) == {"summary.csv", "curves.csv", "settings.json"}
    comparison.to_csv(tmp_path / "curves.csv")
    assert files["curves.csv"] == (tmp_path / "curves.csv").read_bytes().decode()
    assert json.loads(files["settings.json"])["n_repeats"] == 6


@pytest.mark.slow
def test_rounds_and_classes_are_counted(comparison, tmp_path):
    rows = rounds_table(comparison).rows
    assert [row["labels"] for row in rows] == ["10", "20", "30", "40"]
    assert rows[-1]["bad"] == comparison.curve("bad")[:, -1].mean()
    text = page_of(comparison, tmp_path, X, y).text
    assert "Labels of each class at the end" in text
    assert "Round by round" in text


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (8, 8, 1), (4, 4, 3)])
def test_images_are_shown_unasked(comparison, tmp_path, shape):
    images = np.resize(X, (len(X), *shape))
    assert "Images picked" in page_of(comparison, tmp_path, images, y).text


@pytest.mark.slow
def test_texts_have_classes_and_no_map(comparison, tmp_path):
    texts = np.array([f"text {i}" for i in range(len(X))])
    text = page_of(comparison, tmp_path, texts, y).text
    assert "Labels of each class" in text
    assert "near-duplicates" not in text


@pytest.mark.slow
def test_equal_comparisons_give_equal_pages(comparison, tmp_path):
    for name in ("a", "b"):
        comparison.to_html(tmp_path / name, X, y)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.slow
def test_answer_is_told_first(comparison, tmp_path):
    given = np.linspace(0.6, 0.7, 6)
    gain = np.array([0.2, 0.21, 0.2, 0.19, 0.2, 0.2])
    tuning = Tuning(
        paired_difference(given + gain, given), [{}, {"lr": 0.1}], [given, given + gain]
    )
    page = page_of(Answer(comparison, tuning, X, y), tmp_path, image_shape=(8, 8))
    assert "Yes, active learning helps here, but 6 repeats are too few" in page.text
    assert page.text.index("Yes,") < page.text.index("better than random")
    assert "tuning (lr=0.1)" in page.text
    assert "Tune the model first" in page.text
    assert "Images picked" in page.text


@pytest.mark.slow
@pytest.mark.parametrize("gains", [{}, {"one": 0.1}], ids=["alone", "one strategy"])
@pytest.mark.parametrize("params", [{"n_repeats": 1}, {"n_stages": 1}], ids=str)
def test_small_comparisons_have_a_page_too(gains, params, tmp_path):
    page = page_of(made_comparison(gains, **params), tmp_path, X, y)
    assert "Learning curves" in page.text
    assert ("One repeat: same split" in page.text) == (params == {"n_repeats": 1})
    source = (tmp_path / "report.html").read_text("utf-8")
    assert ("Paired differences in" in source) == bool(gains)


class TestPlots:
    @pytest.mark.slow
    def test_savings(self, comparison):
        ax = Figure().subplots()
        assert plot_savings(comparison, ax) is ax
        lines = {line.get_label(): line for line in ax.lines}
        np.testing.assert_array_equal(*lines["random"].get_data())
        labels, needed = lines["good <b>"].get_data()
        assert (needed[1:] > labels[1:])[:-1].all()
        assert needed[-1] == 40  # censored, at the border
        labels, needed = lines["bad"].get_data()
        assert (needed <= labels).all()

    def test_seconds(self, comparison):
        ax = Figure().subplots()
        assert plot_seconds(comparison, ax) is ax
        assert [t.get_text() for t in ax.get_yticklabels()][-1] == "random"
        fits, queries = ax.containers
        assert [bar.get_width() for bar in fits] == pytest.approx([0.4] * 4)
        assert queries[-1].get_width() == 0

    def test_reference_lines(self, comparison):
        row = {"strategy": "all", "repeat": 0, "n_labels": 300, "accuracy": 0.9}
        lines = [
            row,
            *({**row, "strategy": "probe", "n_labels": n} for n in (10, 20, 30)),
        ]
        ax = plot_curves(replace(comparison, references=lines), Figure().subplots())
        drawn = {line.get_label(): line for line in ax.lines}
        assert list(drawn["all (300 labels)"].get_ydata()) == [0.9, 0.9]
        assert list(drawn["probe"].get_xdata()) == [10, 20, 30]
