"""Queries over shards: exact where they are, certified where they are not."""

import math
import pickle
from unittest.mock import patch

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import BayesianRidge, LogisticRegression
from support import MAKERS, make_net

from skal_deep._calls import results_of
from skal_deep.functional import nearest_centers
from skal_deep.pool import (
    BALD,
    EPIG,
    LCMD,
    Badge,
    ClusterRounds,
    CoreMSE,
    CoreSet,
    MarginSampling,
    MaxHerding,
    Power,
    PredictiveEntropy,
    ScoreQueryStrategy,
    Softmax,
    SoftRank,
)
from skal_deep.shards import query_shards, read_rows

rng = np.random.default_rng(0)
CENTERS = 4 * rng.normal(size=(6, 5))
LABELS = rng.integers(6, size=400)
X = (CENTERS[LABELS] + rng.normal(size=(400, 5))).astype(np.float32)
FOREST = RandomForestClassifier(20, random_state=0).fit(X[:60], LABELS[:60] % 3)
CLF = LogisticRegression(C=0.05).fit(X[:60], LABELS[:60] % 3)


def cut(n_shards, X=X):
    """Return X in shards of unequal size, one of them empty if there are many."""
    ends = np.sort(np.random.default_rng(n_shards).integers(0, len(X), n_shards - 1))
    return np.split(X, ends)


