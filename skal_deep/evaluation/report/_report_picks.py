"""The part of a report that shows what was picked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.classifier import label_array, narrowed
from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._figures import as_svg, small_multiples
from skal_deep.evaluation.report._page import paragraph, table_html
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
from skal_deep.evaluation.statistics._savings import SEED


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
    X, names = np.asarray(X), comparison.strategies
    y = label_array(y, comparison.settings.get("missing_label", -1))
    rng = np.random.default_rng(SEED)
    rows_ND = X.reshape(len(X), -1)
    radius = usual_distance(rows_ND, rng)
    picks = {
        # Copies of a row, where there are, come after all rows, in the same order.
        name: [[rows % len(X) for rows in stages] for stages in comparison.picked(name)]
        for name in names
    }
    classes, codes = _coded(y, comparison.settings.get("missing_label", -1))
    counts = {name: class_counts(stages, codes)[1:] for name, stages in picks.items()}
    highest = max(float(count.max()) for count in counts.values())
    yield "<h2>What was labelled</h2>"
    yield paragraph(
        "Rows of each class, query by query: the darker, the more; white is none, the "
        f"darkest {highest:.1f}. Means over the repeats, without the start."
    )
    yield as_svg(partial(_classes_figure, counts, classes, highest), "class")
    shares = [
        {
            "strategy": name,
            "near-duplicates": 100 * near_duplicates(rows_ND, picks[name], radius),
        }
        for name in names
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


def _coded(y: NDArray[Any], missing_label: Any) -> tuple[list[Any], NDArray[np.intp]]:
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
