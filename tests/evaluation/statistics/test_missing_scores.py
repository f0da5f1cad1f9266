"""A score that is no number says nothing: no verdict, no rank, no advice."""

from dataclasses import replace

import numpy as np
import pytest
from comparisons import made_comparison
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skal_deep.evaluation import (
    AcrossDataSets,
    Answer,
    Tuning,
    area_under_curve,
    cut_saturated,
    detectable_effect,
    does_al_help,
    effect_size,
    friedman,
    holm,
    labels_needed,
    labels_to_reach,
    paired_difference,
    paired_power,
    penalty_matrix,
    repeats_needed,
    sign_flip_test,
    signed_rank,
    stopping_advice,
    unbiased_risk,
    verdicts,
)
from skal_deep.evaluation.report._page import matrix_html
from skal_deep.evaluation.statistics._wording import sentence

rng = np.random.default_rng(0)
NOTHING = [np.nan, np.inf, -np.inf]
LABELS = [10, 20, 30, 40, 50]


def spoiled(comparison, strategy, value=np.nan, repeats=(1,), stage=2):
    """Return a comparison in which some repeats have no score at a stage."""
    curves = [
        row | {"accuracy": value}
        if (row["strategy"], row["stage"]) == (strategy, stage)
        and row["repeat"] in repeats
        else row
        for row in comparison.curves
    ]
    return replace(comparison, curves=curves)


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize("side", [0, 1])
def test_a_pair_without_a_score_allows_no_statement(value, side):
    pair = [np.array([1.0, 2, 3, 4]), np.array([0.5, 1, 1, 2])]
    pair[side][1:3] = value
    found = paired_difference(*pair)
    assert found.n_missing == 2
    assert found.wording == "no statement: 2 repeats without a score"
    assert not found.has_statement
    numbers = (found.mean, found.low, found.high, found.p_value, found.sd)
    assert np.isnan([*numbers, *found.interval(), *effect_size(found)]).all()


def test_infinity_is_not_counted_as_no_difference():
    assert paired_difference([1, 2, np.inf], 0).n_missing == 1
    assert paired_difference([np.inf], [np.inf]).wording.endswith("without a score")


@pytest.mark.parametrize(
    ("first", "second"), [([1, 2], [1]), ([1], [1, 2]), ([], []), ([[1, 2]], [[1, 2]])]
)
def test_what_is_not_paired_is_refused(first, second):
    with pytest.raises(ValueError, match="one result of each for every repeat"):
        paired_difference(first, second)


@pytest.mark.parametrize("overlap", [-0.1, np.nan, np.inf])
def test_an_overlap_that_is_none_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap must be"):
        paired_difference([1, 2, 4], 0, overlap)


@pytest.mark.slow
@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize("strategy", ["good", "random"])
def test_tables_say_that_there_is_no_statement(value, strategy):
    comparison = spoiled(
        made_comparison({"good": 0.1, "same": 0.0}, n_repeats=8), strategy, value
    )
    judged = comparison.verdicts()
    assert judged["good"].word == "no statement: 1 repeat without a score"
    assert judged["good"].is_share
    assert sentence(judged["good"]) == "no statement: 1 repeat without a score."
    expected = "no difference detected" if strategy == "good" else judged["good"].word
    assert judged["same"].word == expected
    summary = {row["strategy"]: row for row in comparison.summary().rows}
    assert summary["good"]["verdict"] == judged["good"].word
    assert summary["good"]["low"] is summary["good"]["high"] is None
    tested = {row["strategy"]: row for row in comparison.tests().rows}
    assert np.isnan([tested["good"]["p signs"], tested["good"]["p Wilcoxon"]]).all()
    saved = {row["strategy"]: row for row in comparison.label_savings().rows}
    assert np.isnan(
        [saved["good"]["random needs"], saved["good"]["needs itself"]]
    ).all()
    assert "nan" not in repr(comparison.summary()) + repr(comparison.label_savings())


def test_other_strategies_keep_their_verdict():
    comparison = made_comparison({"good": 0.1, "bad": -0.1}, n_repeats=8)
    words = spoiled(comparison, "bad").verdicts()
    assert words["good"].word == "better"
    assert words["good"].p_value == comparison.verdicts()["good"].p_value