class First(ScoreQueryStrategy):
    """The first column is the score."""

    _works_on_inputs = True

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool):
        return pool.embed()[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize("rule", [None, Power(2.0), Softmax(50.0)])
@pytest.mark.parametrize("strategy", [MarginSampling, BALD])
def test_picks_of_scores_do_not_depend_on_the_sharding(strategy, rule):
    clf = CLF
    if strategy is BALD:
        net = make_net(max_epochs=2)
        clf = MAKERS["dropout"](net).fit(X[:60], LABELS[:60] % 3)
    kind, strategy = strategy, strategy(selection=rule, random_state=3)
    one = query_shards(strategy, [X], 12, clf=clf, labeled=range(60))
    for n_shards, part_bytes in ((3, 2**27), (17, 2**27), (3, 900)):
        shards = cut(n_shards)
        many = query_shards(
            strategy, shards, 12, clf=clf, labeled=range(60), part_bytes=part_bytes
        )
        assert many.rows.tolist() == one.rows.tolist()
        np.testing.assert_allclose(many.utilities, one.utilities, rtol=1e-4)
        where = zip(many.shards, many.positions, many.rows, strict=True)
        assert all((shards[s][p] == X[row]).all() for s, p, row in where)
    y = np.full(400, -1)
    y[:60] = LABELS[:60] % 3
    if rule is None and kind is MarginSampling:
        picks = strategy.query(X, y, clf, fit_clf=False, batch_size=12)
        assert picks.tolist() == one.rows.tolist()


def test_ties_fall_at_random_and_do_not_depend_on_the_sharding():
    flat = np.ones((300, 1), dtype=np.float32)
    found = [
        query_shards(First(random_state=1), cut(n, flat), 20).rows.tolist()
        for n in (1, 4, 17)
    ]
    assert found[0] == found[1] == found[2] != sorted(found[0])
    assert len(set(found[0])) == 20
    assert query_shards(First(random_state=2), [flat], 20).rows.tolist() != found[0]


@pytest.mark.slow
def test_draws_have_the_law_that_they_tell():
    weights = np.array([[1.0], [2.0], [0.0], [3.0], [4.0]])
    shards, n_draws = [weights[:2], weights[2:]], 150
    counts = np.zeros((5, 5))
    for seed in range(n_draws):
        picks = query_shards(First(Power(), random_state=seed), shards, 4)
        first, second = picks.rows[:2]
        assert 2 not in picks.rows
        assert picks.utilities[0] == pytest.approx(weights[first, 0] / 10)
        assert picks.utilities[1] == pytest.approx(
            weights[second, 0] / (10 - weights[first, 0])
        )
        assert picks.utilities[3] == pytest.approx(1)
        counts[first, second] += 1
    share = weights[:, 0] / 10
    expected = share[:, None] * share / (1 - share[:, None])
    np.fill_diagonal(expected, 0)
    error = np.sqrt(expected * (1 - expected) / n_draws)
    assert (np.abs(counts / n_draws - expected) <= 4.5 * error).all()
    # of weights 0 each of what is left is as probable
    zeros = query_shards(First(Power(), random_state=0), [np.zeros((4, 1))] * 2, 3)
    np.testing.assert_allclose(zeros.utilities, [1 / 8, 1 / 7, 1 / 6])


def radius(picks):
    return float(torch.cdist(torch.tensor(X), torch.tensor(X[picks])).amin(1).max())


@pytest.mark.parametrize("labeled", [[], [5], range(40)])
def test_core_set_tells_its_radius_and_how_good_it_is(labeled):
    labeled = list(labeled)
    y = np.full(400, -1)
    y[labeled] = 0
    alone = CoreSet(random_state=0).query(X, y, batch_size=15)
    for n_shards in (1, 3, 17):
        picks = query_shards(CoreSet(), cut(n_shards), 15, labeled=labeled)
        assert len(set(picks.rows.tolist()) - set(labeled)) == 15
        told = picks.certificate
        reached = radius(labeled + picks.rows.tolist())
        assert told["radius"] == pytest.approx(reached, rel=1e-3)
        assert reached <= 1.3 * radius(labeled + alone.tolist())
        best = 0.5 * min(np.nanmin(picks.utilities), reached)
        assert told["least possible radius"] == pytest.approx(best, rel=1e-3)
        assert told["at most times the best"] <= 4
    same = query_shards(CoreSet(), [X], 15, labeled=labeled)
    assert same.rows.tolist() == alone.tolist()
    assert "at most times the best: 2" in str(same)


def far_and_few():
    """Rows of which all but a handful are close to one of two places."""
    rows = 1e-3 * X
    rows[::2] += 50
    rows[[7, 133, 399]] *= -60_000
    return rows


@pytest.mark.parametrize("part_bytes", [2**27, 2000, 20])
@pytest.mark.parametrize("labeled", [[], [5], [7, 133, 399], range(0, 400, 3)])
@pytest.mark.parametrize(
    "rows",
    [X, X.astype(float), far_and_few(), 1e4 + X, np.repeat(X[:5], 80, axis=0)],
    ids=["clusters", "double", "far and few", "far away", "copies"],
)
def test_the_radius_is_that_of_all_rows_though_most_are_compared_with_few(
    rows, labeled, part_bytes
):
    labeled = list(labeled)
    picks = query_shards(
        CoreSet(), cut(5, rows), 12, labeled=labeled, part_bytes=part_bytes
    )
    centers = torch.tensor(rows[labeled + picks.rows.tolist()])
    squared, _ = nearest_centers(torch.tensor(rows), centers)
    reached = math.sqrt(float(squared.max()))
    assert picks.certificate["radius"] == pytest.approx(reached, rel=1e-6, abs=0)


@pytest.mark.slow
def test_the_least_possible_radius_is_one():
    """Against the best batch of two of all."""
    few = X[:30]
    told = query_shards(CoreSet(), cut(3, few), 2, labeled=[0]).certificate
    between = torch.cdist(torch.tensor(few), torch.tensor(few))
    best = min(
        float(between[:, [0, i, j]].amin(1).max()) for i in range(30) for j in range(i)
    )
    assert told["least possible radius"] <= best <= told["radius"]


@pytest.mark.parametrize("labeled", [[], range(10)])
def test_herding_covers_almost_as_one_machine_does(labeled):
    labeled = list(labeled)
    y = np.full(400, -1)
    y[labeled] = 0
    strategy = MaxHerding(bandwidth=3.0, normalize=False, random_state=0)
    alone = strategy.query(X, y, batch_size=6)
    kernel = torch.cdist(torch.tensor(X), torch.tensor(X)).div(3).square().neg().exp()

    def coverage(rows):
        return float(kernel[:, labeled + list(rows)].amax(1).mean())

    for n_shards in (1, 3, 17):
        picks = query_shards(strategy, cut(n_shards), 6, labeled=labeled)
        assert len(set(picks.rows.tolist()) - set(labeled)) == 6
        assert coverage(picks.rows) >= 0.95 * coverage(alone)
        told = picks.certificate
        assert told["coverage of the sample"] <= told["most possible there"] <= 1
        assert abs(told["coverage"] - coverage(picks.rows)) <= 5 * max(
            0.01, told["its standard error"]
        )


@pytest.mark.slow
def test_badge_draws_what_is_long_and_far():
    strategy = Badge(random_state=0)
    picks = [
        query_shards(strategy, cut(n), 10, clf=CLF, labeled=range(60))
        for n in (1, 3, 17)
    ]
    rows = picks[0].rows.tolist()
    assert all(p.rows.tolist() == rows for p in picks)
    assert len(set(rows)) == 10
    assert min(rows) >= 60
    proba = CLF.predict_proba(X[60:])
    norms = (proba - np.eye(3)[proba.argmax(1)]) ** 2
    norms = norms.sum(1) * ((X[60:] ** 2).sum(1) + strategy.bias)
    assert rows[0] == 60 + norms.argmax()
    assert picks[0].utilities[0] == pytest.approx(norms.max(), rel=1e-4)
    told = picks[0].certificate
    assert told["mean squared distance to the picks"] < told["mean squared length"]


@pytest.mark.slow
def test_badge_among_copies_of_certain_rows():
    copies = np.repeat(X[:4], 10, axis=0)
    picks = query_shards(Badge(random_state=0), cut(3, copies), 12, clf=CLF)
    assert len(set(picks.rows.tolist())) == 12
    # the four rows that differ come before any copy
    assert len(set((picks.rows[:4] // 10).tolist())) == 4


@pytest.mark.slow
def test_all_rows_may_be_picked():
    for strategy, clf in ((CoreSet(), None), (MaxHerding(), None), (Badge(), CLF)):
        picks = query_shards(strategy, cut(3, X[:9]), 7, clf=clf, labeled=[1, 3])
        assert sorted(picks.rows.tolist()) == [0, 2, 4, 5, 6, 7, 8]


@pytest.mark.slow
@pytest.mark.parametrize("labeled", [[], [3]])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_one_row_is_a_batch_too(labeled, batch_size):
    for strategy, clf in ((CoreSet(), None), (MaxHerding(), None), (Badge(), CLF)):
        picks = query_shards(strategy, cut(3), batch_size, clf=clf, labeled=labeled)
        for found in (picks.rows, picks.shards, picks.positions, picks.utilities):
            assert found.shape == (batch_size,)


def test_images_and_whole_numbers():
    images = rng.integers(0, 9, size=(20, 1, 4, 4))
    picks = query_shards(CoreSet(), [images[:7], images[7:]], 3, labeled=[0])
    flat = images.reshape(20, 16).astype(np.float32)
    assert (
        picks.rows.tolist()
        == query_shards(CoreSet(), [flat], 3, labeled=[0]).rows.tolist()
    )
    assert read_rows([images[:7], images[7:]], picks.rows).shape == (3, 1, 4, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "plain"),
    [
        ("i2", "f8"),
        ("u1", "f8"),
        (">i8", "f8"),
        ("g", "f8"),
        (">f4", "f4"),
        ("f2", "f4"),
    ],
)
def test_numbers_of_every_type_are_those_of_a_query(dtype, plain):
    numbers = (9 * X).round().clip(0, 200).astype(dtype)
    usual = numbers.astype(plain)
    y = np.full(400, -1)
    y[:40] = 0
    alone = CoreSet(random_state=0).query(numbers, y, batch_size=9)
    picks = query_shards(CoreSet(), [numbers], 9, labeled=range(40))
    assert picks.rows.tolist() == alone.tolist()
    for strategy, clf in (
        (MaxHerding(random_state=0), None),
        (Badge(random_state=0), CLF),
    ):
        picks = [
            query_shards(strategy, [some[:150], some[150:]], 9, clf=clf, labeled=[0])
            for some in (numbers, usual)
        ]
        assert picks[0].rows.tolist() == picks[1].rows.tolist()


@pytest.mark.parametrize("strategy", [EPIG(), CoreMSE()])
def test_scores_that_look_beside_the_rows_are_refused(strategy):
    with pytest.raises(TypeError, match=r"reads '.*' of the pool"):
        query_shards(strategy, cut(3), 2, clf=FOREST)


@pytest.mark.slow
def test_epig_with_targets_is_exact():
    strategy = EPIG(X_target=X[:20], random_state=0)
    picks = [
        query_shards(strategy, cut(n), 5, clf=FOREST).rows.tolist() for n in (1, 9)
    ]
    assert picks[0] == picks[1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"strategy": LCMD()}, TypeError, "LCMD looks at the pool as a whole"),
        ({"strategy": "margin"}, TypeError, "str looks at the pool"),
        ({"strategy": Badge(), "clf": None}, TypeError, "Badge"),
        ({"strategy": MaxHerding(bandwidth=-1)}, ValueError, "bandwidth"),
        ({"strategy": First(SoftRank())}, ValueError, "needs the scores of all rows"),
        ({"strategy": First(ClusterRounds())}, ValueError, "needs the scores of all"),
        ({"strategy": First(Power(epsilon=0.1))}, ValueError, "epsilon=0 are exact"),
        (
            {"strategy": First(Softmax(1e308))},
            ValueError,
            r"coldness=1e.308 is too larg",
        ),
        ({"shards": X}, TypeError, "a sequence of files or arrays, not one ndarray"),
        ({"shards": []}, ValueError, "must lie in 1 ... 0, the number of rows"),
        ({"shards": [X, X[:, :2]]}, ValueError, r"Shard 1 holds rows of shape \(2,\)"),
        ({"shards": [X, X.astype(float)]}, ValueError, r"float64, shard 0 .*float32"),
        ({"shards": [X[:0], X, X[:9].astype(str)]}, TypeError, "Shard 2 holds <U"),
        ({"shards": [X[:, 0]]}, ValueError, "must have rows and columns"),
        ({"shards": ["rows.csv"]}, ValueError, "must be a file .npy or .parquet"),
        ({"shards": [X.astype(str)]}, TypeError, "shards must hold numbers"),
        ({"batch_size": 401}, ValueError, "must lie in 1 ... 400"),
        ({"batch_size": 0}, ValueError, "must lie in 1 ... 400"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"labeled": [400]}, ValueError, "labeled holds 400 to 400"),
        ({"labeled": [-1]}, ValueError, "labeled holds -1 to -1"),
        ({"labeled": [0.5]}, TypeError, "labeled must be numbers of rows"),
        ({"part_bytes": 0}, ValueError, "part_bytes must be an integer from 1 on"),
        ({"part_bytes": 1e6}, ValueError, "part_bytes must be an integer from 1"),
        (
            {"strategy": MarginSampling(), "clf": LogisticRegression()},
            NotFittedError,
            "not fitted yet",
        ),
    ],
)
def test_what_is_wrong_is_said(change, error, message):
    given = {"strategy": CoreSet(), "shards": [X], "batch_size": 2} | change
    with pytest.raises(error, match=message):
        query_shards(**given)


