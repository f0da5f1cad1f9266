"""Verdicts of whole comparisons: wording, correction, calibration."""

import json
from dataclasses import replace

import numpy as np
import pytest
from comparisons import NOISE, made_comparison
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import RandomSampling
from sklearn.datasets import load_iris

from skal_deep.evaluation import (
    Answer,
    compare_strategies,
    detectable_effect,
    holm,
    paired_difference,
    paired_power,
)
from skal_deep.evaluation import verdicts as judge
from skal_deep.evaluation.statistics._sizes import format_size
from skal_deep.evaluation.statistics._wording import sentence


def test_words():
    gains = {"good": 0.1, "same": 0.0, "bad": -0.1}
    verdicts = made_comparison(gains, n_repeats=8).verdicts()
    assert [verdict.word for verdict in verdicts.values()] == [
        "better",
        "no difference detected",
        "worse",
    ]
    assert str(verdicts["good"]) == "better"
    same = verdicts["same"]
    assert str(same) == (
        "no difference detected; a true gain below about "
        f"{100 * same.detectable:.2g} percentage points would often be missed "
        "(80 % power)"
    )


@pytest.mark.parametrize("n_repeats", [2, 5, 6])
def test_a_finding_from_too_few_repeats_says_so_in_its_cell(n_repeats):
    """Two repeats are too few, five and six for three strategies, too."""
    comparison = made_comparison(
        {"good": 0.5, "same": 0.0, "bad": -0.5}, n_repeats, seed=2
    )
    cells = {row["strategy"]: row["verdict"] for row in comparison.summary().rows}
    for name, word in (("good", "better"), ("bad", "worse")):
        judged = comparison.verdicts()[name]
        assert judged.word == word
        assert cells[name] == f"{word}, but {n_repeats} repeats are too few to rely on"
        assert "are too few to rely on" in sentence(judged)
    answer = Answer(comparison, None, None, None)
    assert answer.headline == (
        f"Yes, active learning helps here, but {n_repeats} repeats are too few to rely "
        "on."
    )


def test_a_finding_from_enough_repeats_stands_alone():
    comparison = made_comparison({"good": 0.1}, n_repeats=6)
    assert comparison.summary().rows[1]["verdict"] == "better"
    answer = Answer(comparison, None, None, None)
    assert answer.headline == "Yes, active learning helps here."


def excludes_zero(verdict):
    return verdict.low > 0 or verdict.high < 0


@pytest.mark.slow
@pytest.mark.parametrize("n_strategies", [1, 2, 4])
@pytest.mark.parametrize("test_is_given", [True, False])
def test_an_interval_leaves_out_zero_exactly_when_a_difference_is_found(
    n_strategies, test_is_given
):
    n_found = n_by_later_step = 0
    for seed in range(60):
        gains = dict(zip("abcd", np.linspace(0.012, 0.04, n_strategies), strict=False))
        comparison = made_comparison(
            gains, n_repeats=7, seed=seed, test_is_given=test_is_given
        )
        for verdict in comparison.verdicts().values():
            is_found = verdict.word in ("better", "worse")
            assert excludes_zero(verdict) == is_found
            n_found += is_found
            n_by_later_step += verdict.level > 0.05 / n_strategies
    assert n_found
    assert bool(n_by_later_step) == (n_strategies > 1)


@pytest.mark.slow
def test_intervals_hold_together_in_95_of_100_studies():
    n_studies = 1500
    rng = np.random.default_rng(0)
    gains = rng.normal(size=(n_studies, 3, 8)) + 0.3
    n_missed = 0
    for study in gains:
        judged = judge(
            {i: paired_difference(gain, 0) for i, gain in enumerate(study)}, False
        )
        n_missed += any(not v.low <= 0.3 <= v.high for v in judged.values())
    assert stats.binomtest(n_missed, n_studies, 0.05, "greater").pvalue > 1e-3


@pytest.mark.slow
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.integers(1, 5))
def test_intervals_match_whatever_the_differences(gain, n_twins):
    difference = paired_difference(gain, np.zeros(len(gain)))
    for verdict in judge(dict.fromkeys(range(n_twins), difference), True).values():
        if abs(verdict.p_value - 0.05) > 1e-6:
            assert excludes_zero(verdict) == (verdict.word in ("better", "worse"))


