"""One table, one strategy in another, one pool in several types: equal picks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier
from strategies import STRATEGIES, VARIANTS

from skal_deep.classifier import CapabilityError
from skal_deep.pool import (
    EPIG,
    LCMD,
    AnchorAL,
    Badge,
    Bait,
    CoreSet,
    MarginSampling,
    MaxHerding,
    PerCost,
    Power,
    PredictiveEntropy,
    ProbCover,
    SelectionViaProxy,
    SwitchStrategy,
    TypiClust,
    UncertaintyHerding,
)

X, Y = make_blobs(60, n_features=4, centers=3, random_state=0)
SIGNS = np.array([-1, 0, 1])[Y]


@pytest.mark.parametrize("types", [np.float64, np.float32, np.int32, "Int64"])
def test_number_columns_of_a_table_have_no_type(types):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 9, (60, 2)), columns=["a", "b"])
    table["c"] = rng.choice(["red", "blue"], 60)
    y = np.where(np.arange(60) < 12, rng.integers(0, 2, 60), -1)
    clf = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), DecisionTreeClassifier(random_state=0)
    )

    def picks(table):
        return MarginSampling(random_state=0).query(table, y, clf, batch_size=5)

    other = table.astype({"a": types, "b": types})
    np.testing.assert_array_equal(picks(other), picks(table))


@pytest.mark.parametrize(
    "strategy",
    [
        *(CoreSet(), LCMD(), TypiClust(), EPIG(), Bait(), ProbCover(n_classes=3)),
        *(UncertaintyHerding(), MaxHerding(), Badge()),
    ],
    ids=lambda s: type(s).__name__,
)
@pytest.mark.parametrize("types", [("f4", "f8"), ("f8", "f4"), (">f8", "f8")])
def test_candidates_may_be_of_another_precision(strategy, types):
    rows = X.astype("f4").astype("f8")  # numbers that both types hold
    y = np.where(np.arange(60) < 12, Y, -1)
    strategy.set_params(random_state=0)
    whole, some = (rows.astype(kind) for kind in types)
    its, picks = (
        strategy.query(a, y, LogisticRegression(), candidates=c, batch_size=4)
        for a, c in ((whole, some[20:]), (whole, whole[20:]))
    )
    np.testing.assert_array_equal(its, picks)


@pytest.mark.parametrize(
    "outer",
    [
        lambda inner, **k: SwitchStrategy(inner, TypiClust(), when=99, **k),
        lambda inner, **k: SwitchStrategy(TypiClust(), inner, when=0, **k),
        lambda inner, **k: AnchorAL(inner, n_rows=60, n_neighbors=60, **k),
    ],
    ids=["first", "then", "anchor"],
)
def test_an_inner_strategy_has_the_outer_marker(outer):
    y = np.where(np.arange(60) < 12, SIGNS, np.nan)
    options = {"missing_label": np.nan, "random_state": 0}

    def asked(inner):
        strategy = outer(SelectionViaProxy(MarginSampling(), inner), **options)
        return strategy.query(
            X, y, LogisticRegression(), batch_size=4, return_utilities=True
        )

    picks, utilities = asked(LogisticRegression())
    margin = MarginSampling(**options).query(X, y, LogisticRegression(), batch_size=4)
    assert set(picks) == set(margin)
    assert np.isfinite(utilities[0][12:]).all()


def test_an_inner_strategy_draws_by_the_outer_seed():
    y = np.where(np.arange(60) < 12, Y, -1)
    power = MarginSampling(selection=Power(coldness=0.1))
    inner = SelectionViaProxy(power, LogisticRegression(), random_state=1)
    first, again, other = (
        SwitchStrategy(inner, TypiClust(), when=99, random_state=seed)
        .query(X, y, LogisticRegression(), batch_size=6)
        .tolist()
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_proxy_knows_what_labels_cost():
    y = np.where(np.arange(60) < 12, Y, -1)
    cost = np.where(np.arange(60) < 30, 1.0, 50.0)
    strategy = PredictiveEntropy(selection=PerCost(), random_state=0)
    via = SelectionViaProxy(strategy, LogisticRegression(), random_state=0)
    picks = via.query(X, y, LogisticRegression(), batch_size=4, cost=cost)
    its = strategy.query(X, y, LogisticRegression(), batch_size=4, cost=cost)
    np.testing.assert_array_equal(picks, its)


def test_a_budget_of_one_label_buys_it():
    y = np.where(np.arange(60) < 12, Y, -1)
    query = MarginSampling(random_state=0).query
    clf, cost = LogisticRegression(), np.full(60, 0.1 + 0.2)
    assert len(query(X, y, clf, batch_size=3, cost=cost, budget=0.3)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("clf", [None, LogisticRegression()], ids=["none", "logistic"])
def test_a_switch_begins_without_a_label(clf):
    switch = SwitchStrategy(TypiClust(), MarginSampling(), random_state=0)
    nothing = np.full(60, -1)
    picks = switch.query(X, nothing, clf, batch_size=3)
    its = TypiClust(random_state=0).query(X, nothing, clf, batch_size=3)
    np.testing.assert_array_equal(picks, its)
    with pytest.raises(CapabilityError, match="predict_proba"):
        switch.query(X, np.where(np.arange(60) < 12, Y, -1), None, batch_size=3)


@pytest.mark.parametrize("kind", ["f2", ">f4", ">f8", "i2"])
@pytest.mark.parametrize("name", STRATEGIES | VARIANTS)
def test_rows_of_any_number_type_are_asked_for(name, kind):
    strategy = (STRATEGIES | VARIANTS)[name]
    y = np.where(np.arange(60) < 12, Y, -1)
    if name == "ConsistencySampling" and kind == "i2":
        pytest.skip("its noise is for floating-point numbers, which it says")
    try:
        clf = LogisticRegression()
        picks = strategy.query(X.astype(kind), y, clf, batch_size=2, rounds=[])
    except CapabilityError:
        pytest.skip("it asks for what logistic regression has not")
    assert len(set(picks)) == 2


def test_weights_that_a_model_does_not_take_are_refused_by_name():
    y = np.where(np.arange(60) < 12, Y, -1)
    query = MarginSampling().query
    with pytest.raises(TypeError, match="KNeighborsClassifier takes no weights"):
        query(X, y, KNeighborsClassifier(), sample_weight=np.ones(60))
