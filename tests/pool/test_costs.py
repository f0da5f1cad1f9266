"""Labels that cost: scores per cost, and queries that keep to a budget."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.pool import (
    Badge,
    CoreSet,
    MarginSampling,
    PerCost,
    Power,
    PredictiveEntropy,
    Softmax,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.where(np.arange(60) < 12, X[:, 0] > 0, -1)
COST = RNG.uniform(1, 10, size=60)
CLF = LogisticRegression()


def test_utilities_are_scores_per_cost():
    options = {"batch_size": 4, "return_utilities": True, "cost": COST}
    _, scores = PredictiveEntropy(random_state=0).query(X, Y, CLF, **options)
    strategy = PredictiveEntropy(selection=PerCost(), random_state=0)
    picks, per_cost = strategy.query(X, Y, CLF, **options)
    np.testing.assert_allclose(per_cost[0], scores[0] / COST)
    assert picks[0] == np.nanargmax(scores[0] / COST)


def test_a_cost_alone_changes_no_pick():
    picks = MarginSampling(random_state=0).query(X, Y, CLF, batch_size=5)
    same = MarginSampling(random_state=0).query(X, Y, CLF, batch_size=5, cost=COST)
    assert np.array_equal(picks, same)


@pytest.mark.parametrize("rule", [None, Power(), Softmax()])
def test_cheap_rows_are_preferred_by_any_rule(rule):
    cheap = np.where(np.arange(60) % 2 == 0, 1.0, 1e6)
    strategy = MarginSampling(selection=PerCost(rule), random_state=0)
    picks = strategy.query(X, Y, CLF, batch_size=8, cost=cheap)
    assert len(picks) == 8
    if rule is None:
        assert (picks % 2 == 0).all()


@pytest.mark.parametrize(
    "strategy",
    [MarginSampling(selection=PerCost()), Badge(), CoreSet(), MarginSampling()],
)
@pytest.mark.parametrize("candidates", [None, np.arange(20, 50)])
def test_a_budget_is_kept(strategy, candidates):
    strategy.set_params(random_state=0)
    options = {"candidates": candidates, "cost": COST, "budget": 12.0, "batch_size": 30}
    picks = strategy.query(X, Y, CLF, **options)
    again, utilities = strategy.query(X, Y, CLF, return_utilities=True, **options)
    assert np.array_equal(picks, again)
    assert 0 < len(picks) < 30
    assert COST[picks].sum() <= 12
    assert utilities.shape == (len(picks), 60)
    assert (Y[picks] == -1).all()


def test_a_budget_buys_what_it_can():
    picks = CoreSet(random_state=0).query(
        X, Y, CLF, batch_size=48, cost=np.full(60, 0.1), budget=0.3
    )
    assert len(picks) == 3


def test_rows_beyond_the_budget_are_no_candidates():
    cost = np.where(np.arange(60) == 30, 1.0, 100.0)
    picks = MarginSampling(random_state=0).query(
        X, Y, CLF, batch_size=3, cost=cost, budget=50
    )
    assert picks.tolist() == [30]


def test_picks_per_cost_do_not_depend_on_storage():
    strategy = PredictiveEntropy(selection=PerCost(), random_state=0)
    order = RNG.permutation(60)
    picks = strategy.query(X, Y, CLF, batch_size=5, cost=COST)
    others = strategy.query(X[order], Y[order], CLF, batch_size=5, cost=COST[order])
    assert np.array_equal(order[others], picks)


def test_candidates_as_inputs_have_costs_of_their_own():
    strategy = PredictiveEntropy(selection=PerCost(Power()), random_state=0)
    picks, utilities = strategy.query(
        X, Y, CLF, candidates=X[20:30], cost=COST[20:30], return_utilities=True
    )
    assert utilities.shape == (1, 10)
    assert 0 <= picks[0] < 10


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"cost": COST[:5]}, ValueError, "cost must hold a positive number"),
        ({"cost": -COST}, ValueError, "cost must hold a positive number"),
        ({"cost": COST * np.nan}, ValueError, "cost must hold a positive number"),
        ({"cost": "much"}, ValueError, "cost must hold a positive number"),
        ({"budget": 3}, ValueError, "pass cost, too"),
        ({"cost": COST, "budget": 0.1}, ValueError, "the cheapest candidate costs"),
        ({"cost": COST, "budget": "1"}, TypeError, "budget must be a number"),
        (
            {"cost": COST[:9], "budget": 9, "candidates": X[:9]},
            ValueError,
            "by their positions",
        ),
    ],
)
def test_costs_that_make_no_sense(options, error, words):
    with pytest.raises(error, match=words):
        MarginSampling().query(X, Y, CLF, **options)


def test_the_rule_needs_costs():
    with pytest.raises(ValueError, match="PerCost needs to know"):
        MarginSampling(selection=PerCost()).query(X, Y, CLF)


def test_studies_pass_costs_on():
    y = (X[:, 0] > 0).astype(int)
    cost = np.where(np.arange(60) % 2 == 0, 1.0, 50.0)
    comparison = compare_strategies(
        {"dear": MarginSampling(), "cheap": MarginSampling(selection=PerCost())},
        GaussianNB(),
        X,
        y,
        cost=cost,
        n_repeats=2,
        n_initial=4,
        batch_size=4,
        n_cycles=2,
        progress=False,
        random_state=0,
    )
    spent = {n: comparison.curve(n, "cost")[:, -1].mean() for n in ("dear", "cheap")}
    assert spent["cheap"] < spent["dear"]
    cheap = np.concatenate(comparison.picked("cheap")[0][1:])
    assert (cheap % 2 == 0).all()
    over = comparison.over_cost()
    grid = over.curve("random", "n_labels")
    assert (grid == over.curve("cheap", "n_labels")).all()
    costs = [comparison.curve(name, "cost") for name in comparison.strategies]
    extra = min((each[:, -1] - each[:, 0]).min() for each in costs)
    assert grid[0, -1] - grid[0, 0] == pytest.approx(extra)
    assert over.curve("cheap")[:, 0] == pytest.approx(comparison.curve("cheap")[:, 0])
    assert over.plot().get_xlabel() == "cost"
    assert set(over.verdicts()) == {"dear", "cheap"}


@pytest.mark.slow
def test_curves_over_cost_need_costs():
    options = {"n_repeats": 2, "n_initial": 4, "batch_size": 2, "progress": False}
    y = (X[:, 0] > 0).astype(int)
    comparison = compare_strategies([MarginSampling()], GaussianNB(), X, y, **options)
    with pytest.raises(ValueError, match=r"compare_strategies\(cost"):
        comparison.over_cost()
    options |= {"cost": COST, "n_cycles": 0}
    comparison = compare_strategies([MarginSampling()], GaussianNB(), X, y, **options)
    with pytest.raises(ValueError, match="Nothing was bought"):
        comparison.over_cost()


def test_a_simulation_alone_knows_no_costs():
    learner = SimulatedActiveLearner(
        GaussianNB(), MarginSampling(selection=PerCost()), n_initial=4, n_cycles=1
    )
    with pytest.raises(ValueError, match="PerCost needs to know"):
        learner.fit(X, (X[:, 0] > 0).astype(int))
