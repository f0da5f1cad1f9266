"""The report of a comparison: one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from html import escape
from importlib.metadata import version
from typing import Any

from skal_deep.evaluation._export import csv_text, json_text
from skal_deep.evaluation._metrics import recalled
from skal_deep.evaluation._protocol import HasAdvice, HasCurves
from skal_deep.evaluation.report._comparison_tables import rounds_table
from skal_deep.evaluation.report._figures import picture, small_multiples
from skal_deep.evaluation.report._html_picks import picks_sections
from skal_deep.evaluation.report._page import (
    download,
    fold,
    matrix_html,
    page,
    paragraph,
    swatches,
    table_html,
    word_class,
)
from skal_deep.evaluation.report._plots import (
    plot_curves,
    plot_differences,
    plot_savings,
    plot_seconds,
)
from skal_deep.evaluation.report._table import Table
from skal_deep.evaluation.simulation._first_labels import format_counts
from skal_deep.evaluation.simulation._search import FOUND
from skal_deep.evaluation.statistics._wording import (
    describe_savings,
    headline,
    next_steps,
    sentence,
)

_PACKAGES = ("scikit-activeml", "scikit-learn", "skorch", "torch", "numpy")


def html_report(
    comparison: HasCurves,
    X: Any = None,
    y: Any = None,
    image_shape: tuple[int, ...] | None = None,
    answer: HasAdvice | None = None,
) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    comparison : Comparison
        The comparison to report.
    X, y : array-like, default=None
        The data it was made on, for pictures of what was labelled.
    image_shape : tuple of int, default=None
        Shape of an image, where rows of X are images written as vectors.
    answer : Answer, default=None
        The answer of :func:`does_al_help`.
    """
    settings = comparison.settings
    parts = [
        paragraph(
            f"{_repeats(settings['n_repeats'])}: same split, same first "
            f"{settings['n_initial']} labels, same initial weights for every strategy. "
            f"{settings['n_cycles']} queries of {settings['batch_size']} labels."
        )
    ]
    if counts := settings.get("first_labels"):
        parts.append(paragraph(f"First labels by class: {format_counts(counts)}."))
    said = headline(comparison.verdicts()) if answer is None else answer.headline
    parts.append(paragraph(said, "answer"))
    parts.append(_verdicts(comparison))
    if answer is not None:
        parts.extend(_answer(answer))
    else:
        parts.extend(_next_steps(comparison))
    parts.extend(_numbers(comparison))
    if X is not None and y is not None and comparison.picks and settings["n_cycles"]:
        parts.extend(picks_sections(comparison, X, y, image_shape))
    parts.extend(_files(comparison))
    parts.extend(_settings(comparison))
    return page(f"Active learning on {settings.get('data', 'your data')}", parts)


def _repeats(n: int) -> str:
    return f"{n} paired repeats" if n > 1 else "One repeat"


def _verdicts(comparison: HasCurves) -> str:
    """Return a sentence on each strategy."""
    savings = {row["strategy"]: row for row in comparison.label_savings().rows}
    marks = swatches(comparison.strategies)
    items = [
        f'<li class="{word_class(verdict.word)}">{marks[name]}<b>{escape(name)}</b>: '
        f"{escape(sentence(verdict) + describe_savings(verdict, savings[name]))}</li>"
        for name, verdict in comparison.verdicts().items()
    ]
    return f'<ul class="verdict">{"".join(items)}</ul>'


def _next_steps(comparison: HasCurves) -> Iterator[str]:
    if comparison.warning:
        yield paragraph(comparison.warning, "warning")
    steps = "".join(
        f"<li>{escape(step)}</li>" for step in next_steps(comparison.verdicts())
    )
    yield f"<h2>Next step</h2><ul>{steps}</ul>"


def _answer(answer: HasAdvice) -> Iterator[str]:
    """Yield the effects side by side, and the advice, warnings among it."""
    column = "effect at the end of the budget alone"
    rows = [
        {column: name, "gain and 95 % interval": text}
        for name, text in answer.shown_effects()
    ]
    yield table_html(Table(rows), "full")
    advice = "".join(f"<li>{escape(text)}</li>" for text in answer.advice())
    yield f"<h2>Advice</h2><ul>{advice}</ul>"


