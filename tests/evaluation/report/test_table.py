"""Tables as text and as HTML."""

from html.parser import HTMLParser

import numpy as np

from skal_deep.evaluation import Table


class Cells(HTMLParser):
    """Collects the cells of a table, row by row."""

    def __init__(self):
        super().__init__()
        self.rows, self.styles = [], []

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.styles.append(dict(attrs)["style"])

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][-1] += data


def test_a_notebook_shows_the_cells_that_are_printed():
    table = Table(
        [
            {"strategy": "a <b>", "p": 0.0123, "low": None, "needs": np.inf},
            {"strategy": "c & d", "p": np.nan, "low": -0.5, "needs": 12.0},
        ],
        {"p": ".2g", "needs": ".0f"},
    )
    cells = Cells()
    cells.feed(table._repr_html_())
    assert cells.rows == [
        ["strategy", "p", "low", "needs"],
        ["a <b>", "0.012", "", "more"],
        ["c & d", "", "-0.500", "12"],
    ]
    assert all("nowrap" in style for style in cells.styles)  # words are not broken
    assert "left" in cells.styles[0]
    assert "right" in cells.styles[1]


def test_a_note_stands_below():
    html = Table([{"a": 1}], note="<5 repeats")._repr_html_()
    assert html.endswith("<p>&lt;5 repeats</p>")
    assert Table([])._repr_html_().startswith("<table>")