def test_nobody_wins_against_no_score():
    curves = rng.normal(size=(3, 8, 5)) + 3 * np.arange(3)[:, None, None]
    curves[0, 2, 3] = np.nan
    matrix = penalty_matrix(list(curves))
    assert np.isnan([matrix[0, 1], matrix[1, 0], matrix[0, 2], matrix[2, 0]]).all()
    assert matrix[2, 1] == 1
    assert matrix_html(["a", "b", "c"], matrix).count("nan") == 0
    with pytest.raises(ValueError, match="the same repeats and stages"):
        penalty_matrix([curves[0], curves[1][:5]])


@pytest.mark.slow
@pytest.mark.parametrize("value", NOTHING)
def test_the_answer_says_nothing_of_what_has_no_score(value):
    comparison = made_comparison({"good": 0.1}, n_repeats=8)
    answer = Answer(spoiled(comparison, "good", value), None, None, None)
    assert answer.headline == "No statement: 1 repeat without a score."
    assert "Find out why" in answer.advice()[0]
    for word in ("nan", "inf", "hurts", "helps here", "Yes", "better", "worse than"):
        assert word not in str(answer)
    equal = made_comparison({"good": 0.1, "same": 0.0}, n_repeats=8)
    beside_none = Answer(spoiled(equal, "good", value), None, None, None)
    assert beside_none.word == "no statement: 1 repeat without a score"
    beside = made_comparison({"good": 0.1, "other": 0.2}, n_repeats=8)
    assert Answer(spoiled(beside, "other"), None, None, None).best == "good"


@pytest.mark.slow
def test_does_al_help_is_not_decided_by_nan():
    X, y = load_iris(return_X_y=True)
    seen = []

    def scoring(estimator, X, y):
        seen.append(X.sum())
        return np.nan if X.sum() == seen[0] else estimator.score(X, y)

    answer = does_al_help(
        LogisticRegression(max_iter=200),
        X,
        y,
        n_repeats=6,
        n_cycles=1,
        scoring=scoring,
        progress=False,
        random_state=0,
    )
    assert answer.word == "no statement: 1 repeat without a score"
    assert "hurts" not in str(answer)


def test_a_setting_without_a_score_is_not_chosen(monkeypatch):
    from skal_deep.evaluation.advice import _tuning

    def played(scores):
        given = iter(scores)

        def compare(strategies, model, X, y, **options):
            comparison = made_comparison({}, n_repeats=4)
            for row, value in zip(
                comparison.curves, np.repeat(next(given), 4), strict=True
            ):
                row["accuracy"] = value
            return comparison

        monkeypatch.setattr(_tuning, "compare_strategies", compare)
        comparison = made_comparison({}, n_repeats=4)
        comparison.settings["random_state"] = 0
        grid = {"C": list(range(len(scores) - 1))}
        return _tuning.tuning_effect(comparison, LogisticRegression(), 0, 0, grid)

    given, better = [0.5, 0.6, 0.55, 0.5], [0.6, 0.71, 0.66, 0.6]
    tuning = played([given, [0.9, np.nan, 0.9, 0.9], better])
    assert tuning.best == {"C": 1}
    assert tuning.difference.mean == pytest.approx(np.mean(np.subtract(better, given)))
    assert played([[np.nan] * 4, [np.nan] * 4]).difference.n_missing == 4
    assert played([[0.5, np.nan, 0.5, 0.5], better]).difference.n_missing == 1


def test_advice_on_tuning_without_scores():
    comparison = made_comparison({"good": 0.1}, n_repeats=8)
    unknown = paired_difference([np.nan] * 8, np.zeros(8))
    tuning = Tuning(unknown, [{}], [np.full(8, np.nan)])
    text = str(Answer(comparison, tuning, None, None))
    assert "Tuning the model: no statement: 8 repeats without a score." in text
    assert "nan" not in text


def test_a_masked_score_is_none():
    masked = np.ma.masked_array([1.0, 2, 99, 4], [0, 0, 1, 0])
    for pair in ((masked, np.zeros(4)), (np.zeros(4), masked)):
        assert paired_difference(*pair).n_missing == 1
    assert np.isnan(area_under_curve(LABELS[:4], masked))
    curves = [np.ones((4, 3)), np.ma.masked_array(np.full((4, 3), 9.0), np.eye(4, 3))]
    assert np.isnan(penalty_matrix(curves)[0, 1])
    assert np.isnan(holm(np.ma.masked_array([0.01, 0.2], [0, 1]))).tolist() == [0, 1]
    for call in (
        lambda: sign_flip_test(masked, rng),
        lambda: signed_rank(masked, 0.01, rng),
        lambda: friedman(np.ma.masked_array(np.ones((2, 2)), np.eye(2))),
        lambda: labels_to_reach(LABELS[:4], masked, [2.5]),
        lambda: stopping_advice(LABELS[:4], masked),
    ):
        with pytest.raises(ValueError, match="NaN or infinite"):
            call()


