"""The frame of a report: a page that needs no other file."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._export import replace_unprintable
from skal_deep.evaluation.report._colours import strategy_styles
from skal_deep.evaluation.report._table import Table

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { --ink: #1d1f23; --soft: #5c6370; --paper: #fff; --line: #e3e5e9;
  --good: #00764f; --bad: #b3470a; --card: #f7f8fa; --link: #005a9c;
  --accent: 0, 114, 178; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a3abb8;
  --paper: #16181d; --line: #30343c; --good: #4fd1a0; --bad: #ff9f5e;
  --card: #1e2127; --link: #7cc4f5; --accent: 86, 180, 233; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 68rem; margin: 0 auto;
  padding: 2.5rem 1.25rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
a { color: var(--link); }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .92rem; }
.answer { font-size: 1.3rem; line-height: 1.35; font-weight: 600;
  margin: 1.5rem 0 .5rem; }
.warning { border-left: 4px solid var(--bad); padding: .45rem .8rem;
  background: var(--card); border-radius: 0 6px 6px 0; }
ul.verdict { list-style: none; padding: 0; margin: 1.25rem 0; }
ul.verdict li { padding: .45rem .8rem; border-left: 4px solid var(--line);
  background: var(--card); margin-bottom: .35rem; border-radius: 0 6px 6px 0; }
ul.verdict li.better { border-color: var(--good); }
ul.verdict li.worse { border-color: var(--bad); }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 50%;
  margin-right: .4em; vertical-align: -.05em; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .5rem; }
figure svg { width: 100%; height: auto; display: block; }
.pair, .small { display: grid; gap: .75rem; margin: .75rem 0; }
.pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%;
  font-size: .92rem; }
table.matrix { width: auto; }
caption { text-align: left; color: var(--soft); padding: .2rem 0; }
caption span { display: inline-block; position: sticky; left: 0;
  max-width: calc(100vw - 2rem); }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; overflow-wrap: normal; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
table.full thead th { white-space: normal; }
tbody th { font-weight: 600; background: var(--paper); }
th.text, td.text { text-align: left; }
td.text { white-space: normal; min-width: 13rem; }
td.better { color: var(--good); } td.worse { color: var(--bad); }
table.matrix tbody th { position: sticky; left: 0; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--card); padding: 1rem; border-radius: 8px; overflow-x: auto;
  font-size: .85rem; }
@media (max-width: 44rem) {
  body { padding: 1.25rem .9rem 3rem; }
  table.full, table.full caption, table.full tbody, table.full tr, table.full th,
    table.full td { display: block; }
  table.full thead { display: none; }
  table.full tr { background: var(--card); border: 1px solid var(--line);
    border-radius: 8px; margin-bottom: .6rem; padding: .3rem .7rem; }
  table.full tbody th { background: none; padding: .2rem 0; border: 0; }
  table.full td { display: flex; justify-content: space-between; gap: 1rem;
    padding: .15rem 0; border: 0; min-width: 0; text-align: right; }
  table.full td::before { content: attr(data-label); color: var(--soft);
    text-align: left; flex: none; }
  table.full td:empty { display: none; }
}
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


def table_html(
    table: Table, css: str = "full", caption: str = "", marks: Mapping[str, str] = {}
) -> str:
    """Return a table as HTML; what stands first in a row is its name.

    Parameters
    ----------
    table : Table
        Verdicts in it are coloured.
    css : str, default="full"
        Its class: "full" is as wide as the page, and on a narrow one a card for each
        row; "matrix" is only as wide as it has to be.
    caption : str, default=""
        What it shows.
    marks : dict of str to str, default={}
        HTML that stands before the names of rows.
    """
    first, *others = table.columns or [""]
    head = "".join(
        f'<th scope="col" class="{_align(table, column)}">{escape(column)}</th>'
        for column in table.columns
    )
    body = "".join(
        f'<tr><th scope="row" class="text">{marks.get(row[first], "")}'
        f"{escape(row[first])}</th>"
        + "".join(
            f'<td class="{_align(table, c)} {word_class(row[c])}" '
            f'data-label="{escape(c)}">{escape(row[c])}</td>'
            for c in others
        )
        + "</tr>"
        for row in table.shown()
    )
    return (
        f'<div class="wide"><table class="{css}">{_caption(caption)}<thead><tr>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _caption(text: str) -> str:
    return f"<caption><span>{escape(text)}</span></caption>" if text else ""


def swatch(colour: str) -> str:
    """Return a dot in the colour of a strategy.

    Parameters
    ----------
    colour : str
        The colour, as in CSS.
    """
    return (
        f'<span class="swatch" aria-hidden="true" style="background: {colour}"></span>'
    )


def swatches(names: Sequence[str]) -> dict[str, str]:
    """Return a dot in the colour of each strategy.

    Parameters
    ----------
    names : sequence of str
        Names of all strategies of the page.
    """
    return {
        name: swatch(style["color"]) for name, style in strategy_styles(names).items()
    }


def download(name: str, content: str, kind: str) -> str:
    """Return a link to a file that is part of the page.

    Parameters
    ----------
    name : str
        Name under which it is saved.
    content : str
        What it holds.
    kind : str
        Its type, such as "text/csv".
    """
    held = b64encode(content.encode("utf-8")).decode("ascii")
    return (
        f'<a download="{escape(name)}" href="data:{kind};charset=utf-8;base64,{held}">'
        f"{escape(name)}</a>"
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


def matrix_html(
    names: list[str], matrix: NDArray[np.float64], caption: str = ""
) -> str:
    """Return a matrix of shares as HTML, the larger the darker.

    Parameters
    ----------
    names : list of str
        Names of rows and columns.
    matrix : ndarray of shape (n, n)
        The shares.
    caption : str, default=""
        What it shows.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row" class="text">{escape(name)}</th>'
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
        f'<div class="wide"><table class="matrix">{_caption(caption)}<thead><tr>'
        f"<td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
