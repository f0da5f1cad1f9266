"""Intervals of rare mistakes: tabled values, exact laws, coverage."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from skal_deep.evaluation import active_testing, draw_floors, unbiased_risk
from skal_deep.evaluation.risk import _intervals
from skal_deep.evaluation.risk._intervals import (
    anytime_interval,
    exact_interval,
    gamma_interval,
)


def uniform(n_labels, n_pool):
    return 1 / (n_pool - np.arange(n_labels))


def mistakes(n_mistakes, n_labels):
    return (np.arange(n_labels) < n_mistakes).astype(float)


@pytest.mark.parametrize(
    ("n_mistakes", "n_labels", "n_pool", "low", "high"),
    [
        (0, 30, 2_000, 0, 0.1145),
        (3, 50, 200, 0.02, 0.15),
        (3, 50, 10**6, 0.01255, 0.16548),
    ],
)
def test_exact_interval(n_mistakes, n_labels, n_pool, low, high):
    found = unbiased_risk(
        mistakes(n_mistakes, n_labels), uniform(n_labels, n_pool), n_pool
    )
    assert found.interval == "exact"
    assert found.n_mistakes == n_mistakes
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)


def test_exact_interval_by_trying_all_numbers():
    for n_pool, n_labels in ((12, 5), (40, 13), (7, 7), (30, 29)):
        for k in range(n_labels + 1):
            totals = np.arange(k, n_pool - n_labels + k + 1)
            at_least = stats.hypergeom.sf(k - 1, n_pool, totals, n_labels) > 0.05
            at_most = stats.hypergeom.cdf(k, n_pool, totals, n_labels) > 0.05
            expected = totals[at_least].min() / n_pool, totals[at_most].max() / n_pool
            assert exact_interval(k, n_labels, n_pool, 0.9) == expected


def test_exact_interval_covers_for_every_number_of_mistakes():
    n_pool, n_labels = 60, 20
    bounds = [exact_interval(k, n_labels, n_pool, 0.95) for k in range(n_labels + 1)]
    for total in range(n_pool + 1):
        chance = stats.hypergeom.pmf(np.arange(n_labels + 1), n_pool, total, n_labels)
        covered = [low <= total / n_pool <= high for low, high in bounds]
        assert chance @ covered >= 0.95


def test_gamma_interval():
    ones = np.full(50, 1 / 50)
    assert gamma_interval(ones, mistakes(0, 50) == 1, 1 / 50, 0.95)[1] == pytest.approx(
        0.0737776, abs=1e-7
    )
    assert gamma_interval(ones, mistakes(3, 50) == 1, 1 / 50, 0.95) == pytest.approx(
        (0.0123734, 0.1753455), abs=1e-7
    )
    weights = np.repeat([0.5, 2.0], 25) / 50
    is_mistake = np.isin(np.arange(50), (0, 25))
    found = gamma_interval(weights, is_mistake, 2 / 50, 0.95)
    assert found == pytest.approx((0.0034502, 0.2325086), abs=1e-7)


def test_a_draw_that_was_next_to_impossible_leaves_all_open():
    """Weights whose squares no float holds."""
    for floor in (None, [1e-300, 1e-300]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the unknown floor
            found = unbiased_risk([0, 0], [1e-300, 0.5], 100, floor=floor)
        assert (found.low, found.high, found.interval) == (0, 1, "gamma")


def test_no_mistake_is_no_proof_of_none():
    tilted = np.full(40, 2e-3)
    highs = []
    for n in (10, 20, 40):
        found = unbiased_risk(np.zeros(n), tilted[:n], 1_000, floor=tilted[:n] / 4)
        assert found.risk == found.low == 0
        assert found.interval == "gamma"
        highs.append(found.high)
    assert highs[0] > highs[1] > highs[2] > 0
    rarer = unbiased_risk(np.zeros(40), tilted, 1_000, floor=tilted / 8)
    assert rarer.high > highs[2]


def test_the_gamma_interval_contains_the_exact_one():
    for k in (0, 1, 4, 20):
        proba = uniform(40, 5_000)
        exact, gamma = (
            unbiased_risk(mistakes(k, 40), proba, 5_000, interval=kind)
            for kind in ("exact", "gamma")
        )
        assert gamma.low <= exact.low + 1e-9
        assert gamma.high >= exact.high - 2e-3


def draws(rng, proba_N, n_labels):
    """Draw rows one after another, and return draws, probabilities and floors."""
    keys = np.log(proba_N) + rng.gumbel(size=len(proba_N))
    order = np.argsort(-keys)[:n_labels]
    gone = np.concatenate([[0], np.cumsum(proba_N[order])[:-1]])
    chance = proba_N[order] / (1 - gone)
    floor = proba_N.min() / (1 - gone)
    return order, chance, np.minimum(floor, chance)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["auto", "anytime"])
@pytest.mark.parametrize("is_uniform", [True, False])
def test_intervals_cover(kind, is_uniform):
    rng = np.random.default_rng(0)
    n_pool, n_labels, n_runs = 1_000, 30, 400 if kind == "auto" else 100
    is_mistake = (rng.random(n_pool) < 0.05).astype(float)
    # The draws prefer some of the mistakes, and half of them not at all.
    expected = np.where(rng.random(n_pool) < 0.5, is_mistake, 0) + 0.01
    proba_N = np.full(n_pool, 1 / n_pool)
    if not is_uniform:
        proba_N = 0.5 / n_pool + 0.5 * expected / expected.sum()
    covered = 0
    for _ in range(n_runs):
        order, chance, floor = draws(rng, proba_N, n_labels)
        found = unbiased_risk(
            is_mistake[order], chance, n_pool, floor=floor, interval=kind
        )
        covered += found.low <= is_mistake.mean() <= found.high
    assert covered / n_runs >= 0.95
    student = unbiased_risk(np.zeros(40), uniform(40, 100), 100, interval="exact")
    assert student.high > 0


@pytest.mark.slow
def test_the_anytime_interval_covers_at_every_look():
    rng = np.random.default_rng(1)
    loss = rng.beta(0.3, 2, size=400)
    proba = uniform(100, 400)
    missed = 0
    for _ in range(50):
        order = rng.permutation(400)[:100]
        missed += any(
            not found.low <= loss.mean() <= found.high
            for n in (5, 20, 100)
            for found in [
                unbiased_risk(loss[order[:n]], proba[:n], 400, interval="anytime")
            ]
        )
    assert missed / 50 <= 0.06


def test_a_whole_pool_is_known():
    found = unbiased_risk(mistakes(3, 20), uniform(20, 20), 20)
    assert found.low == found.high == found.risk == 0.15


def test_student_is_used_with_care():
    rng = np.random.default_rng(0)
    loss, proba = rng.random(60), uniform(60, 500)
    assert unbiased_risk(loss, proba, 500).interval == "t"
    with pytest.warns(UserWarning, match="with 10 labels"):
        unbiased_risk(loss[:10], proba[:10], 500)
    loss[0] = 1_000
    with pytest.warns(UserWarning, match="of the estimate"):
        unbiased_risk(loss, proba, 500)


@pytest.mark.parametrize("loss", [0.0, 0.5, 5.0, -1.0])
def test_equal_losses_give_students_interval_no_width(loss):
    with pytest.warns(UserWarning, match="All 40 losses are equal"):
        found = unbiased_risk(np.full(40, loss), uniform(40, 500), 500, interval="t")
    assert found.low == pytest.approx(found.high)


@pytest.mark.parametrize("losses", [["a"] * 3, np.zeros(3) * 1j])
def test_losses_are_numbers(losses):
    with pytest.raises(TypeError, match="losses must be numbers"):
        unbiased_risk(losses, uniform(3, 50), 50)


@pytest.mark.filterwarnings("ignore:The interval of Student's t")
@pytest.mark.parametrize("kind", ["exact", "gamma", "t", "anytime"])
@pytest.mark.parametrize("n_labels", [1, 5, 50])
def test_all_of_an_estimate_are_plain_numbers(kind, n_labels):
    found = unbiased_risk(
        mistakes(1, n_labels).astype(np.float32),
        uniform(n_labels, 50),
        np.int64(50),
        interval=kind,
        level=np.float64(0.9),
    )
    kinds = {name: type(value) for name, value in vars(found).items()}
    assert kinds == {
        **dict.fromkeys(["risk", "standard_error", "low", "high"], float),
        **dict.fromkeys(["n", "n_mistakes"], int),
        "interval": str,
    }


@pytest.mark.parametrize("level", ["0.95", None, [0.95], True, np.array([0.9, 0.95])])
def test_a_level_is_a_number(level):
    with pytest.raises(TypeError, match="level must be a number between 0 and 1"):
        unbiased_risk(mistakes(1, 5), uniform(5, 50), 50, level=level)


def test_single_numbers_are_no_draws():
    with pytest.raises(ValueError, match=r"proba must hold 1 ... 50 draws"):
        unbiased_risk(0, 0.02, 50)
    with pytest.raises(ValueError, match=r"3 draws and losses of shape \(\)"):
        unbiased_risk(0, uniform(3, 50), 50)


def test_masked_losses_are_none():
    losses = np.ma.masked_array(mistakes(1, 5), [0, 0, 0, 0, 1])
    with pytest.raises(ValueError, match="losses has 1 of 5 values"):
        unbiased_risk(losses, uniform(5, 50), 50)


def test_losses_too_large_for_an_error_bar_are_refused():
    with pytest.raises(ValueError, match="too large to be squared"):
        unbiased_risk(np.full(30, 1e160), uniform(30, 50), 50)


@pytest.mark.parametrize("kind", ["gamma", "anytime"])
def test_a_floor_that_leaves_too_little_for_the_draw_is_refused(kind):
    # 49 other points of 1 / 50 each leave 1 / 50, not 1 / 2.
    proba, n_pool = np.full(3, 0.5), 50
    with pytest.raises(ValueError, match=r"proba \+ \(N - m\) \* floor"):
        unbiased_risk(mistakes(1, 3), proba, n_pool, floor=[1 / 50] * 3, interval=kind)
    possible = 0.5 / (n_pool - np.arange(1, 4))
    found = unbiased_risk(mistakes(1, 3), proba, n_pool, floor=possible, interval=kind)
    with pytest.warns(UserWarning, match="pass `floor`"):  # no draw was below chance
        unknown = unbiased_risk(mistakes(1, 3), proba, n_pool, interval=kind)
    assert (unknown.low, unknown.high) == (found.low, found.high)


def test_an_unknown_floor_is_said():
    proba = uniform(40, 500) * np.linspace(0.5, 2, 40)
    with pytest.warns(UserWarning, match="pass `floor`"):
        unbiased_risk(np.zeros(40), proba, 500)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"interval": "wald"}, "'anytime', not 'wald'"),
        ({"level": 95}, "between 0 and 1, not 95"),
        ({"floor": [0.001]}, r"40 draws and floors of shape \(1,\)"),
        ({"floor": np.zeros(40)}, "floor must lie above 0"),
        ({"floor": np.full(40, 0.9)}, "floor must lie above 0"),
        ({"interval": "exact", "losses": np.full(40, 0.5)}, "losses that are 0 or 1"),
        ({"interval": "anytime", "losses": np.full(40, 2.0)}, "between 0 and 1"),
        ({"interval": "exact", "proba": np.full(40, 0.001)}, "drawn at random"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    call = {"losses": mistakes(2, 40), "proba": uniform(40, 500), "n_pool": 500}
    with pytest.raises(ValueError, match=says):
        unbiased_risk(**(call | change))


@pytest.mark.parametrize("kind", ["gamma", "anytime"])
def test_a_floor_above_chance_is_refused(kind):
    proba, left = np.full(3, 0.5), 50 - np.arange(3)
    with pytest.raises(ValueError, match="floor must lie above 0"):
        unbiased_risk(mistakes(1, 3), proba, 50, floor=1.1 / left, interval=kind)


@pytest.mark.parametrize("kind", ["gamma", "anytime"])
def test_without_a_floor_the_smallest_share_of_chance_is_taken(kind):
    chance = uniform(40, 500)
    proba, loss = np.tile([0.5, 2.0, 0.25, 1.0], 10) * chance, mistakes(1, 40)
    with pytest.warns(UserWarning, match="pass `floor`"):
        unknown = unbiased_risk(loss, proba, 500, interval=kind)
    floors = [0.25 * chance, 0.2 * chance]
    told, wider = (
        unbiased_risk(loss, proba, 500, floor=floor, interval=kind) for floor in floors
    )
    assert (unknown.low, unknown.high) == (told.low, told.high)
    assert wider.high > told.high


@pytest.mark.filterwarnings("ignore:The interval of Student's t")
def test_student_stays_above_zero_where_losses_do():
    loss = np.zeros(30)
    loss[0] = 0.7
    found = unbiased_risk(loss, uniform(30, 500), 500, interval="t")
    assert found.low == 0
    assert unbiased_risk(-loss, uniform(30, 500), 500, interval="t").low < 0


@pytest.mark.slow
def test_a_coarser_grid_makes_no_anytime_interval_shorter(monkeypatch):
    estimates = np.random.default_rng(0).beta(0.3, 2, size=9), np.zeros(9), np.ones(9)
    cases = [(alone, np.full(9, 1.5), 0.9) for alone in estimates]
    coarse = [anytime_interval(*case) for case in cases]
    for n_grid in (5_001, 20_001):
        monkeypatch.setattr(_intervals, "_N_GRID", n_grid)
        fine = [anytime_interval(*case) for case in cases]
        for (low, high), (its_low, its_high) in zip(coarse, fine, strict=True):
            assert low <= its_low + 1e-12
            assert high >= its_high - 1e-12


def test_what_an_anytime_interval_ruled_out_once_stays_so():
    alone = np.concatenate([np.zeros(60), np.tile([0.5, 0, 0, 0, 0, 0], 10)])
    found = [anytime_interval(alone[:m], np.ones(m), 0.95) for m in (60, 80, 120)]
    for (low, high), (later_low, later_high) in itertools.pairwise(found):
        assert low <= later_low <= later_high <= high


def test_an_anytime_interval_that_rules_out_all_means_says_nothing():
    # Estimates that no mean could have given: first all small, then all large.
    alone = np.repeat([0.0, 50.0], 200)
    assert anytime_interval(alone, np.full(400, 50.0), 0.95) == (0.0, 1.0)


def test_active_testing_tells_how_rarely_a_point_could_be_drawn():
    from sklearn.naive_bayes import GaussianNB

    rng = np.random.default_rng(0)
    y = rng.integers(2, size=300)
    X = rng.normal(size=(300, 1)) + 2 * y[:, None]
    clf = GaussianNB().fit(X[:20], y[:20])
    rows, proba, floor = active_testing(clf, X[20:], 50, random_state=0)
    left = 280 - np.arange(50)
    assert (floor >= 0.5 / left - 1e-12).all()
    assert (floor <= np.minimum(proba, 1 / left) + 1e-12).all()
    losses = clf.predict(X[20:][rows]) != y[20:][rows]
    found = unbiased_risk(losses, proba, 280, floor=floor)
    assert found.interval == "gamma"
    assert found.low <= (clf.predict(X[20:]) != y[20:]).mean() <= found.high


def test_floors_of_a_query():
    utilities = [[0.2, 0.5, 0.3, np.nan], [0.4, np.nan, 0.6, np.nan]]
    assert draw_floors(utilities).tolist() == [0.2, 0.4]


@pytest.mark.parametrize(
    ("utilities", "message"),
    [
        ([[3.0, 1.0, 0.2]], "no probabilities"),
        ([[0.5, 0.5, 0.0]], "probability 0"),
        ([0.5, 0.5], "a row of utilities for each draw"),
    ],
)
def test_floors_are_refused_where_nothing_was_drawn_at_random(utilities, message):
    with pytest.raises(ValueError, match=message):
        draw_floors(utilities)
