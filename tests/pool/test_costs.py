"""Labels that cost: scores per cost, and queries that keep to a budget."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    does_al_help,
)
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


@pytest.mark.slow
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


SIGN = (X[:, 0] > 0).astype(int)
STUDY = {
    "n_repeats": 2,
    "n_initial": 4,
    "batch_size": 9,
    "n_cycles": 4,
    "progress": False,
    "random_state": 0,
}
STRATEGIES = {
    "margin": MarginSampling(),
    "cheap": MarginSampling(selection=PerCost()),
    "random": None,
}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_each_query_of_a_simulation_spends_its_budget(strategy):
    """What is left goes to the next query, and no label is too dear."""
    cost, budget = np.round(np.linspace(1, 3, 60), 1)[::-1], 4.5
    learner = SimulatedActiveLearner(
        GaussianNB(), strategy, n_initial=4, batch_size=9, n_cycles=4, random_state=0
    )
    learner.fit(X, SIGN, cost=cost, budget=budget)
    spent = [cost[rows].sum() for rows in learner.query_indices_[1:]]
    granted = budget * np.arange(1, 5)
    assert (np.cumsum(spent) <= granted + 1e-9).all()
    # less is left than the dearest label costs, as there was one that was too dear
    assert (np.cumsum(spent) > granted - cost.max()).all()
    assert max(spent) > budget - 1


def test_a_budget_ends_at_the_batch_size_too():
    learner = SimulatedActiveLearner(GaussianNB(), n_initial=4, n_cycles=3)
    learner.set_params(batch_size=2).fit(X, SIGN, cost=np.ones(60), budget=50)
    np.testing.assert_array_equal(learner.learning_curve_["n_labels"], [4, 6, 8, 10])


@pytest.mark.slow
def test_studies_with_a_budget_are_over_cost(tmp_path):
    cost = np.where(np.arange(60) % 2 == 0, 1.0, 3.0)
    study = STUDY | {"cost": cost, "budget": 4.5}
    names = {name: STRATEGIES[name] for name in ("margin", "cheap")}
    over = compare_strategies(names, GaussianNB(), X, SIGN, **study)
    assert over.settings["axis"] == "cost"
    assert over.settings["budget"] == 4.5
    grid = over.curve("random", "n_labels")
    assert (grid == over.curve("cheap", "n_labels")).all()
    assert grid[0, -1] - grid[0, 0] == pytest.approx(4 * 4.5, abs=3)
    assert over.plot().get_xlabel() == "cost"
    # a run that is gone on with is the run that was played at once
    compare_strategies(
        names, GaussianNB(), X, SIGN, run_dir=tmp_path, **study | {"n_cycles": 2}
    )
    again = compare_strategies(names, GaussianNB(), X, SIGN, run_dir=tmp_path, **study)
    np.testing.assert_array_equal(again.curve("cheap"), over.curve("cheap"))
    with pytest.raises(ValueError, match="budget"):
        compare_strategies(
            names, GaussianNB(), X, SIGN, run_dir=tmp_path, **study | {"budget": 5}
        )


def test_help_with_a_budget_is_told_by_cost():
    study = STUDY | {"cost": COST, "budget": COST.max() + 1}
    answer = does_al_help(GaussianNB(), X, SIGN, **study)
    assert "Gains at a cost of" in repr(answer)
    for more in ({"explain": True}, {"param_grid": {"var_smoothing": [1e-9, 1e-3]}}):
        with pytest.raises(ValueError, match="equal numbers of labels"):
            does_al_help(GaussianNB(), X, SIGN, **study, **more)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"cost": None}, ValueError, "pass cost, too"),
        ({"budget": COST.max() - 0.01}, ValueError, "must buy any of them"),
        ({"budget": np.nan}, ValueError, "must buy any of them"),
        ({"budget": True}, TypeError, "must be a number"),
        ({"n_cycles": 5}, ValueError, "49 .* more than the 45 of the pool"),
        ({"references": {"all": None}}, ValueError, "have no place"),
        ({"search": True}, ValueError, "have no place"),
    ],
)
def test_budgets_of_studies_that_make_no_sense(options, error, words):
    study = STUDY | {"cost": COST, "budget": COST.max()} | options
    with pytest.raises(error, match=words):
        compare_strategies([MarginSampling()], GaussianNB(), X, SIGN, **study)


def test_a_strategy_that_failed_leaves_the_others_on_their_costs():
    """A job that failed has no cost and no score for what it did not play."""
    names = {"cheap": STRATEGIES["cheap"]}
    whole = compare_strategies(names, GaussianNB(), X, SIGN, **STUDY | {"cost": COST})
    lost = {"cost": np.nan, "accuracy": np.nan}
    curves = [
        row | (lost if row["strategy"] == "cheap" and row["stage"] > 1 else {})
        for row in whole.curves
    ]
    over = replace(whole, curves=curves).over_cost()
    assert np.isfinite(over.curve("random")).all()
    assert np.isfinite(over.curve("random", "cost")).all()
    assert np.isfinite(over.curve("cheap")[:, 0]).all()
    assert np.isnan(over.curve("cheap")[:, -1]).all()
