"""The report of a comparison: one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._export import json_text
from skal_deep.evaluation._protocol import HasAdvice, HasCurves
from skal_deep.evaluation.report._figures import (
    as_svg,
    costs_figure,
    curves_figure,
    metrics_figure,
    small_multiples,
)
from skal_deep.evaluation.report._page import (
    fold,
    matrix_html,
    page,
    paragraph,
    table_html,
    word_class,
)
from skal_deep.evaluation.report._picks import (
    class_counts,
    near_duplicates,
    usual_distance,
)
from skal_deep.evaluation.report._plot_picks import (
    plot_classes,
    plot_gallery,
    plot_map,
    project,
    shown_queries,
)
from skal_deep.evaluation.report._table import Table
from skal_deep.evaluation.simulation._first_labels import format_counts
from skal_deep.evaluation.statistics._savings import SEED
from skal_deep.evaluation.statistics._verdict import describe_savings, sentence
from skal_deep.rows._data import (
    as_data,
    is_finite,
    kind_of,
    n_rows,
    numbers,
    plain_table,
)
from skal_deep.rows._label_array import label_array, narrowed

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
            f"{settings['n_repeats']} paired repeats: same split, same first "
            f"{settings['n_initial']} labels, same initial weights for every strategy. "
            f"{settings['n_cycles']} queries of {settings['batch_size']} labels."
        )
    ]
    if counts := settings.get("first_labels"):
        parts.append(paragraph(f"First labels by class: {format_counts(counts)}."))
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
        f"{escape(sentence(verdict) + describe_savings(verdict, savings[name]))}</li>"
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
    yield fold(
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
    yield fold("How the comparison was made", f"<pre>{escape(text)}</pre>")


def picks_sections(
    comparison: HasCurves,
    X: Any,
    y: Any,
    image_shape: tuple[int, ...] | None = None,
) -> Iterator[str]:
    """Yield HTML that shows what each strategy had labelled.

    Parameters
    ----------
    comparison : Comparison
        A comparison that kept its picks.
    X : array-like of shape (n_samples, ...)
        The inputs it was made on.
    y : array-like of shape (n_samples,)
        Their labels.
    image_shape : tuple of int, default=None
        Shape of an image, where rows of X are images written as vectors.
    """
    X, names = as_data(X), comparison.strategies
    X = numbers(X) if plain_table(X) else X
    y = label_array(y, comparison.settings.get("missing_label", -1))
    n = n_rows(X)
    picks = {
        # Copies of a row, where there are, come after all rows, in the same order.
        name: [[rows % n for rows in stages] for stages in comparison.picked(name)]
        for name in names
    }
    classes, codes = _encode_classes(y, comparison.settings.get("missing_label", -1))
    counts = {name: class_counts(stages, codes)[1:] for name, stages in picks.items()}
    highest = max(float(count.max()) for count in counts.values())
    yield "<h2>What was labelled</h2>"
    yield paragraph(
        "Rows of each class, query by query: the darker, the more; white is none, the "
        f"darkest {highest:.1f}. Means over the repeats, without the start."
    )
    yield as_svg(partial(_classes_figure, counts, classes, highest), "class")
    if is_finite(X):
        yield from _rows_sections(picks, X, image_shape)
    else:
        yield paragraph(
            f"X is {kind_of(X)}: rows are drawn, and their distances are measured, "
            "where they are finite numbers. Pass to_html what a Pipeline makes of them."
        )


def _rows_sections(
    picks: dict[str, Any], X: NDArray[Any], image_shape: tuple[int, ...] | None
) -> Iterator[str]:
    """Yield HTML that shows where the rows lie that each strategy had labelled."""
    rng = np.random.default_rng(SEED)
    rows_ND = X.reshape(len(X), -1)
    radius = usual_distance(rows_ND, rng)
    shares = [
        {
            "strategy": name,
            "near-duplicates": 100 * near_duplicates(rows_ND, picks[name], radius),
        }
        for name in picks
    ]
    yield table_html(Table(shares, {"near-duplicates": ".0f"}), "matrix")
    yield paragraph(
        "Near-duplicates: percentage of picks that lie closer to another pick than "
        "rows usually lie to the row nearest to them. Beyond the share of random "
        "sampling, labels are spent on what is known already."
    )
    if image_shape is not None:
        X = X.reshape(-1, *image_shape)
    if X.ndim in (3, 4) and X.shape[-1] > 1:
        yield paragraph("Images picked in the first repeat, a row for each query.")
        yield as_svg(partial(_gallery_figure, picks, X), "gallery")
    else:
        yield paragraph(
            "Where the picks of the first repeat lie, on the two principal components "
            "of all rows (grey): crosses are the start, then from dark to bright."
        )
        points = project(rows_ND, rng)
        yield as_svg(partial(_map_figure, picks, points), "map")


def _encode_classes(
    y: NDArray[Any], missing_label: Any
) -> tuple[list[Any], NDArray[np.intp]]:
    """Return the classes, and the position of each label; zero where there is none."""
    has_label = np.array(
        [
            not (label is None or label != label or label == missing_label)
            for label in y.tolist()
        ]
    )
    classes, positions = np.unique(narrowed(y[has_label]), return_inverse=True)
    codes = np.zeros(len(y), np.intp)
    codes[has_label] = positions
    return classes.tolist(), codes


def _classes_figure(
    counts: dict[str, NDArray[np.float64]], classes: list[Any], highest: float
) -> Any:
    def draw(name: str, ax: Any) -> None:
        plot_classes(counts[name], classes, ax, highest)

    return small_multiples(list(counts), draw, 0.8)


def _gallery_figure(picks: dict[str, Any], images: NDArray[Any]) -> Any:
    stages = next(iter(picks.values()))[0]
    n_rows, n_columns = len(shown_queries(len(stages) - 1)), min(10, len(stages[1]))
    height, width = images.shape[-2:]
    room = 0.12  # for the name

    def draw(name: str, ax: Any) -> None:
        plot_gallery(images, picks[name][0], ax)

    return small_multiples(
        list(picks), draw, n_rows * height / (n_columns * width) + room
    )


def _map_figure(picks: dict[str, Any], points: NDArray[np.float64]) -> Any:
    def draw(name: str, ax: Any) -> None:
        plot_map(points, picks[name][0], ax)

    return small_multiples(list(picks), draw, 0.85)