def _numbers(comparison: HasCurves) -> Iterator[str]:
    """Yield curves, tables and costs."""
    metric = comparison.metrics[0].replace("_", " ")
    yield "<h2>Learning curves</h2>"
    final = ", ".join(
        f"{name} {comparison.curve(name)[:, -1].mean():.3f}"
        for name in comparison.strategies
    )
    pictures = [
        picture(
            partial(plot_curves, comparison),
            "curves",
            f"Learning curves: {metric} over the number of labels. Final means: "
            f"{final}.",
        )
    ]
    if len(comparison.strategies) > 1:
        pictures.append(
            picture(
                partial(plot_differences, comparison),
                "differences",
                f"Paired differences in {metric} to random sampling over the number of "
                "labels, with 95 % bands; the table of results has their means.",
            )
        )
    yield _pair(*pictures)
    if others := [m for m in comparison.metrics[1:] if recalled(m) is None]:
        yield paragraph("The same by other metrics, with the same colours.")
        alts = [f"Learning curves: {other.replace('_', ' ')}." for other in others]
        yield small_multiples(
            others, partial(_metric_curves, comparison), "metrics", alts, 0.8
        )
    if recalls := _recalls(comparison):
        yield paragraph(
            "Recall of each class at the end: the share of its test rows that are "
            "found, a mean over the repeats that have such rows."
        )
        yield table_html(recalls, "matrix")
    marks = swatches(comparison.strategies)
    yield table_html(
        _verdict_second(comparison.summary()), "full", "Results of each strategy", marks
    )
    yield paragraph(
        f"Area: mean {metric} over the labels spent. Its difference to random sampling "
        "is paired by repeat; low and high bound 95 % intervals (Student's t"
        + (
            ", corrected for splits that overlap, by Nadeau and Bengio"
            if comparison.overlap
            else ""
        )
        + ") that allow for the number of strategies. The verdict is by p, which is "
        "corrected for it, too (Holm): an interval leaves out zero exactly where the "
        "verdict is a difference. Seconds are for all queries, and all fits, of one "
        "repeat. Peak: the "
        "most resident memory of the process in any round, libraries and data "
        "included; what a query needs shows beside random sampling."
    )
    if any(row["strategy"] == FOUND for row in comparison.references):
        yield paragraph(
            "Found by search: in each round batches were tried with their true labels, "
            "and the one was kept that did best on rows of its own. Search gap: its "
            "area less that of the strategy. It is a lower bound of what there was to "
            "gain; where it is small, that shows nothing."
        )
    yield fold(
        "Round by round",
        table_html(
            rounds_table(comparison), "matrix", f"Mean {metric} after each round"
        ),
    )
    if len(comparison.strategies) < 2:
        return
    yield fold(
        "All tests",
        table_html(comparison.tests(), "full", "All tests", marks)
        + paragraph(
            "Effect: the difference in standard deviations, and its interval. p "
            "of Student's t, of flips of the signs, of Wilcoxon's signed ranks; the "
            "last two are about further repeats on these very rows. Detects: about the "
            "smallest true difference that four of five such studies would find, by "
            "the spread seen. Log area: the difference in the mean over the logarithm "
            "of the labels."
        ),
    )
    yield "<h2>Labels saved, seconds spent</h2>"
    yield _pair(
        picture(
            partial(plot_savings, comparison),
            "savings",
            "Labels that random sampling needs for the score of each strategy; the "
            "table below has those at the end.",
        ),
        picture(
            partial(plot_seconds, comparison),
            "seconds",
            "Seconds of fits and queries of each strategy in one repeat; the table of "
            "results has the numbers.",
        ),
    )
    yield table_html(comparison.label_savings(), "full", "Labels needed", marks)
    yield paragraph(
        "Labels that random sampling needs for the final score of the strategy, and "
        "labels that the strategy needs for that of random sampling, with 95 % "
        "intervals (bootstrap over repeats; of fewer than six it is the range of the "
        "draws, which holds less often). “More” is more than were spent."
    )
    yield "<h2>Who beats whom, to explore</h2>"
    yield matrix_html(
        comparison.strategies,
        comparison.penalty_matrix(),
        "Exploratory: share of stages at which the row is ahead of the column",
    )
    yield paragraph(
        "Share of stages at which the strategy of the row is significantly better than "
        "that of the column (paired t-test, 5 %, each stage by itself). None of these "
        "tests is corrected for their number, so that about 5 % of those without any "
        "difference are significant: this is to explore, and no verdict."
    )


def _pair(*pictures: str) -> str:
    """Return one or two pictures, side by side where the page is wide enough."""
    return f'<div class="pair">{"".join(pictures)}</div>'


def _recalls(comparison: HasCurves) -> Table | None:
    """Return the final recall of each class, if it was measured."""
    rows = []
    for metric in comparison.metrics:
        if (label := recalled(metric)) is None:
            continue
        row: dict[str, Any] = {"class": label}
        for name in comparison.strategies:
            final = [float(each) for each in comparison.curve(name, metric)[:, -1]]
            known = [each for each in final if each == each]  # no NaN
            row[name] = sum(known) / len(known) if known else None
        rows.append(row)
    formats = dict.fromkeys(comparison.strategies, ".3f")
    return Table(rows, formats) if rows else None


def _metric_curves(comparison: HasCurves, metric: str, ax: Any) -> None:
    plot_curves(comparison, ax, metric).get_legend().remove()


def _verdict_second(table: Table) -> Table:
    """Return a table whose verdicts come first, where a narrow page shows them."""
    order = sorted(table.columns, key=lambda c: (c != "strategy", c != "verdict"))
    return replace(table, rows=[{c: row[c] for c in order} for row in table.rows])


def _files(comparison: HasCurves) -> Iterator[str]:
    """Yield links to the numbers, which are part of the page."""
    summary = comparison.summary()
    links = [
        download("summary.csv", csv_text(summary.columns, summary.rows), "text/csv"),
        download(
            "curves.csv",
            csv_text(list(comparison.curves[0]), comparison.curves),
            "text/csv",
        ),
        download(
            "settings.json", json_text(_all_settings(comparison)), "application/json"
        ),
    ]
    yield "<h2>Data</h2>"
    yield f"<p>The numbers of this page, to save: {', '.join(links)}.</p>"


def _all_settings(comparison: HasCurves) -> dict[str, Any]:
    return {**comparison.settings, "versions": {p: version(p) for p in _PACKAGES}}


def _settings(comparison: HasCurves) -> Iterator[str]:
    rows = [
        {
            "setting": name,
            "value": value if isinstance(value, str) else json_text(value),
        }
        for name, value in _all_settings(comparison).items()
    ]
    yield "<h2>Settings</h2>"
    yield fold("How the comparison was made", table_html(Table(rows), "full"))
