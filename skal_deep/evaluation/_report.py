"""The report of a comparison: one page that needs no other file."""

from __future__ import annotations

import io
import json
from html import escape
from importlib.metadata import version
from string import Template
from typing import TYPE_CHECKING, Any

from skal_deep.evaluation._result import BASELINE

if TYPE_CHECKING:
    from skal_deep.evaluation._result import Comparison
    from skal_deep.evaluation._table import Table

# A colour that occurs nowhere else, to be replaced by that of the page.
_INK = "#010203"

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { --ink: #1d1f23; --soft: #5c6370; --paper: #fff; --line: #e3e5e9;
  --good: #00764f; --bad: #b3470a; --card: #f7f8fa; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a3abb8;
  --paper: #16181d; --line: #30343c; --good: #4fd1a0; --bad: #ff9f5e;
  --card: #1e2127; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 68rem; margin: 0 auto;
  padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
ul.verdict { list-style: none; padding: 0; margin: 1.25rem 0; }
ul.verdict li { padding: .45rem .8rem; border-left: 4px solid var(--line);
  background: var(--card); margin-bottom: .35rem; border-radius: 0 6px 6px 0; }
ul.verdict li.better { border-color: var(--good); }
ul.verdict li.worse { border-color: var(--bad); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .75rem; }
figure svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th.text, td.text, th:first-child, td:first-child { text-align: left; }
td.better { color: var(--good); } td.worse { color: var(--bad); }
pre { background: var(--card); padding: 1rem; border-radius: 8px; overflow-x: auto;
  font-size: .85rem; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="soft">$setup</p>
<ul class="verdict">$verdicts</ul>
<figure>$figure</figure>
<h2>Summary</h2>
<div class="wide">$table</div>
<p class="soft">Area: mean $metric over the labels spent. Its difference to random
sampling is paired by repeat; low and high bound its 95&nbsp;% interval (Student's t),
not corrected for the number of strategies. Seconds are for all queries, and all fits,
of one repeat.</p>
<h2>Who beats whom</h2>
<div class="wide">$matrix</div>
<p class="soft">Share of stages at which the strategy of the row is significantly better
than that of the column (paired t-test, 5&nbsp;%).</p>
<h2>Settings</h2>
<pre>$settings</pre>
</body>
</html>
""")


def html_report(comparison: Comparison) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    comparison : Comparison
        What to report.
    """
    settings = comparison.settings
    packages = ("scikit-activeml", "scikit-learn", "skorch", "torch", "numpy")
    return _PAGE.substitute(
        title=escape(f"Active learning on {settings.get('data', 'your data')}"),
        setup=escape(
            f"{settings['n_repeats']} paired repeats: same split, same first "
            f"{settings['n_initial']} labels, same initial weights for every strategy. "
            f"{settings['n_cycles']} queries of {settings['batch_size']} labels."
        ),
        verdicts="".join(
            _verdict(comparison, name)
            for name in comparison.strategies
            if name != BASELINE
        ),
        figure=_figure(comparison),
        table=_table(comparison.summary()),
        metric=escape(comparison.metrics[0].replace("_", " ")),
        matrix=_matrix(comparison),
        settings=escape(
            json.dumps(
                {**settings, "versions": {name: version(name) for name in packages}},
                indent=2,
                default=str,
            )
        ),
    )


def _verdict(comparison: Comparison, name: str) -> str:
    """Return one sentence on a strategy."""
    difference = comparison.difference(name)
    if difference.n < 2:
        sentence = f"{difference.mean:+.3f} in one repeat, which allows no statement."
    elif difference.wording == "no difference detected":
        reach = max(difference.high - difference.mean, 0)
        sentence = (
            f"no difference to random sampling detected ({difference.mean:+.3f}; "
            f"{difference.n} repeats leave ± {reach:.3f} open)."
        )
    else:
        sentence = (
            f"{difference.wording} than random sampling by {abs(difference.mean):.3f} "
            f"(95 % interval {difference.low:+.3f} to {difference.high:+.3f})."
        )
    css = difference.wording if difference.wording in ("better", "worse") else "open"
    return f'<li class="{css}"><b>{escape(name)}</b>: {escape(sentence)}</li>'


def _figure(comparison: Comparison) -> str:
    """Return the curves as inline SVG, in the colours of the page."""
    import matplotlib as mpl

    drawn = io.StringIO()
    ink: Any = dict.fromkeys(
        (
            "text.color",
            "axes.labelcolor",
            "axes.edgecolor",
            "xtick.color",
            "ytick.color",
        ),
        _INK,
    )
    with mpl.rc_context({"svg.hashsalt": "skal_deep", "svg.fonttype": "none", **ink}):
        figure = comparison.figure()
        figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    svg = drawn.getvalue()
    return svg[svg.index("<svg") :].replace(_INK, "var(--ink)")


def _table(table: Table) -> str:
    """Return a table as HTML."""
    head = "".join(
        f'<th class="{_align(table, column)}">{escape(column)}</th>'
        for column in table.columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{_align(table, c)} {_css(row[c])}">{escape(row[c])}</td>'
            for c in table.columns
        )
        + "</tr>"
        for row in table.shown()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _align(table: Table, column: str) -> str:
    return "text" if table.is_text(column) else "number"


def _css(words: str) -> str:
    """Return the class that colours a verdict."""
    return words if words in ("better", "worse") else "open"


def _matrix(comparison: Comparison) -> str:
    """Return the penalty matrix as HTML."""
    names = comparison.strategies
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *names))
    body = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{share:.2f}</td>" for share in row)
        + "</tr>"
        for name, row in zip(names, comparison.penalty_matrix(), strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