def test_rows_that_are_no_numbers_are_found_in_their_shard():
    broken = X.copy()
    broken[300, 2] = np.nan
    with pytest.raises(ValueError, match=r"rows 0 to 150 of shard array: .*NaN"):
        query_shards(CoreSet(), [X[:250], broken[250:]], 2, labeled=[0])


@pytest.mark.parametrize(
    ("strategy", "labeled"),
    [
        (CoreSet(), []),
        (CoreSet(), [300]),
        (MaxHerding(), [300]),
        (MaxHerding(normalize=False), []),
        (MaxHerding(normalize=False), [300]),
    ],
)
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_what_is_wrong_is_said_of_the_shard_that_has_it(strategy, labeled, value):
    """Not of the first one that is compared with a mean or a centre of it."""
    broken = X.copy()
    broken[300, 2] = value
    wrong = r"rows 0 to 150 of shard array: embed.*NaN.* Row 50 of .*, 300 of the pool,"
    with pytest.raises(ValueError, match=wrong):
        query_shards(strategy, [X[:250], broken[250:]], 2, labeled=labeled)


def test_a_number_that_is_not_drawn_is_looked_at_too():
    """Of more rows than are covered, and than are candidates."""
    rows = np.random.default_rng(0).normal(size=(9_000, 1)).astype(np.float32)
    for at in range(0, 9_000, 1_500):
        broken = rows.copy()
        broken[at] = np.nan
        with pytest.raises(ValueError, match=f" {at} of the pool, is the first with"):
            query_shards(MaxHerding(normalize=False), [broken], 2)


