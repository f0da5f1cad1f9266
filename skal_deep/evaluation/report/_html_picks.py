"""The part of the report that shows what each strategy had labelled."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.evaluation._protocol import HasCurves
from skal_deep.evaluation.report._figures import small_multiples
from skal_deep.evaluation.report._page import fold, paragraph, swatches, table_html
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
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import is_finite, kind_of, n_rows, plain_table
from skal_deep.rows._label_array import label_array, narrowed
from skal_deep.rows._numbers import numbers

_N_CLASSES = 20  # more are a long table
_CHANNELS = (1, 3)


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
    missing_label = comparison.settings.get("missing_label", -1)
    if any(isinstance(label, str) for label in y) and not isinstance(
        missing_label, str
    ):
        missing_label = None  # names of classes, in the place of their numbers
    y = label_array(y, missing_label)
    n = n_rows(X)
    picks = {
        # Copies of a row, where there are, come after all rows, in the same order.
        name: [[rows % n for rows in stages] for stages in comparison.picked(name)]
        for name in names
    }
    classes, codes = _encode_classes(y, missing_label)
    counts = {name: class_counts(stages, codes) for name, stages in picks.items()}
    highest = max(float(count[1:].max()) for count in counts.values())
    yield "<h2>What was labelled</h2>"
    balance = table_html(
        _balance(counts, classes),
        "matrix",
        "Labels of each class at the end, with those of the start; means over repeats",
    )
    yield balance if len(classes) <= _N_CLASSES else fold("Classes", balance)
    yield paragraph(
        "Rows of each class, query by query: the fuller the colour, the more; empty is "
        f"none, full {highest:.1f}. Means over the repeats, without the start."
    )
    yield small_multiples(
        names,
        lambda name, ax: plot_classes(counts[name][1:], classes, ax, highest),
        "class",
        [
            f"Classes that {name} had labelled, query by query; the table above has "
            "their sums."
            for name in names
        ],
        0.8,
    )
    if is_finite(X):
        yield from _rows_sections(
            picks, X, image_shape, swatches(comparison.strategies)
        )
    else:
        yield paragraph(
            f"X is {kind_of(X)}: rows are drawn, and their distances are measured, "
            "where they are finite numbers. Pass to_html what a Pipeline makes of them."
        )


def _rows_sections(
    picks: dict[str, Any],
    X: NDArray[Any],
    image_shape: tuple[int, ...] | None,
    marks: dict[str, str],
) -> Iterator[str]:
    """Yield HTML that shows where the rows lie that each strategy had labelled."""
    names, rng = list(picks), np.random.default_rng(SEED)
    rows_ND = X.reshape(len(X), -1)
    radius = usual_distance(rows_ND, rng)
    shares = [
        {
            "strategy": name,
            "near-duplicates": 100 * near_duplicates(rows_ND, picks[name], radius),
        }
        for name in picks
    ]
    yield table_html(Table(shares, {"near-duplicates": ".0f"}), "matrix", "", marks)
    yield paragraph(
        "Near-duplicates: percentage of picks that lie closer to another pick than "
        "rows usually lie to the row nearest to them. Beyond the share of random "
        "sampling, labels are spent on what is known already."
    )
    images = _images(X, image_shape)
    if images is not None:
        yield paragraph(
            "Images picked in the first repeat, a row for each of up to six queries."
        )
        stages = picks[names[0]][0]
        n_shown, n_columns = (
            len(shown_queries(len(stages) - 1)),
            min(10, len(stages[1])),
        )
        height, width = images.shape[-2:]
        yield small_multiples(
            names,
            lambda name, ax: plot_gallery(images, picks[name][0], ax),
            "gallery",
            [f"Images that {name} had labelled in the first repeat." for name in names],
            n_shown * height / (n_columns * width) + 0.12,  # for the name
        )
        return
    yield paragraph(
        "Where the picks of the first repeat lie, on the two principal components "
        "of all rows (grey): crosses are the start, then from dark to bright."
    )
    points = project(rows_ND, rng)
    yield small_multiples(
        names,
        lambda name, ax: plot_map(points, picks[name][0], ax),
        "map",
        [f"Map of the rows that {name} had labelled." for name in names],
        0.85,
    )


def _images(
    X: NDArray[Any], image_shape: tuple[int, ...] | None
) -> NDArray[Any] | None:
    """Return the rows as images, channels first, if that is what they are."""
    if image_shape is not None:
        X = X.reshape(-1, *image_shape)
    if X.ndim == 4 and X.shape[1] not in _CHANNELS and X.shape[-1] in _CHANNELS:
        X = np.moveaxis(X, -1, 1)
    return X if X.ndim in (3, 4) and X.shape[-1] > 1 else None


def _balance(counts: dict[str, NDArray[np.float64]], classes: list[Any]) -> Table:
    """Return the labels of each class, at the start and at the end."""
    start = next(iter(counts.values()))[0]
    rows = [
        {"class": str(label), "start": float(start[i])}
        | {name: float(count[:, i].sum()) for name, count in counts.items()}
        for i, label in enumerate(classes)
    ]
    return Table(rows, dict.fromkeys(["start", *counts], ".1f"))


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
