"""Labels that one way needs for the score of the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.evaluation import labels_needed, labels_to_reach
from skal_deep.evaluation.statistics import _savings

LABELS = np.array([10, 20, 30, 40, 50])


def test_points_and_what_lies_between():
    scores = [0.5, 0.6, 0.8, 0.8, 0.9]
    needed = labels_to_reach(LABELS, scores, [0.4, 0.5, 0.55, 0.8, 0.85, 0.9, 0.91])
    np.testing.assert_allclose(needed, [10, 10, 15, 30, 45, 50, np.inf])


def test_a_fall_is_smoothed():
    needed = labels_to_reach(LABELS, [0.5, 0.7, 0.6, 0.8, 0.8], [0.575, 0.7])
    np.testing.assert_allclose(needed, [15, 30 + 10 / 3])


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.floats(0, 1))
def test_the_curve_has_the_score_there(scores, target):
    risen = np.sort(scores)
    needed = labels_to_reach(LABELS, risen, [target])[0]
    if np.isinf(needed):
        assert risen[-1] < target
    elif risen[0] < target:
        assert np.interp(needed, LABELS, risen) == pytest.approx(target, abs=1e-6)
    else:
        assert needed == 10


def simulated(rng, n_repeats=10, speed=1.0, noise=0.01):
    curve = 1 - np.exp(-speed * LABELS / 30)
    return curve + noise * rng.normal(size=(n_repeats, len(LABELS)))


@pytest.mark.slow
def test_interval_covers_the_true_number():
    """A strategy twice as fast: random sampling needs 40 labels where it needs 20."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(25):
        fast = simulated(rng, speed=2.0)[:, 1:2]
        found = labels_needed(LABELS, simulated(rng), fast, rng)
        covered += found.low[0] <= 40 <= found.high[0]
        assert found.low[0] <= found.needed[0] <= found.high[0]
    assert covered >= 19


@pytest.mark.slow
@pytest.mark.parametrize("n_repeats", [6, 8])
def test_interval_covers_with_few_repeats(n_repeats, monkeypatch):
    """Percentiles 2.5 and 97.5 cover .87 and .91 here: their spread is that of few."""
    monkeypatch.setattr(_savings, "_N_RESAMPLES", 200)
    n_studies, covered = 100, 0
    for seed in range(n_studies):
        rng = np.random.default_rng(seed)
        fast, slow = (
            simulated(rng, n_repeats, speed, noise=0.005)
            + 0.01 * rng.normal(size=(n_repeats, 1))
            for speed in (2.0, 1.0)
        )
        found = labels_needed(LABELS, slow, fast[:, 1:2], rng)
        covered += found.low[0] <= 40 <= found.high[0]
    assert covered >= 0.93 * n_studies


def test_one_repeat_has_no_interval():
    found = labels_needed(
        LABELS,
        simulated(np.random.default_rng(0), 1),
        [[0.6]],
        np.random.default_rng(0),
    )
    assert np.isfinite(found.needed).all()
    assert np.isnan([found.low, found.high]).all()


def test_what_is_never_reached_is_censored():
    rng = np.random.default_rng(0)
    fast = simulated(rng, speed=2.0)[:, -1:]
    found = labels_needed(LABELS, simulated(rng), fast, rng)
    assert found.needed[0] == found.low[0] == found.high[0] == np.inf


def test_an_interval_can_be_open_to_one_side():
    rng = np.random.default_rng(0)
    alike = labels_needed(
        LABELS, simulated(rng, noise=0.05), simulated(rng, noise=0.05)[:, -1:], rng
    )
    assert alike.low[0] < 50
    assert alike.high[0] == np.inf


def test_equal_generators_give_equal_intervals():
    curves = simulated(np.random.default_rng(0))
    first, second = (
        labels_needed(LABELS, curves, curves[:, 2:3], np.random.default_rng(1))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.low, second.low)
    np.testing.assert_array_equal(first.high, second.high)
