"""Areas and bands of learning curves, against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skal_deep.evaluation import area_under_curve
from skal_deep.evaluation.statistics._curves import mean_and_band

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


def test_area_over_logarithms_weighs_doublings_alike():
    area = area_under_curve(np.log([10, 20, 40]), [0.0, 1.0, 1.0])
    assert area == pytest.approx(0.75)


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
