"""Names and numbers that pages, figures, spreadsheets and JSON take amiss."""

import csv
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from comparisons import made_comparison
from sklearn.linear_model import LogisticRegression

from skal_deep.evaluation import Comparison, compare_strategies
from skal_deep.evaluation._export import (
    escape_formula,
    json_text,
    replace_unprintable,
    write_csv,
)
from skal_deep.evaluation._metrics import named_scorers
from skal_deep.pool import CoreSet

X, y = np.random.default_rng(0).normal(size=(400, 3)), np.arange(400) % 3
NAMES = (
    r"$\frac$",
    "_hidden",
    "=cmd()|' /C calc'!A0",
    "<script>",
    "a$b$c",
    "100 $",
    "日",
)
CLASSES = (r"$\sqrt$", "zero\0\x1b\ud800", "line\nline" + "x" * 500)


def figures(page):
    return re.findall(r"<svg.*?</svg>", page, re.S)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_of_strategies_are_drawn_as_they_are(tmp_path):
    compared = made_comparison(dict.fromkeys(NAMES, 0.1))
    compared.settings["first_labels"] = dict.fromkeys(NAMES, 2.0)
    compared.to_html(tmp_path / "page.html", X, np.array(CLASSES, dtype=object)[y])
    page = (tmp_path / "page.html").read_text("utf-8")
    texts = [
        "".join(element.itertext())
        for svg in figures(page)
        for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]
    counts = {name: sum(name in text for text in texts) for name in NAMES}
    assert min(counts.values()) == max(counts.values()) >= 4, counts
    assert r"$\sqrt$" in texts  # a class
    assert not re.search("[\0\x1b]", page)
    assert "<script>" not in page
    compared.figure().savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("what", ["strategy", "reference", "metric"])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        *((name, ValueError) for name in ("", " ", "a\0", "a\nb", "\ud800")),
        *((name, ValueError) for name in ("x" * 300, "日" * 90)),
        *((name, TypeError) for name in (3, None, ("a",))),
    ],
    ids=repr,
)
def test_names_that_nothing_can_show_are_refused(what, name, error):
    params = {
        "strategy": {"strategies": {name: CoreSet()}},
        "reference": {"references": {name: None}},
        "metric": {"scoring": {name: "accuracy"}},
    }[what]
    with pytest.raises(error, match=rf"name of a {what}"):
        compare_strategies(
            **({"strategies": [CoreSet()]} | params),
            estimator=LogisticRegression(),
            X=X,
            y=y,
            progress=False,
        )


def test_names_of_metrics_are_drawn_as_they_are():
    [name] = named_scorers({r"$\frac$": "accuracy"})
    made = made_comparison({"b": 0.1})
    rows = [
        {**{k: v for k, v in row.items() if k != "accuracy"}, name: row["accuracy"]}
        for row in made.curves
    ]
    figure = Comparison(rows, (name,), made.settings).figure()
    figure.canvas.draw()
    assert escape_formula(name) == r"\$\frac\$"


def test_words_are_no_formulas(tmp_path):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain"]
    write_csv(
        tmp_path / "t.csv", ["=name", "x"], [{"=name": n, "x": -1} for n in names]
    )
    with (tmp_path / "t.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=name", "x"]
    assert [row[0] for row in rows] == [*(f"'{n}" for n in names[:-1]), "plain"]
    assert {row[1] for row in rows} == {"-1"}  # numbers stay numbers
    compared = made_comparison({"=cmd": 0.1})
    for write in (compared.to_csv, compared.summary().to_csv):
        write(tmp_path / "t.csv")
        content = (tmp_path / "t.csv").read_text()
        assert "\n'=cmd," in content
        assert "\n=cmd" not in content


def refuse(constant):
    raise ValueError(f"{constant} is no JSON.")


def test_json_holds_no_nan(tmp_path):
    compared = made_comparison({"b": 0.1})
    compared.curves[0]["seconds_fit"] = float("nan")
    compared.curves[1]["seconds_fit"] = np.float64("inf")
    compared.settings.update(
        missing_label=np.nan, first_labels={np.int64(1): 2.0}, other={1, 2}
    )
    compared.to_json(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text("utf-8")
    content = json.loads(text, parse_constant=refuse)
    assert [row["seconds_fit"] for row in content["curves"][:3]] == [None, None, 0.1]
    assert content["settings"]["missing_label"] is None
    assert content["settings"]["first_labels"] == {"1": 2.0}
    assert json.loads(json_text({"a": np.arange(2), "b": (np.bool_(True),)})) == {
        "a": [0, 1],
        "b": [True],
    }


def test_what_a_page_cannot_hold_is_marked():
    assert replace_unprintable("a\0b\ud800\n日") == "a\ufffdb\ufffd\n日"


@pytest.mark.slow
def test_rows_without_a_label_are_no_class_of_the_report(tmp_path):
    compared = made_comparison({"b": 0.1})
    compared.settings["missing_label"] = -1
    labels = np.where(np.arange(400) < 300, y, -1)
    words = np.array(["jay", "owl", "wren", None], dtype=object)[labels]
    for given, classes in ((labels, ["0", "1", "2"]), (words, ["jay", "owl", "wren"])):
        compared.to_html(tmp_path / "page.html", X, given)
        figure = figures((tmp_path / "page.html").read_text("utf-8"))[4]
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", figure)
        assert set(classes) <= set(texts)
        assert not {"-1", "None"} & set(texts)