@pytest.mark.parametrize("n_repeats", [2, 5, 6, 9])
def test_equal_differences_have_bounds_only_where_they_are_a_finding(n_repeats):
    """A gain of one row of a small test set in each repeat."""
    scores = np.linspace(0.5, 0.9, n_repeats)
    judged = judge({"a": paired_difference(scores + 0.02, scores)}, True)["a"]
    assert excludes_zero(judged) == (n_repeats > 5) == (judged.word == "better")
    assert (judged.high == np.inf) == (n_repeats < 6)
    assert "inf" not in sentence(judged)


def test_the_interval_is_shown_with_the_verdict(tmp_path):
    comparison = made_comparison({"a": 0.05, "b": 0.0}, n_repeats=8)
    judged = comparison.verdicts()["a"]
    row = comparison.summary().rows[1]
    assert (row["low"], row["high"]) == (judged.low, judged.high)
    assert judged.high - judged.low > judged.difference.high - judged.difference.low
    assert f"{100 * judged.low:+.1f} to {100 * judged.high:+.1f}" in sentence(judged)
    effect = comparison.tests().rows[0]
    assert (effect["effect low"] > 0) == (judged.low > 0)
    comparison.to_json(tmp_path / "results.json")
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["area_difference_to_random"]["a"]["low"] == judged.low


def test_a_study_that_could_show_no_share_says_so():
    same = made_comparison({"same": 0.0}).verdicts()["same"]
    hopeless = replace(same, detectable=1.3)
    assert str(hopeless) == "no difference detected; 6 repeats could detect nothing"
    assert "below about 1.3 would" in str(replace(hopeless, is_share=False))


def test_sizes_of_shares_are_in_points():
    assert format_size(0.0123, True) == "1.2 points"
    assert format_size(-0.123, True, "+") == "-12.3 points"
    assert format_size(0.0004, True) == "0.04 points"
    assert format_size(1.26, False, "+") == "+1.3"


def test_a_metric_that_is_no_share_has_no_points():
    comparison = made_comparison({"same": 0.0}, shift=-2.0)
    assert "points" not in str(comparison.verdicts()["same"])


def test_verdict_is_by_holm():
    comparison = made_comparison({f"s{i}": 0.0 for i in range(6)}, seed=11)
    verdicts = comparison.verdicts().values()
    p_values = [verdict.difference.p_value for verdict in verdicts]
    np.testing.assert_array_equal([v.p_value for v in verdicts], holm(p_values))
    assert min(p_values) < 0.05 < min(verdict.p_value for verdict in verdicts)
    assert {verdict.word for verdict in verdicts} == {"no difference detected"}


def test_detectable_difference_has_a_power_of_four_fifths():
    comparison = made_comparison({"a": 0.1, "b": 0.0})
    verdict = comparison.verdicts()["b"]
    sd = (comparison.areas("b") - comparison.areas("random")).std(ddof=1)
    power = paired_power(verdict.detectable / sd, 6, 0.05 / 2)
    assert power == pytest.approx(0.8)


def test_all_tests_are_told():
    comparison = made_comparison({"good": 0.1, "same": 0.0}, n_repeats=8)
    rows = {row["strategy"]: row for row in comparison.tests().rows}
    gain = comparison.areas("same") - comparison.areas("random")
    assert rows["same"]["p Wilcoxon"] == stats.wilcoxon(gain).pvalue
    assert rows["same"]["p t"] == pytest.approx(stats.ttest_1samp(gain, 0).pvalue)
    assert rows["same"]["effect"] == pytest.approx(gain.mean() / gain.std(ddof=1))
    assert rows["good"]["p signs"] == 2 / 2**8
    log_gain = comparison.areas("good", log=True) - comparison.areas("random", True)
    assert rows["good"]["log area"] == pytest.approx(log_gain.mean())
    labels = comparison.curve("good", "n_labels")[0]
    expected = np.trapezoid(comparison.curve("good"), np.log(labels)) / np.log(4)
    np.testing.assert_allclose(comparison.areas("good", log=True), expected)


def test_another_metric_can_be_compared():
    comparison = made_comparison({"good": 0.1})
    for row in comparison.curves:
        row["error"] = 1 - row["accuracy"]
    two = replace(comparison, metrics=("accuracy", "error"))
    assert two.by("error").metrics == ("error", "accuracy")
    assert two.by("error").verdicts()["good"].word == "worse"
    assert two.by("accuracy").verdicts() == comparison.verdicts()
    with pytest.raises(ValueError, match="no 'f1', but accuracy, error"):
        two.by("f1")


def test_a_strategy_like_random_in_every_repeat():
    comparison = made_comparison({"twin": None})
    row = comparison.tests().rows[0]
    assert row["p Wilcoxon"] == row["p signs"] == row["p t"] == 1
    verdict = comparison.verdicts()["twin"]
    assert str(verdict) == "no difference detected"
    assert sentence(verdict) == (
        "no difference detected: +0 points in each of 6 repeats."
    )


