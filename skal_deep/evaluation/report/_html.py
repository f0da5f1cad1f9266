"""The report of a comparison: one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from importlib.metadata import version
from typing import Any

from skal_deep.evaluation._export import json_text
from skal_deep.evaluation._protocol import HasAdvice, HasCurves
from skal_deep.evaluation.report._figures import (
    as_svg,
    costs_figure,
    curves_figure,
    metrics_figure,
)
from skal_deep.evaluation.report._page import (
    folded,
    matrix_html,
    page,
    paragraph,
    table_html,
    word_class,
)
from skal_deep.evaluation.report._report_picks import picks_sections
from skal_deep.evaluation.simulation._first_labels import listed_counts
from skal_deep.evaluation.statistics._wording import saved, sentence

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
        What to report.
    X, y : array-like, default=None
        The data it was made on, for pictures of what was labelled.
    image_shape : tuple of int, default=None
        Shape of an image, where rows of X are images written as vectors.
    answer : Answer, default=None
        What :func:`does_al_help` says of it.
    """
    settings = comparison.settings
    parts = [
        paragraph(
            f"{settings['n_repeats']} paired repeats: same split, same first "
            f"{settings['n_initial']} labels, same initial weights for every strategy. "
            f"{settings['n_cycles']} queries of {settings['batch_size']} labels."
        )
    ]
    if counts := settings.get("first_labels"):
        parts.append(paragraph(f"First labels by class: {listed_counts(counts)}."))
    if answer is not None:
        parts.append(paragraph(answer.headline, "answer"))
    parts.append(_verdicts(comparison))
    if answer is not None:
        parts.extend(_answer(answer))
    elif comparison.warning:
        parts.append(paragraph(comparison.warning, "warning"))
    parts.extend(_numbers(comparison))
    if X is not None and y is not None and comparison.picks and settings["n_cycles"]:
        parts.extend(picks_sections(comparison, X, y, image_shape))
    parts.extend(_settings(settings))
    return page(f"Active learning on {settings.get('data', 'your data')}", parts)


def _verdicts(comparison: HasCurves) -> str:
    """Return a sentence on each strategy."""
    savings = {row["strategy"]: row for row in comparison.label_savings().rows}
    items = [
        f'<li class="{word_class(verdict.word)}"><b>{escape(name)}</b>: '
        f"{escape(sentence(verdict) + saved(verdict, savings[name]))}</li>"
        for name, verdict in comparison.verdicts().items()
    ]
    return f'<ul class="verdict">{"".join(items)}</ul>'


def _answer(answer: HasAdvice) -> Iterator[str]:
    """Yield the effects side by side, and the advice, warnings among it."""
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{escape(text)}</td></tr>'
        for name, text in answer.shown_effects()
    )
    yield (
        '<div class="wide"><table class="matrix"><thead><tr><th>effect at the end of '
        "the budget alone</th><th>gain and 95&nbsp;% interval</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    advice = "".join(f"<li>{escape(text)}</li>" for text in answer.advice())
    yield f"<h2>Advice</h2><ul>{advice}</ul>"


def _numbers(comparison: HasCurves) -> Iterator[str]:
    """Yield curves, tables and costs."""
    metric = comparison.metrics[0].replace("_", " ")
    yield "<h2>Learning curves</h2>"
    yield as_svg(partial(curves_figure, comparison), "curves")
    if len(comparison.metrics) > 1:
        yield paragraph("The same by other metrics, with the same colours.")
        yield as_svg(partial(metrics_figure, comparison), "metrics")
    yield table_html(comparison.summary())
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
    if len(comparison.strategies) < 2:
        return
    yield folded(
        "All tests",
        table_html(comparison.tests())
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
    yield as_svg(partial(costs_figure, comparison), "costs")
    yield table_html(comparison.label_savings())
    yield paragraph(
        "Labels that random sampling needs for the final score of the strategy, and "
        "labels that the strategy needs for that of random sampling, with 95 % "
        "intervals (bootstrap over repeats). “More” is more than were spent."
    )
    yield "<h2>Who beats whom, to explore</h2>"
    yield matrix_html(comparison.strategies, comparison.penalty_matrix())
    yield paragraph(
        "Share of stages at which the strategy of the row is significantly better than "
        "that of the column (paired t-test, 5 %, each stage by itself). None of these "
        "tests is corrected for their number, so that about 5 % of those without any "
        "difference are significant: this is to explore, and no verdict."
    )


def _settings(settings: dict[str, Any]) -> Iterator[str]:
    versions = {name: version(name) for name in _PACKAGES}
    text = json_text({**settings, "versions": versions})
    yield "<h2>Settings</h2>"
    yield folded("How the comparison was made", f"<pre>{escape(text)}</pre>")