@pytest.mark.parametrize("values", [["a", "b", "c"], [1j, 2, 3], [b"1", b"2", b"3"]])
def test_scores_are_numbers(values):
    for call in (
        lambda: paired_difference(values, [1, 2, 3]),
        lambda: area_under_curve(LABELS[:3], values),
        lambda: area_under_curve(values, [1, 2, 3]),
        lambda: sign_flip_test(values, rng),
        lambda: holm(values),
    ):
        with pytest.raises(TypeError, match="must be numbers, not of type"):
            call()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, 1, -0.1, "0.05", None, True])
def test_levels_are_numbers_between_0_and_1(value):
    found = paired_difference([1, 2, 3, 4.5], 0)
    for call in (
        lambda: found.interval(value),
        lambda: effect_size(found, value),
        lambda: paired_power(1.0, 5, value),
    ):
        with pytest.raises((TypeError, ValueError), match="level must"):
            call()


@pytest.mark.parametrize("n", [np.nan, np.inf, 2.5, "9", None])
def test_pairs_are_counted(n):
    with pytest.raises(TypeError, match="n must be a whole number of pairs"):
        detectable_effect(n)


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize(
    "call",
    [
        lambda v: sign_flip_test([1, 2, v], rng),
        lambda v: signed_rank([0.1, v], 0.01, rng),
        lambda v: friedman([[1, 2], [2, v]]),
        lambda v: labels_to_reach(LABELS, [0.1, 0.2, v, 0.4, 0.5], [0.3]),
        lambda v: labels_to_reach(LABELS, [0.1, 0.2, 0.3, 0.4, 0.5], [v]),
        lambda v: labels_needed(LABELS, np.full((2, 5), v), np.ones((2, 1)), rng),
        lambda v: stopping_advice(LABELS, [0.1, 0.2, 0.3, v, 0.4]),
        lambda v: unbiased_risk([0.0, v], [0.1, 0.1], 20),
        lambda v: cut_saturated(spoiled(made_comparison({"a": 0.1}), "random", v)),
    ],
)
def test_elsewhere_it_is_refused(call, value):
    with pytest.raises(ValueError, match="NaN or infinite"):
        call(value)


@pytest.mark.parametrize("value", NOTHING)
def test_probabilities_that_are_none_give_no_advice(value):
    proba = np.full((5, 8, 2), 0.5)
    proba[2, 3, 0] = value
    with pytest.raises(ValueError, match="do not sum to 1"):
        stopping_advice(LABELS, proba=proba)
    with pytest.raises(ValueError, match="n_stages, n_samples, n_classes"):
        stopping_advice(LABELS, proba=np.full((5, 8), 0.5))


@pytest.mark.parametrize("value", NOTHING)
def test_power_of_no_effect_is_refused(value):
    for call in (lambda: paired_power(value, 5), lambda: repeats_needed(value)):
        with pytest.raises(ValueError, match="effect must be a number"):
            call()
    with pytest.raises(ValueError, match="level must lie"):
        repeats_needed(1.0, 1.5)


def test_p_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, 1.2])
    assert np.isnan(holm([0.01, np.nan])).tolist() == [False, True]


def test_ranks_name_the_data_set_that_has_no_score():
    whole = made_comparison({"good": 0.1}, n_repeats=8)
    across = AcrossDataSets({"a": whole, "b": spoiled(whole, "good")})
    for call in (across.ranking, across.summary, lambda: across.signed_rank("good")):
        with pytest.raises(
            ValueError, match=r"No statement: on 'b' .* of good without"
        ):
            call()


def test_verdicts_of_hand_made_differences():
    judged = verdicts(
        {
            "a": paired_difference([1, 2, 3.5, 4], 0),
            "b": paired_difference([1, np.nan, 3, 4], 0),
        },
        is_share=False,
    )
    assert judged["b"].word == "no statement: 1 repeat without a score"
    assert judged["a"].p_value == 2 * judged["a"].difference.p_value


def test_figures_are_drawn_without_the_missing_scores():
    comparison = spoiled(made_comparison({"good": 0.1, "same": 0.0}), "good")
    comparison.figure()
    from skal_deep.evaluation import plot_savings

    names = [t.get_text() for t in plot_savings(comparison).get_legend().get_texts()]
    assert names == ["random", "good (no statement)", "same"]
