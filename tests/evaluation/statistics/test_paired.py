"""Paired differences, their tests and the penalty matrix, against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skal_deep.evaluation import (
    PairedDifference,
    effect_size,
    holm,
    paired_difference,
    penalty_matrix,
    sign_flip_test,
)

rng = np.random.default_rng(0)
scores = st.lists(st.floats(0, 1), min_size=2, max_size=10)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_paired_difference_is_that_of_scipy(n):
    first, second = rng.normal(size=(2, n))
    ours, theirs = paired_difference(first, second), stats.ttest_rel(first, second)
    low, high = theirs.confidence_interval(0.95)
    assert ours.n == n
    assert ours.mean == pytest.approx((first - second).mean())
    assert (ours.low, ours.high) == pytest.approx((low, high))
    assert ours.p_value == pytest.approx(theirs.pvalue)


@given(scores, scores)
def test_wording_agrees_with_the_p_value(first, second):
    n = min(len(first), len(second))
    difference = paired_difference(first[:n], second[:n])
    if abs(difference.p_value - 0.05) > 1e-6:
        is_found = difference.wording in ("better", "worse")
        assert is_found == (difference.p_value < 0.05)


def test_wording():
    better = paired_difference([3, 4, 5.1], [1, 2, 3])
    assert better.wording == "better"
    assert paired_difference([1, 2, 3], [3, 4, 5.1]).wording == "worse"
    assert paired_difference([1, 2], [2, 1]).wording == "no difference detected"
    assert paired_difference([1, 2], [1, 2]).wording == "no difference detected"
    assert paired_difference([1], [2]).wording == "one repeat: no statement"


@pytest.mark.slow
def test_null_is_rejected_at_the_nominal_rate():
    n_studies = 4000
    first, second = rng.normal(size=(2, n_studies, 5))
    words = [
        paired_difference(a, b).wording for a, b in zip(first, second, strict=True)
    ]
    found = sum(word in ("better", "worse") for word in words)
    assert stats.binomtest(found, n_studies, 0.05).pvalue > 1e-3


def test_overlapping_splits_are_corrected_as_by_nadeau_and_bengio():
    gain, zeros = rng.normal(1, size=10), np.zeros(10)
    ours = paired_difference(gain, zeros, overlap=1 / 3)
    t = gain.mean() / np.sqrt((1 / 10 + 1 / 3) * gain.var(ddof=1))
    assert ours.p_value == pytest.approx(2 * stats.t.sf(t, 9))
    assert ours.p_value > paired_difference(gain, zeros).p_value


@pytest.mark.slow
def test_correlated_repeats_reject_a_true_null_at_the_nominal_rate():
    """With the correlation that the correction supposes; uncorrected, far too often."""
    n_studies, n, overlap = 3000, 10, 1 / 3
    correlation = overlap / (1 + overlap)
    shared = rng.normal(size=(n_studies, 1)) * np.sqrt(correlation)
    gains = shared + rng.normal(size=(n_studies, n)) * np.sqrt(1 - correlation)
    zeros = np.zeros(n)
    p = np.array([paired_difference(gain, zeros, overlap).p_value for gain in gains])
    assert stats.binomtest(int((p < 0.05).sum()), n_studies, 0.05).pvalue > 1e-3
    naive = np.array([paired_difference(gain, zeros).p_value for gain in gains])
    assert (naive < 0.05).mean() > 0.2


def test_corrected_wording_is_by_the_corrected_p_value():
    difference = paired_difference([3, 4, 5.1], [1, 2, 3])
    assert difference.word_at(0.04) == "better"
    assert difference.word_at(0.06) == "no difference detected"


@pytest.mark.parametrize("gain", [0.002, 1 / 3, -0.1])
@pytest.mark.parametrize(("n", "is_enough"), [(2, False), (5, False), (6, True)])
def test_equal_differences_are_no_certainty(n, is_enough, gain):
    """One row of a small test set in each of two repeats: t would be infinite."""
    scores = np.linspace(0.5, 0.9, n)
    difference = paired_difference(scores + gain, scores)  # up to round-off
    assert difference.sd == 0
    assert difference.p_value == 2 / 2**n
    assert (difference.wording != "no difference detected") == is_enough


@pytest.mark.parametrize("n", [3, 5, 6, 7, 8, 10])
@pytest.mark.parametrize("share_of_zeros", [0, 0.25, 0.5])
def test_wins_and_losses_of_one_size_are_found_at_most_as_often_as_stated(
    n, share_of_zeros
):
    """Seven repeats that are one row better or worse: t rejects in an eighth."""
    scores = np.linspace(0.5, 0.9, n)
    chance = 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            zeros = n - wins - losses
            gains = 0.01 * np.repeat([1, -1, 0], [wins, losses, zeros])
            found = paired_difference(scores + gains, scores)
            for level in (0.05, 0.01):
                low, high = found.interval(level)
                assert (low > 0 or high < 0) == (found.p_value < level)
            if found.p_value < 0.05:
                moves = (1 - share_of_zeros) / 2
                shares = [moves, moves, share_of_zeros]
                chance += stats.multinomial.pmf([wins, losses, zeros], n, shares)
    assert chance <= 0.05


def test_unknown_scores_stay_unknown():
    difference = paired_difference([0.5, np.nan, 0.7], [0.5, 0.6, 0.7])
    assert np.isnan([difference.mean, difference.sd, difference.p_value]).all()


def test_round_off_is_no_difference():
    scores = rng.random(8)
    same = paired_difference(scores, 3 * scores / 3 + np.spacing(scores))
    assert (same.mean, same.sd, same.p_value) == (0, 0, 1)


class TestEffectSize:
    def test_interval_covers_the_true_effect(self):
        covered = 0
        for gain in rng.normal(0.8, size=(400, 8)):
            effect, low, high = effect_size(paired_difference(gain, np.zeros(8)))
            assert low < effect < high
            covered += low < 0.8 < high
        assert stats.binomtest(covered, 400, 0.95).pvalue > 1e-3

    @given(st.floats(-1, 1), st.integers(3, 20), st.floats(0, 1))
    def test_interval_excludes_zero_exactly_when_significant(self, shift, n, overlap):
        gain = np.linspace(-1, 1, n) + shift
        difference = paired_difference(gain, np.zeros(n), overlap)
        effect, low, high = effect_size(difference)
        assert effect == pytest.approx(gain.mean() / gain.std(ddof=1))
        if abs(difference.p_value - 0.05) > 1e-3:
            assert (low > 0 or high < 0) == (difference.p_value < 0.05)

    @pytest.mark.parametrize("n", [3, 10])
    @pytest.mark.parametrize("t", [499.0, 501.0, 1e6, 1e9])
    def test_far_from_zero_only_the_spread_is_uncertain(self, n, t):
        """The interval is that of 1 / sd: chi-squared."""
        difference = PairedDifference(t / np.sqrt(n), 0, 0, 0, n, 1.0)
        mirrored = PairedDifference(-t / np.sqrt(n), 0, 0, 0, n, 1.0)
        effect, low, high = effect_size(difference)
        bounds = np.sqrt(stats.chi2.ppf((0.025, 0.975), n - 1) / (n - 1))
        np.testing.assert_allclose((low, high), bounds * effect, rtol=3e-4)
        np.testing.assert_allclose(effect_size(mirrored), (-effect, -high, -low), 3e-4)

    def test_nothing_is_said_without_spread(self):
        assert np.isnan(effect_size(paired_difference([1, 1], [0, 0]))).all()
        assert np.isnan(effect_size(paired_difference([1], [0]))).all()


class TestSignFlips:
    @pytest.mark.parametrize("n", [2, 5, 9, 13])
    def test_few_are_enumerated_as_by_scipy(self, n):
        gain = rng.normal(0.5, size=n)
        theirs = stats.permutation_test(
            (gain,), np.mean, permutation_type="samples", n_resamples=2**n
        )
        assert sign_flip_test(gain, rng) == pytest.approx(theirs.pvalue)

    def test_many_are_drawn(self):
        gain = rng.normal(0.4, size=30)
        ours = sign_flip_test(gain, np.random.default_rng(1))
        theirs = stats.permutation_test(
            (gain,), np.mean, permutation_type="samples", n_resamples=20_000
        )
        assert ours == pytest.approx(theirs.pvalue, abs=0.01)
        assert ours == sign_flip_test(gain, np.random.default_rng(1))

    def test_the_smallest_p_value_needs_six_pairs(self):
        assert sign_flip_test(np.ones(5), rng) == 2 / 2**5
        assert sign_flip_test(np.full(6, 0.1), rng) == 2 / 2**6 < 0.05
        assert sign_flip_test(np.zeros(6), rng) == 1

    @pytest.mark.slow
    @given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
    def test_enumeration_is_that_of_brute_force(self, gain):
        signs = np.array(np.meshgrid(*[[-1, 1]] * len(gain))).reshape(len(gain), -1)
        far = np.abs(np.array(gain) @ signs) >= abs(sum(gain))
        assert sign_flip_test(np.array(gain) / 10, rng) == far.mean()

    def test_null_is_rejected_at_most_at_the_nominal_rate(self):
        p = np.array([sign_flip_test(g, rng) for g in rng.laplace(size=(2000, 8))])
        assert stats.binomtest(int((p < 0.05).sum()), 2000, 0.05).pvalue > 1e-3


class TestHolm:
    def test_worked_example(self):
        np.testing.assert_allclose(
            holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]
        )

    @pytest.mark.slow
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
    def test_rejects_as_the_stepwise_procedure(self, p_values):
        corrected, m = holm(p_values), len(p_values)
        rejected = set()
        for step, i in enumerate(np.argsort(p_values)):
            if p_values[i] * (m - step) >= 0.05:
                break
            rejected.add(i)
        assert set(np.flatnonzero(corrected < 0.05)) == rejected
        assert (corrected >= p_values).all()

    @pytest.mark.slow
    def test_agrees_with_statsmodels(self):
        multitest = pytest.importorskip("statsmodels.stats.multitest")
        p_values = rng.uniform(size=7) ** 2
        theirs = multitest.multipletests(p_values, method="holm")[1]
        np.testing.assert_allclose(holm(p_values), theirs)

    def test_one_repeat_and_no_strategy(self):
        assert np.isnan(holm([np.nan, np.nan])).all()
        assert len(holm([])) == 0


def test_penalty_matrix_counts_stages_beaten():
    noise = rng.normal(scale=1e-3, size=(3, 8, 5))
    low, high, late = noise
    high[:, 1:] += 1  # beats all but ``late``'s last stage
    late[:, -1] += 1
    matrix = penalty_matrix([low, high, late])
    assert matrix[1, 0] == 1
    assert matrix[0, 1] == 0
    assert matrix[2, 0] >= 0.25
    assert matrix[1, 2] >= 0.75
    np.testing.assert_array_equal(np.diag(matrix), 0)
    assert (matrix + matrix.T <= 1).all()


def test_penalty_matrix_of_starts_alone_is_zero():
    np.testing.assert_array_equal(
        penalty_matrix([np.ones((3, 1))] * 2), np.zeros((2, 2))
    )


def test_penalty_matrix_is_that_of_single_tests():
    curves = rng.normal(size=(4, 6, 5)) + np.arange(4)[:, None, None]
    matrix = penalty_matrix(list(curves), overlap=0.2)
    for i, better in enumerate(curves):
        for j, worse in enumerate(curves):
            words = [
                paired_difference(better[:, t], worse[:, t], 0.2).wording
                for t in range(1, 5)
            ]
            assert matrix[i, j] == words.count("better") / 4


def test_penalty_matrix_takes_equal_gaps_for_no_certainty():
    """Two repeats in which one more row of a small test set is right."""
    first = np.linspace(0.5, 0.7, 6).reshape(2, 3)
    matrix = penalty_matrix([first, first + np.array([0, 0.02, 0.02])])
    np.testing.assert_array_equal(matrix, np.zeros((2, 2)))
