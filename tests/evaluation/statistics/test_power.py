"""What a number of repeats can detect, against published numbers and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skal_deep.evaluation import (
    detectable_effect,
    paired_difference,
    paired_power,
    repeats_needed,
)
from skal_deep.evaluation.statistics._power import fewest_repeats

rng = np.random.default_rng(0)


@pytest.mark.parametrize(("effect", "n"), [(1.0, 10), (0.5, 34), (0.8, 15)])
def test_textbook_numbers_of_pairs(effect, n):
    """Those of G*Power for a power of 80 %."""
    assert repeats_needed(effect) == repeats_needed(-effect) == n


def test_three_pairs_show_little():
    assert paired_power(1.0, 3) == pytest.approx(0.18, abs=0.005)
    assert detectable_effect(1) == np.inf


def test_power_without_effect_is_the_level():
    assert paired_power(0, 7) == pytest.approx(0.05)
    assert paired_power(0, 7, level=0.01) == pytest.approx(0.01)


def test_power_agrees_with_statsmodels():
    power = pytest.importorskip("statsmodels.stats.power")
    theirs = power.TTestPower().power(0.7, 12, 0.05)
    assert paired_power(0.7, 12) == pytest.approx(theirs)


@pytest.mark.slow
@given(st.integers(2, 60), st.sampled_from([0.05, 0.01, 0.05 / 9]), st.floats(0, 1))
def test_the_detectable_effect_is_detected_in_four_of_five(n, level, overlap):
    effect = detectable_effect(n, level, overlap)
    assert paired_power(effect, n, level, overlap) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_a_planted_gain_is_found_with_the_predicted_power(overlap):
    n_studies, n, sd = 2000, 8, 0.02
    gain = sd * detectable_effect(n, overlap=overlap)
    correlation = overlap / (1 + overlap)
    # sd is that of repeats within one data set, as a study would estimate it
    shared = rng.normal(size=(n_studies, 1)) * np.sqrt(correlation / (1 - correlation))
    gains = gain + sd * (shared + rng.normal(size=(n_studies, n)))
    found = [
        paired_difference(g, np.zeros(n), overlap).wording == "better" for g in gains
    ]
    assert stats.binomtest(sum(found), n_studies, 0.8).pvalue > 1e-3


def test_overlap_sets_a_limit():
    assert repeats_needed(0.5, overlap=1 / 3) is None
    assert repeats_needed(3.0, overlap=1 / 3) > repeats_needed(3.0)
    assert repeats_needed(0.0) is None


@pytest.mark.parametrize(("n_tests", "n"), [(1, 6), (5, 8), (16, 10)])
def test_fewest_repeats_of_a_permutation_test(n_tests, n):
    assert fewest_repeats(n_tests) == n
    assert n_tests * 2 / 2**n <= 0.05 < n_tests * 2 / 2 ** (n - 1)
