"""The frame of a report: a page that needs no other file."""

from collections.abc import Iterable
from html import escape
from string import Template

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._export import replace_unprintable
from skal_deep.evaluation.report._table import Table

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { --ink: #1d1f23; --soft: #5c6370; --paper: #fff; --line: #e3e5e9;
  --good: #00764f; --bad: #b3470a; --card: #f7f8fa; --accent: 0, 114, 178;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a3abb8;
  --paper: #16181d; --line: #30343c; --good: #4fd1a0; --bad: #ff9f5e;
  --card: #1e2127; --accent: 86, 180, 233; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 68rem; margin: 0 auto;
  padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .92rem; }
.answer { font-size: 1.3rem; font-weight: 600; margin: 1.5rem 0 .5rem; }
.warning { border-left: 4px solid var(--bad); padding: .45rem .8rem;
  background: var(--card); border-radius: 0 6px 6px 0; }
ul.verdict { list-style: none; padding: 0; margin: 1.25rem 0; }
ul.verdict li { padding: .45rem .8rem; border-left: 4px solid var(--line);
  background: var(--card); margin-bottom: .35rem; border-radius: 0 6px 6px 0; }
ul.verdict li.better { border-color: var(--good); }
ul.verdict li.worse { border-color: var(--bad); }
figure { margin: .75rem 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .75rem; }
figure svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%;
  font-size: .92rem; }
table.matrix { width: auto; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th.text, td.text, th:first-child, td:first-child { text-align: left; }
td.text:not(:first-child) { white-space: normal; min-width: 13rem; }
td.better { color: var(--good); } td.worse { color: var(--bad); }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--card); padding: 1rem; border-radius: 8px; overflow-x: auto;
  font-size: .85rem; }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")


def page(title: str, parts: Iterable[str]) -> str:
    """Return a page.

    Parameters
    ----------
    title : str
        Its title, as text.
    parts : iterable of str
        The content, as HTML.
    """
    body = replace_unprintable("\n".join(parts))
    return _PAGE.substitute(title=replace_unprintable(escape(title)), body=body)


def paragraph(text: str, css: str = "soft") -> str:
    """Return a paragraph.

    Parameters
    ----------
    text : str
        The text.
    css : str, default="soft"
        Its class.
    """
    return f'<p class="{css}">{escape(text)}</p>'


def fold(title: str, content: str) -> str:
    """Return what a reader opens with a click.

    Parameters
    ----------
    title : str
        The text that is always shown.
    content : str
        HTML.
    """
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def table_html(table: Table, css: str = "full") -> str:
    """Return a table as HTML.

    Parameters
    ----------
    table : Table
        Verdicts in it are coloured.
    css : str, default="full"
        Its class; "matrix" is only as wide as it has to be.
    """
    head = "".join(
        f'<th class="{_align(table, column)}">{escape(column)}</th>'
        for column in table.columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{_align(table, c)} {word_class(row[c])}">{escape(row[c])}</td>'
            for c in table.columns
        )
        + "</tr>"
        for row in table.shown()
    )
    return (
        f'<div class="wide"><table class="{css}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _align(table: Table, column: str) -> str:
    return "text" if table.is_text(column) else "number"


def word_class(words: str) -> str:
    """Return the class that colours a verdict.

    Parameters
    ----------
    words : str
        The verdict.
    """
    word = words.partition(",")[0]  # before "but 2 repeats are too few"
    return word if word in ("better", "worse") else "open"


def matrix_html(names: list[str], matrix: NDArray[np.float64]) -> str:
    """Return a matrix of shares as HTML, the larger the darker.

    Parameters
    ----------
    names : list of str
        Names of rows and columns.
    matrix : ndarray of shape (n, n)
        The shares.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *names))
    body = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(
            "<td>&middot;</td>"
            if i == j
            else "<td></td>"
            if np.isnan(share)  # some repeat has no score
            else f'<td style="background: rgba(var(--accent), {0.6 * share:.2f})">'
            f"{share:.2f}</td>"
            for j, share in enumerate(row)
        )
        + "</tr>"
        for i, (name, row) in enumerate(zip(names, matrix, strict=True))
    )
    return (
        f'<div class="wide"><table class="matrix"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
