"""The error: from control labels alone, with intervals that cover."""

import numpy as np
import pytest
from scipy.stats import beta, binom
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skal_deep.campaign import SKIP, UNSURE, Estimate
from skal_deep.campaign.honest._honest import (
    ControlSample,
    control_sample,
    estimate_from,
)
from skal_deep.campaign.honest._intervals import (
    among_predicted,
    mean_interval,
    upper_bound,
)
from skal_deep.campaign.honest._simulate import play_campaign
from skal_deep.campaign.store._control import control_keys, n_control, reserve_for
from skal_deep.evaluation.risk._intervals import clopper_pearson
from skal_deep.pool import CoreSet

CLASSES = [str(digit) for digit in range(10)]


def test_keys_are_uniform_and_depend_on_salt_and_id():
    keys = control_keys("00ff", [f"item {i}" for i in range(20_000)])
    assert ((keys >= 0) & (keys < 1)).all()
    counts = np.histogram(keys, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 44  # chi-square, p = 0.001
    assert control_keys("00ff", ["item 3"])[0] == keys[3]
    assert control_keys("00fe", ["item 3"])[0] != keys[3]


@pytest.mark.parametrize(
    ("share", "budget", "given", "n_items", "wanted"),
    [
        (0.2, 500, None, 50_000, 150),
        (0.2, 100, None, 1_000, 50),
        (0.2, 500, None, 200, 100),
        (0.2, 100, 30, 1_000, 30),
        (0.2, 100, 0.1, 1_000, 100),
        (0.0, 100, None, 1_000, 0),
    ],
)
def test_so_many_are_reserved(share, budget, given, n_items, wanted):
    keys = control_keys("salt", map(str, range(n_items)))
    assert (keys < reserve_for(keys, share, budget, given)).sum() == wanted


def test_control_items_of_all_batches_are_their_share():
    sizes = np.random.default_rng(0).integers(1, 30, 200).tolist()
    for share in (0.0, 0.1, 0.2, 0.33):
        before = total = 0
        for size in sizes:
            n = n_control(share, before, size)
            assert 0 <= n <= size
            before, total = before + size, total + n
            assert abs(total - share * before) <= 0.5 + 1e-9


def test_intervals_have_their_closed_forms():
    assert clopper_pearson(0, 20, 0.95) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert clopper_pearson(20, 20, 0.95) == pytest.approx((0.025 ** (1 / 20), 1))
    low, high = clopper_pearson(3, 24, 0.95)
    assert binom.sf(2, 24, low) == pytest.approx(0.025)
    assert binom.cdf(3, 24, high) == pytest.approx(0.025)
    assert (round(low, 2), round(high, 2)) == (0.03, 0.32)
    assert upper_bound(3, 24, 0.95) == pytest.approx(beta.ppf(0.95, 4, 21))
    assert clopper_pearson(0, 0, 0.95) == (0, 1)
    assert mean_interval([1.0, 2.0, 3.0], 0.95)[0] == pytest.approx(
        2 - 4.302653 / 3**0.5
    )


def test_clopper_and_pearson_cover_whatever_the_share():
    m = 25
    intervals = [clopper_pearson(k, m, 0.95) for k in range(m + 1)]
    for share in np.linspace(0.01, 0.99, 33):
        covers = [low <= share <= high for low, high in intervals]
        assert binom.pmf(np.arange(m + 1), m, share) @ covers >= 0.95


def test_what_was_chosen_may_have_been_all_the_hard_ones():
    # 10 of 100 are wrong; 8 of them may be among the 20 that were chosen.
    low, high = among_predicted((0.1, 0.1), 100, 20)
    assert low <= 2 / 80 <= 10 / 80 <= high
    assert among_predicted((0.1, 0.2), 100, 100) == (0, 1)


def test_only_answers_up_to_the_first_open_one_count(digits):
    played = digits(100, budget=60)
    batch = played.campaign.next(batch_size=30)
    state = played.campaign.state()
    control = [n for n, arm in state.arms.items() if arm == "control"]
    keys = dict(zip(state.items.ids, state.keys, strict=True))
    control.sort(key=keys.get)
    has = np.ones(len(state.items), bool)

    def counted():
        state = played.campaign.state()
        sample = control_sample(state, has)
        return [state.items.ids[row] for row in sample.rows], sample

    easy = {name: played.truth[name] for name in control[1:]}
    played.campaign.label(easy, "anna")  # the first one is left for later
    assert counted()[0] == []
    played.campaign.label({control[0]: SKIP}, "anna")
    names, sample = counted()
    assert sorted(names) == sorted(control[1:])
    assert sample.n_silent == 1
    played.campaign.label({control[0]: UNSURE}, "anna")
    assert counted()[1].n_silent == 1
    played.answer(batch)
    assert sorted(counted()[0]) == sorted(control)
    assert counted()[1].n_chosen == 24


def sample_of(k, m, n_items=10_000, n_chosen=100, n_silent=0):
    y, said = np.zeros(m, int), np.zeros(m, int)
    said[:k] = 1
    return ControlSample(np.arange(m), y, n_silent, n_items, n_chosen), said


def test_an_estimate_says_all_that_follows():
    sample, said = sample_of(3, 24, 480, 96, n_silent=2)
    estimate = estimate_from(sample, said, "error", 0.95, 0.1, ["a", "b"])
    found = estimate.to_dict()
    assert {"metric", "value", "low", "high", "level", "n_control"} <= set(found)
    assert (found["value"], found["n_control"]) == (0.125, 24)
    assert found["with_silent"] == {"low": 3 / 26, "high": 5 / 26}
    assert found["upper"] == pytest.approx(beta.ppf(0.95, 4, 21))
    assert not found["is_below"]
    assert "items" not in found  # 5 % of the items, not more
    assert "not shown to be below 10 %" in str(estimate)
    finite = estimate_from(*sample_of(3, 24, 100, 20), "error", 0.95, None, ["a", "b"])
    items = finite.to_dict()["items"]
    assert found["low"] < items["low"] < 0.125 < items["high"] < found["high"]


def test_a_target_is_met_by_the_bound_and_not_by_the_point():
    point = estimate_from(*sample_of(0, 20), "error", 0.95, 0.1, ["a", "b"])
    assert point.value < 0.1
    assert not point.details["is_below"]
    bound = estimate_from(*sample_of(0, 40), "error", 0.95, 0.1, ["a", "b"])
    assert bound.details["is_below"]


def test_recall_and_precision_by_class():
    y = np.array([0] * 12 + [1] * 12 + [2] * 3)
    said = y.copy()
    said[:3] = 1
    sample = ControlSample(np.arange(27), y, 0, 1000, 50)
    classes = ["a", "b", "c"]
    recall = estimate_from(sample, said, "recall", 0.95, None, classes)
    assert recall.details["classes"]["a"]["value"] == 0.75
    assert recall.details["classes"]["c"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 3,
    }
    assert "c: too few to tell, of 3" in str(recall)
    precision = estimate_from(sample, said, "precision", 0.95, None, classes)
    assert precision.details["classes"]["b"]["n"] == 15
    assert precision.details["classes"]["b"]["value"] == 0.8


def test_equal_errors_of_numbers_have_no_interval():
    """Numbers that were all hit are no error of 0 to 0."""
    for n in (19, 30):
        y = np.arange(n, dtype=float)
        sample = ControlSample(np.arange(n), y, 0, 100, 0)
        found = estimate_from(sample, y, "mae", 0.95, None, [])
        assert (found.value, found.low, found.high) == (0, None, None)
        why = "below 20 labels" if n == 19 else "all are equal"
        assert "mae: 0 (no interval" in str(found)
        assert why in str(found)
    near = estimate_from(sample, y + (y == 3), "mae", 0.95, None, [])
    assert near.low == 0 < near.high


def test_without_labels_nothing_is_said(digits):
    estimate = digits().campaign.estimate()
    assert (estimate.value, estimate.n_control) == (None, 0)
    assert "too few" in str(estimate)
    assert isinstance(estimate, Estimate)


@pytest.mark.slow
def test_the_curve_scores_each_round_on_all_control_labels(digits):
    played = digits(budget=100)
    played.play(4, batch_size=20)
    rounds = played.campaign.status().to_dict()["rounds"]
    assert [row["round"] for row in rounds] == [2, 3, 4]
    assert [row["labels"] for row in rounds] == [16, 32, 48]
    assert {row["control"] for row in rounds} == {16}
    for row in rounds:
        low, high = clopper_pearson(row["wrong"], 16, 0.95)
        assert (row["low"], row["high"]) == (low, high)


@pytest.mark.slow
def test_an_own_model_is_judged_as_it_was(digits):
    played = digits(budget=100)
    played.play(3, batch_size=20, estimator=LogisticRegression())
    rounds = played.campaign.status().to_dict()["rounds"]
    estimate = played.campaign.estimate()
    assert estimate.value == rounds[-1]["error"]
    again = played.campaign.estimate(estimator=LogisticRegression())
    assert again.n_control == estimate.n_control


@pytest.mark.slow
def test_advice_waits_for_control_labels(digits):
    played = digits(300, budget=250, control_share=0.3)
    played.play(2, batch_size=20)
    status = played.campaign.status()
    assert status.to_dict()["advice"] == "unclear"
    assert "from 30 on there is a projection" in str(status)
    played.play(6, batch_size=20)
    status = played.campaign.status()
    assert status.to_dict()["advice"] in ("go on", "stop", "unclear")
    assert "projected gain" in str(status)


@pytest.mark.slow
def test_advice_goes_no_further_than_a_curve_can_be_continued(digits):
    """A budget of more than four times the labels so far, as most have at first."""
    played = digits(1_000, budget=900, control_share=0.4)
    played.play(6, batch_size=20)
    assert "5 rounds with a model; from 6 on" in str(played.campaign.status())
    played.play(1, batch_size=20)
    assert "projected gain" in str(played.campaign.status())


@pytest.mark.nightly
def test_intervals_cover_in_simulated_campaigns():
    X, y = load_digits(return_X_y=True)
    covered = []
    for number in range(120):
        # The rows come writer by writer: mixed, new ones are like those of the pool.
        order = np.random.default_rng(number).permutation(len(X))
        pool, new = order[:400], order[400:900]
        played = play_campaign(
            X[pool],
            y[pool],
            CLASSES,
            GaussianNB(var_smoothing=0.01),
            CoreSet(),
            batch_size=40,
            budget=80,
            keys=control_keys(str(number), map(str, pool)),
            seed=number % 3,
            new=(X[new], y[new]),
        )
        last = played.rounds[-1]
        covered.append(last["low"] <= last["true_error"] <= last["high"])
    assert np.mean(covered) >= 0.93
