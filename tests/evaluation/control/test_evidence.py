"""Evidence of wins and losses: closed forms, and false alarms at any time."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from skal_deep.evaluation import log_e_value, share_interval
from skal_deep.evaluation.control._evidence import (
    decided_rows_needed,
    log_e_margin,
    sign_test,
)

VALUES = {
    (0, 0): 0.0,
    (1, 0): 0.405465,
    (0, 1): -0.693147,
    (5, 0): 2.351375,
    (10, 2): 2.245015,
    (20, 8): 1.772316,
    (60, 40): 0.578891,
}


@pytest.mark.parametrize("counts", VALUES)
def test_values(counts):
    assert log_e_value(*counts) == pytest.approx(VALUES[counts], abs=5e-7)


@pytest.mark.parametrize("counts", [(3, 1), (7, 9), (0, 4)])
def test_is_the_average_over_shares_above_one_half(counts):
    wins, losses = counts
    area, _ = quad(lambda p: p**wins * (1 - p) ** losses, 0.5, 1)
    expected = math.log(2 * 2 ** (wins + losses) * area)
    assert log_e_value(wins, losses) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("n", [1, 7, 60, 400])
def test_mean_is_one_for_fair_coins(n):
    wins = np.arange(n + 1)
    e_values = np.exp([log_e_value(w, n - w) for w in wins])
    assert (binom.pmf(wins, n, 0.5) * e_values).sum() == pytest.approx(1, abs=1e-10)


def test_large_counts():
    assert 1e5 < log_e_value(2e6, 1e6) < math.inf
    for n in (10, 1_000, 1_100, 10**6):
        assert log_e_value(n, 0) == pytest.approx(
            math.log(2) * (n + 1) - math.log(n + 1) + math.log1p(-(0.5 ** (n + 1)))
        )


@pytest.mark.parametrize("losses", [1, 500, 1_100, 20_000, 10**9])
def test_losses_alone_leave_one_over_their_number(losses):
    """The integral of (2 - 2 p) ** L: shares close to one half are never ruled out."""
    assert log_e_value(0, losses) == pytest.approx(-math.log(losses + 1), abs=1e-6)


@pytest.mark.parametrize("counts", [(3, 5_000), (700, 2_600), (10**6, 2 * 10**6)])
def test_many_losses_against_the_integral(counts):
    wins, losses = counts
    width = 60 / (losses - wins)  # beyond, nothing is left

    def ratio(p):
        return math.exp(wins * math.log(2 * p) + losses * math.log(2 * (1 - p)))

    area, _ = quad(ratio, 0.5, 0.5 + width, epsabs=0, epsrel=1e-10)
    assert log_e_value(wins, losses) == pytest.approx(math.log(2 * area), abs=1e-8)


@pytest.mark.slow
def test_false_alarms_of_fair_coins():
    rng = np.random.default_rng(0)
    wins_RT = (rng.random((2000, 300)) < 0.5).cumsum(axis=1)
    table = np.array(
        [
            [log_e_value(w, n - w) if w <= n else 0 for w in range(301)]
            for n in range(301)
        ]
    )
    ever = table[np.arange(1, 301), wins_RT].max(axis=1)
    assert (ever >= math.log(40)).mean() <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 2000)


def test_interval():
    assert share_interval(60, 40) == pytest.approx((-0.1114, 0.5114), abs=5e-5)
    assert share_interval(0, 0) == (-1, 1)
    low, high = share_interval(3, 1)
    assert (-high, -low) == pytest.approx(share_interval(1, 3))
    assert high == 1


@pytest.mark.slow
def test_interval_holds_the_running_mean_at_all_times():
    rng = np.random.default_rng(1)
    n = np.arange(1, 301)
    chance_T = np.where(n < 150, 0.7, 0.4)  # what is true may change
    wins_RT = (rng.random((200, 300)) < chance_T).cumsum(axis=1)
    mean_T = (2 * chance_T - 1).cumsum() / n
    is_missed_RT = [
        [
            not low <= mean <= high
            for mean, (low, high) in zip(mean_T, bounds, strict=True)
        ]
        for bounds in (
            [share_interval(w, t - w) for w, t in zip(wins_T, n, strict=True)]
            for wins_T in wins_RT
        )
    ]
    assert np.mean(np.any(is_missed_RT, axis=1)) <= 0.05


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf])
def test_counts_are_checked(wrong):
    with pytest.raises(ValueError, match="wins must be a number"):
        log_e_value(wrong, 0)
    with pytest.raises(ValueError, match="losses must be a number"):
        share_interval(0, wrong)


@pytest.mark.parametrize("level", [0, 1, math.nan])
def test_level_is_checked(level):
    with pytest.raises(ValueError, match="level must lie between"):
        share_interval(3, 2, level)


def test_margin():
    outcomes, margins = np.array([1, 0, -1, 1]), np.array([0.1, 0.1, 0.2, 0.2])
    bets = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.7])
    products = [
        np.prod(
            [1 + b / (1 + m) * (d - m) for d, m in zip(outcomes, margins, strict=True)]
        )
        for b in bets
    ]
    assert log_e_margin(outcomes, margins) == pytest.approx(math.log(np.mean(products)))
    assert log_e_margin([], []) == 0


def test_false_alarms_at_the_margin():
    rng = np.random.default_rng(2)
    n_runs, n_rows, margin = 1000, 200, 0.1
    # wins and losses whose mean is the margin, with ties: no difference that counts
    outcome_RT = rng.choice([1, 0, -1], p=[0.45, 0.2, 0.35], size=(n_runs, n_rows))
    bets = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.7])[:, None, None] / (1 + margin)
    wealth = np.exp(np.log1p(bets * (outcome_RT - margin)).cumsum(axis=2)).mean(axis=0)
    at = n_rows // 2
    assert np.log(wealth[0, at]) == pytest.approx(
        log_e_margin(outcome_RT[0, : at + 1], np.full(at + 1, margin))
    )
    assert (wealth.max(axis=1) >= 40).mean() <= 0.025


def test_rows_needed_reach_the_level():
    for share in (0.55, 0.7, 0.9, 1.0):
        n = decided_rows_needed(share, 0.025)
        assert log_e_value(share * n, (1 - share) * n) >= math.log(40)
        assert log_e_value(share * (n - 1), (1 - share) * (n - 1)) < math.log(40)


def test_sign_test():
    assert sign_test(10, 0) == pytest.approx(0.5**10)
    assert sign_test(0, 3) == sign_test(0, 0) == 1
    for wins in range(1, 8):
        assert sign_test(wins, 7 - wins) == pytest.approx(binom.sf(wins - 1, 7, 0.5))
