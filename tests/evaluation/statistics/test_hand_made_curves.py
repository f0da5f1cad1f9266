"""Comparisons put together by hand: each strategy has its own numbers of labels."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from comparisons import made_comparison

from skal_deep.evaluation import (
    area_under_curve,
    labels_needed,
    labels_to_reach,
    paired_difference,
    plot_projection,
    plot_savings,
    split_overlap,
    stopping_advice,
    verdicts,
)

mpl.use("agg")


def changed(comparison, change, strategy="good"):
    """Return a comparison with other rows of one strategy."""
    rows = [
        change(dict(row)) if row["strategy"] == strategy else row
        for row in comparison.curves
    ]
    return replace(comparison, curves=[row for row in rows if row is not None])


def doubled(row):
    return row | {"n_labels": 2 * row["n_labels"]}


@pytest.mark.slow
def test_savings_count_each_strategys_own_labels():
    comparison = made_comparison({"good": 0.0}, n_repeats=8, seed=3)
    dear = changed(comparison, doubled)
    before, after = (c.label_savings().rows[0] for c in (comparison, dear))
    assert after["labels"] == 80 == 2 * before["labels"]
    for column in ("needs itself", "low", "high"):
        assert after[column] == 2 * before[column]
    for column in ("random needs", "random low", "random high"):
        assert after[column] == before[column]
    line = plot_savings(dear).get_lines()[1]
    np.testing.assert_array_equal(line.get_xdata(), [20, 40, 60, 80])


def test_areas_over_other_labels_are_not_compared():
    dear = changed(made_comparison({"good": 0.1}), doubled)
    for call in (dear.verdicts, dear.summary, dear.penalty_matrix, dear.figure):
        with pytest.raises(ValueError, match="do not compare"):
            call()


def test_other_stages_are_not_compared_one_by_one():
    def later(row):
        return row | {"n_labels": row["n_labels"] + 5 * (row["stage"] == 1)}

    comparison = changed(made_comparison({"good": 0.1}), later)
    assert comparison.verdicts()["good"].word == "better"
    with pytest.raises(ValueError, match="stage by stage"):
        comparison.penalty_matrix()


def test_rows_out_of_order_are_refused():
    comparison = made_comparison({"good": 0.1})
    with pytest.raises(ValueError, match="'good' in repeat 0 must increase"):
        replace(comparison, curves=comparison.curves[::-1][::-1][4:8][::-1])
    with pytest.raises(ValueError, match="must increase"):
        replace(comparison, curves=[*comparison.curves, comparison.curves[0]])


def test_repeats_of_unequal_length_are_refused():
    comparison = made_comparison({"good": 0.1})
    with pytest.raises(ValueError, match=r"'good' have \[3, 4\] stages"):
        changed(
            comparison,
            lambda row: None if (row["repeat"], row["stage"]) == (2, 3) else row,
        )


def test_repeats_of_one_strategy_alone_are_not_paired():
    comparison = changed(
        made_comparison({"good": 0.1}), lambda row: None if row["repeat"] == 2 else row
    )
    with pytest.raises(ValueError, match="not paired"):
        comparison.verdicts()


def test_a_mean_curve_needs_the_same_labels_in_each_repeat():
    def more(row):
        return row | {"n_labels": row["n_labels"] + (row["repeat"] == 1)}

    comparison = changed(made_comparison({"good": 0.1}), more)
    with pytest.raises(ValueError, match="different numbers of labels"):
        comparison.label_savings()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([10, 30, 20, 40, 50, 60], "must increase"),
        ([10, 20, 20, 30, 40, 50], "must increase"),
        ([10, 20, 30, 40, 50, np.nan], "must increase"),
        ([10, 20, 30, 40, 50], "one score for each stage"),
        ([[10, 20, 30, 40, 50, 60]], "one score for each stage"),
    ],
)
def test_labels_that_are_no_curve_are_refused(labels, words):
    scores = [0.5, 0.6, 0.7, 0.75, 0.77, 0.78]
    projection = stopping_advice([10, 20, 30, 40, 50, 60], scores).projection
    for call in (
        lambda: area_under_curve(labels, scores),
        lambda: labels_to_reach(labels, scores, [0.6]),
        lambda: labels_needed(
            labels, [scores, scores], [[0.6], [0.6]], np.random.default_rng(0)
        ),
        lambda: stopping_advice(labels, scores),
        lambda: plot_projection(projection, labels, scores),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_targets_of_other_repeats_are_refused():
    with pytest.raises(ValueError, match="for each repeat"):
        labels_needed([1, 2], np.ones((3, 2)), np.ones((2, 1)), np.random.default_rng())


@pytest.mark.slow
def test_numbers_of_a_strategy_do_not_depend_on_the_others():
    gains = {"a": 0.02, "b": 0.0, "c": -0.01}
    comparison = made_comparison(gains, n_repeats=16, seed=1)
    order = {name: place for place, name in enumerate(["random", "c", "a", "b"])}
    curves = sorted(comparison.curves, key=lambda row: order[row["strategy"]])
    other = replace(comparison, curves=curves)
    few = replace(
        comparison, curves=[r for r in curves if r["strategy"] in ("random", "c")]
    )
    for table in ("label_savings", "tests"):
        first, second, alone = (
            {row["strategy"]: row for row in getattr(each, table)().rows}
            for each in (comparison, other, few)
        )
        assert first == second
        if table == "label_savings":
            assert alone["c"] == first["c"]
        else:
            assert alone["c"]["p signs"] == first["c"]["p signs"]


class TestOverlap:
    def test_is_inferred_from_the_rows_that_are_scored(self):
        rng = np.random.default_rng(0)
        tests = [rng.permutation(100)[:25] for _ in range(6)]
        assert split_overlap(tests, 100) == 25 / 75
        assert split_overlap([tests[0]] * 6, 100) == 0
        assert split_overlap([tests[0], tests[0][::-1]], 100) == 0

    def test_bad_rows_are_refused(self):
        for rows, n_rows in (
            ([0.5], 9),
            ([True, False], 9),
            (range(9), 9),
            ([], 9),
            ([-1], 9),
        ):
            with pytest.raises(ValueError, match=r"1 \.\.\. 8 of 9 rows"):
                split_overlap([rows], n_rows)
        with pytest.raises(ValueError, match="one repeat or more"):
            split_overlap([], 9)

    def test_rows_without_a_label_are_not_for_training(self):
        comparison = made_comparison({"good": 0.1}, test_is_given=False)
        settings = comparison.settings | {"n_rows": 1000, "test_size": 169}
        few = replace(comparison, settings=settings | {"n_labeled": 338})
        assert few.overlap == 1.0
        assert replace(comparison, settings=settings).overlap == 169 / 831

    def test_judging_by_hand_is_judging_by_the_package(self):
        comparison = made_comparison({"a": 0.02, "b": 0.01}, test_is_given=False)
        differences = {
            name: paired_difference(
                comparison.areas(name), comparison.areas("random"), comparison.overlap
            )
            for name in "ab"
        }
        assert verdicts(differences, is_share=True) == comparison.verdicts()