@pytest.mark.slow
def test_label_savings():
    comparison = made_comparison({"good": 0.1, "bad": -0.1})
    rows = {row["strategy"]: row for row in comparison.label_savings().rows}
    assert rows["good"]["random needs"] == rows["bad"]["needs itself"] == np.inf
    assert rows["good"]["needs itself"] < 40
    assert rows["bad"]["random low"] <= rows["bad"]["random needs"] < 40
    assert rows["good"]["labels"] == 40
    text = repr(comparison.label_savings())
    assert "more" in text


@pytest.mark.parametrize("n_repeats", [1, 2, 5])
def test_too_few_repeats_are_said(n_repeats):
    comparison = made_comparison({"good": 0.1}, n_repeats=n_repeats)
    assert "too few to rely on" in repr(comparison.summary())
    assert "fewer than 6" in comparison.warning
    comparison.tests(), comparison.label_savings(), comparison.penalty_matrix()


def test_enough_repeats_need_no_warning():
    assert made_comparison({"good": 0.1}).warning is None
    assert made_comparison({}, n_repeats=2).warning is None
    assert made_comparison({"a": 0.1, "b": 0.0}, n_repeats=6).warning is not None


def test_json_has_the_corrected_verdict(tmp_path):
    comparison = made_comparison({"good": 0.1})
    comparison.to_json(tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    verdict = content["area_difference_to_random"]["good"]
    assert verdict["verdict"] == "better"
    assert verdict["p_holm"] == comparison.verdicts()["good"].p_value


class OtherRandom(RandomSampling):
    """Random sampling that draws other rows than random sampling does."""

    def __init__(self, shift=1, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.shift = shift

    def query(self, X, y, candidates=None, batch_size=1):
        other = RandomSampling(
            missing_label=self.missing_label,
            random_state=(self.random_state + self.shift) % 2**32,
        )
        return other.query(X, y, candidates=candidates, batch_size=batch_size)


@pytest.mark.nightly
@pytest.mark.parametrize("test_is_given", [False, True])
def test_whole_studies_under_the_null(test_is_given):
    """Random sampling beside random sampling, with trainings and all."""
    X, y = load_iris(return_X_y=True)
    test = {"X_test": X[::3], "y_test": y[::3]} if test_is_given else {}
    n_studies, n_found = 12, 0
    for study in range(n_studies):
        comparison = compare_strategies(
            {"1": OtherRandom(), "2": OtherRandom(2)},
            ParzenWindowClassifier(),
            np.delete(X, np.s_[::3], axis=0),
            np.delete(y, np.s_[::3]),
            **test,
            n_repeats=6,
            n_initial=6,
            batch_size=5,
            n_cycles=1,
            progress=False,
            random_state=study,
        )
        verdicts = comparison.verdicts().values()
        assert all(verdict.difference.sd > 0 for verdict in verdicts)
        n_found += any(v.word != "no difference detected" for v in verdicts)
    test = stats.binomtest(n_found, n_studies, 0.05, alternative="greater")
    assert test.pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_simulated_studies_under_the_null(overlap):
    """Five strategies that are random sampling by another name: some verdict in 5 %."""
    n_studies, n_found = 300, 0
    correlation = overlap / (1 + overlap)
    for study in range(n_studies):
        comparison = made_comparison(
            {f"s{i}": 0.0 for i in range(5)},
            n_repeats=7,
            seed=study,
            shared=np.sqrt(correlation / (1 - correlation)),
            test_is_given=not overlap,
        )
        words = {verdict.word for verdict in comparison.verdicts().values()}
        n_found += words != {"no difference detected"}
    assert (
        stats.binomtest(n_found, n_studies, 0.05, alternative="greater").pvalue > 0.01
    )


@pytest.mark.slow
def test_a_planted_gain_is_found_as_often_as_predicted():
    """The gain that eight repeats should detect in four of five whole comparisons."""
    n_studies, n_repeats, n_stages = 400, 8, 4
    share = 1 - 1 / (2 * (n_stages - 1))  # of the area: the first stage has no gain
    sd = share * NOISE * np.sqrt(2)
    gain = sd * detectable_effect(n_repeats) / share
    n_found = 0
    for study in range(n_studies):
        comparison = made_comparison({"good": gain}, n_repeats=n_repeats, seed=study)
        n_found += comparison.verdicts()["good"].word == "better"
    assert stats.binomtest(n_found, n_studies, 0.8).pvalue > 0.01
