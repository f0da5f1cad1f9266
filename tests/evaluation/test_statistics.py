"""Areas, paired differences and the penalty matrix, against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skal_deep.evaluation import area_under_curve, paired_difference, penalty_matrix
from skal_deep.evaluation._statistics import mean_and_band

rng = np.random.default_rng(0)
scores = st.lists(st.floats(0, 1), min_size=2, max_size=10)


def test_area_of_a_line_is_its_middle():
    assert area_under_curve([10, 20, 40], [0.1, 0.2, 0.4]) == pytest.approx(0.25)


def test_area_weighs_by_labels():
    assert area_under_curve([0, 1, 10], [0.0, 1.0, 1.0]) == pytest.approx(0.95)


def test_area_of_a_point_is_its_height():
    assert area_under_curve([10], [0.3]) == 0.3


@given(scores, st.floats(0.1, 100))
def test_area_lies_among_the_scores_and_ignores_the_unit(heights, unit):
    labels = np.arange(len(heights)) ** 2.0 + 1
    area = area_under_curve(labels, heights)
    assert min(heights) - 1e-12 <= area <= max(heights) + 1e-12
    assert area_under_curve(labels * unit, heights) == pytest.approx(area)


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


def test_null_is_rejected_at_the_nominal_rate():
    n_studies = 4000
    first, second = rng.normal(size=(2, n_studies, 5))
    words = [
        paired_difference(a, b).wording for a, b in zip(first, second, strict=True)
    ]
    found = sum(word in ("better", "worse") for word in words)
    assert stats.binomtest(found, n_studies, 0.05).pvalue > 1e-3


def test_band_is_that_of_scipy():
    curves = rng.normal(size=(6, 4))
    mean, low, high = mean_and_band(curves)
    for t in range(4):
        interval = stats.t.interval(
            0.95, 5, curves[:, t].mean(), stats.sem(curves[:, t])
        )
        assert (low[t], high[t]) == pytest.approx(interval)
        assert mean[t] == pytest.approx(curves[:, t].mean())


def test_band_of_one_curve_is_the_curve():
    curve = np.array([[0.1, 0.2]])
    for part in mean_and_band(curve):
        np.testing.assert_array_equal(part, curve[0])


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