@pytest.mark.parametrize(
    ("strategy", "labeled"),
    [
        (CoreSet(), []),
        (CoreSet(), [300]),
        (MaxHerding(normalize=False), []),
        (MaxHerding(normalize=False), [300]),
    ],
)
def test_what_is_too_large_is_said_of_the_shard_that_has_it(strategy, labeled):
    large = X.copy()
    large[300] = 1e30
    with pytest.raises(ValueError, match=r"rows 0 to 150 of shard array: .*1.0e\+30"):
        query_shards(strategy, [X[:250], large[250:]], 2, labeled=labeled)


def test_a_shard_may_hold_rows_that_are_all_but_zero():
    small = X.copy()
    small[300:] = 1e-30
    shards = [small[:250], small[250:300], small[300:]]
    for strategy in (CoreSet(), MaxHerding(normalize=False, random_state=0)):
        one, many = (
            query_shards(strategy, each, 4, labeled=[0]) for each in ([small], shards)
        )
        assert many.certificate == pytest.approx(one.certificate, rel=0.5)


def test_a_labelled_row_may_be_all_but_zero():
    """As centres of others it is compared with rows that are not."""
    small = X.copy()
    small[3] = 1e-30
    picks = query_shards(CoreSet(), cut(3, small), 4, labeled=[3])
    assert picks.certificate["radius"] > 1


