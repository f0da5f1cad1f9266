"""AnchorAL chooses among rows near labelled ones of each class."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skal_deep.evaluation import compare_strategies
from skal_deep.pool import AnchorAL, CoreSet, MarginSampling, PerCost, PredictiveEntropy

RNG = np.random.default_rng(0)
# A common class everywhere, and a rare one in one place.
X = np.concatenate([RNG.normal(size=(400, 4)), RNG.normal([6, 0, 0, 0], 0.3, (12, 4))])
TRUE = np.repeat([0, 1], [400, 12])
Y = np.where(np.isin(np.arange(412), [*range(30), 400]), TRUE, -1)
CLF = LogisticRegression()


def test_picks_are_near_anchors():
    strategy = AnchorAL(CoreSet(), n_neighbors=5, n_rows=11, random_state=0)
    picks, utilities = strategy.query(X, Y, CLF, batch_size=8, return_utilities=True)
    assert len(set(picks)) == 8
    # the one label of the rare class proposes five rows of it
    assert TRUE[picks].sum() >= 3
    assert len(np.unique(utilities[0][np.isfinite(utilities[0])])) <= 12


def test_scores_near_anchors_are_those_of_the_strategy():
    _, inner = PredictiveEntropy(random_state=0).query(X, Y, CLF, return_utilities=True)
    pick, own = AnchorAL(PredictiveEntropy(), random_state=0).query(
        X, Y, CLF, return_utilities=True
    )
    is_near = np.isfinite(own[0]) & (own[0] != 0)
    assert 40 < is_near.sum() < 381
    np.testing.assert_allclose(own[0][is_near], inner[0][is_near])
    assert own[0][pick[0]] == np.nanmax(own[0])


@pytest.mark.parametrize("y", [np.full(412, -1), Y])
def test_the_whole_pool_is_asked_where_anchors_propose_too_few(y):
    strategy = AnchorAL(CoreSet(), n_anchors=1, n_neighbors=1, random_state=0)
    picks = strategy.query(X, y, batch_size=20)
    assert np.array_equal(picks, CoreSet(random_state=0).query(X, y, batch_size=20))


def test_candidates_far_from_anchors_come_last():
    strategy = AnchorAL(MarginSampling(), n_neighbors=3, random_state=0)
    _, utilities = strategy.query(X, Y, CLF, return_utilities=True)
    far = np.flatnonzero(utilities[0] == 0)[:9]
    near = np.flatnonzero(utilities[0] > 0)[:1]
    picks, part = strategy.query(
        X,
        Y,
        CLF,
        candidates=np.concatenate([far, near]),
        batch_size=4,
        return_utilities=True,
    )
    assert picks[0] == near[0]
    assert len(set(picks)) == 4
    assert part[0, near[0]] == utilities[0, near[0]]
    assert np.nanmax(part[1:]) == 0


def test_costs_go_along():
    cost = np.where(np.arange(412) % 2 == 0, 1.0, 1e6)
    strategy = AnchorAL(PredictiveEntropy(selection=PerCost()), random_state=0)
    picks = strategy.query(X, Y, CLF, batch_size=5, cost=cost)
    assert (picks % 2 == 0).all()


def test_a_study():
    comparison = compare_strategies(
        {"anchors": AnchorAL(MarginSampling(), n_neighbors=5)},
        CLF,
        X,
        TRUE,
        n_repeats=2,
        n_initial=8,
        batch_size=4,
        n_cycles=2,
        scoring="balanced_accuracy",
        progress=False,
        random_state=0,
    )
    assert comparison.strategies == ["random", "anchors"]


def test_the_parts_are_checked():
    with pytest.raises(ValueError, match="'strategy' parameter of AnchorAL"):
        AnchorAL("margin").query(X, Y, CLF)
    with pytest.raises(TypeError, match="takes no regressor"):
        AnchorAL(CoreSet()).query(X, Y.astype(float), reg=CLF)