def test_nothing_of_the_callers_is_changed():
    strategy = EPIG(X_target=X[:5], random_state=np.random.RandomState(0))
    before, state = strategy.get_params(), np.random.get_state()[1].copy()
    first = query_shards(strategy, [X], 2, clf=FOREST)
    assert strategy.get_params() == before
    assert (np.random.get_state()[1] == state).all()
    assert (
        query_shards(strategy, [X], 2, clf=FOREST).rows.tolist() == first.rows.tolist()
    )
    assert not np.array_equal(
        *(query_shards(First(), [np.ones((900, 1))], 9).rows for _ in range(2))
    )


def test_entropy_of_one_part_of_one_row():
    picks = query_shards(PredictiveEntropy(), [X[:1]], 1, clf=CLF, part_bytes=1)
    assert picks.rows.tolist() == [0]


def test_regressors_are_refused_by_what_can_be_done():
    reg = BayesianRidge().fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(TypeError, match=r"BayesianRidge is a regressor.*clf=None"):
        query_shards(CoreSet(), [np.zeros((3, 1))], clf=reg)


@pytest.mark.parametrize("labeled", [[], [7]])
@pytest.mark.parametrize("strategy", [CoreSet(), MaxHerding(), Badge(random_state=0)])
def test_a_task_returns_a_few_rows_and_not_the_memory_of_its_part(strategy, labeled):
    rows = np.random.default_rng(0).normal(size=(40_000, 8)).astype(np.float32)
    clf = LogisticRegression().fit(rows[:60], LABELS[:60] % 3)
    sizes = []

    def recorded(*given):
        for found in results_of(*given):
            sizes.append(len(pickle.dumps(found)))
            yield found

    with patch("skal_deep.shards._tasks.results_of", recorded):
        query_shards(strategy, [rows], 3, clf=clf, labeled=labeled)
    most = 300_000 if isinstance(strategy, MaxHerding) else 5_000
    assert max(sizes) < most
