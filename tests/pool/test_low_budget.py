"""Strategies for the first few labels, on precomputed embeddings and on nets."""

import numpy as np
import pytest
import torch
from skactiveml import pool as upstream
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from skal_deep import functional
from skal_deep.functional._k_means import k_means
from skal_deep.functional.neighbors import closest_pair
from skal_deep.pool import (
    DensityWeightedDiversity,
    DiffusionAL,
    JointLabelPropagation,
    MaxHerding,
    ProbCover,
    TypiClust,
    UncertaintyHerding,
)
from skal_deep.pool._features import sample_rows
from skal_deep.testing._strategy_case import Case, small_classifier

X, Y = make_blobs(300, n_features=8, centers=6, cluster_std=0.7, random_state=0)
X = X.astype(np.float32)
NOTHING = np.full(300, -1)
LOW_BUDGET = [TypiClust(), ProbCover(n_classes=6), MaxHerding()]


@pytest.mark.parametrize("strategy", LOW_BUDGET, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("seed", range(10))
def test_precomputed_embeddings_without_classifier(strategy, seed):
    strategy = clone(strategy).set_params(random_state=seed)
    picks = strategy.query(X, NOTHING, batch_size=6)
    assert set(Y[picks]) == set(range(6)), "a cluster has no label"
    y = np.where(np.isin(Y, [0, 1]), Y, -1)
    y[np.flatnonzero(y != -1)[3:]] = -1
    some = np.flatnonzero(y == -1)[::3]
    picks = strategy.query(X, y, candidates=some, batch_size=4)
    assert np.isin(picks, some).all()
    assert len(set(Y[picks]) - {0, 1}) == 4 - len(set(Y[picks]) & {0, 1})


@pytest.mark.parametrize("strategy", LOW_BUDGET, ids=lambda s: type(s).__name__)
def test_single_precision_is_kept(strategy, monkeypatch):
    seen = []
    product = torch.addmm

    def recorded(*args, **kwargs):
        seen.extend(a.dtype for a in args)
        return product(*args, **kwargs)

    monkeypatch.setattr(torch, "addmm", recorded)
    clone(strategy).query(X, NOTHING, batch_size=3)
    assert set(seen) == {torch.float32}


def test_max_herding_counts_all_rows():
    y = np.where(np.arange(300) < 5, Y, -1)
    _, utilities = MaxHerding(normalize=False, bandwidth=3.0).query(
        X, y, candidates=[7, 8], return_utilities=True
    )
    distance = np.linalg.norm(X[:, None] - X[None, :9], axis=-1)
    kernel = np.exp(-((distance / 3) ** 2))
    start = kernel[:, :5].max(1)
    expected = [np.maximum(kernel[:, c] - start, 0).mean() for c in (7, 8)]
    np.testing.assert_allclose(utilities[0, [7, 8]], expected, rtol=1e-4)


def test_prob_cover_counts_rows_that_are_no_candidates():
    y = np.where(np.arange(300) < 5, Y, -1)
    strategy = ProbCover(radius=2.0, normalize=False)
    _, utilities = strategy.query(X, y, candidates=[7, 8], return_utilities=True)
    distance = np.linalg.norm(X[:, None] - X[None, :9], axis=-1)
    is_open = (distance[:, :5] >= 2).all(1)
    expected = (distance[is_open] < 2).sum(0)[[7, 8]]
    assert utilities[0, [7, 8]].tolist() == expected.tolist()
    assert expected.max() > 1


def test_uncertainty_herding_weights_by_the_margin_at_a_temperature(monkeypatch):
    monkeypatch.setattr("skal_deep.pool._calibration.fit_temperature", lambda *_: 3.0)
    y = np.where(np.arange(300) < 20, Y, -1)
    clf = LogisticRegression().fit(X[:20], Y[:20])
    strategy = UncertaintyHerding(random_state=0)
    _, utilities = strategy.query(X, y, clf, fit_clf=False, return_utilities=True)
    data = functional.unit_rows(torch.as_tensor(X))
    proba = functional.apply_temperature(torch.as_tensor(clf.predict_proba(X)), 3.0)
    weights = functional.margin(proba[None]).float()
    width = closest_pair(data[:20])
    expected = functional.max_herding(
        data[20:], data, data[:20], 1, bandwidth=width, weights=weights
    )[1]
    np.testing.assert_allclose(utilities[0, 20:], expected[0], rtol=1e-3, atol=1e-7)


@pytest.mark.slow
def test_uncertainty_herding_does_not_trust_a_classifier_of_noise(monkeypatch):
    noise, seen = np.random.default_rng(0).integers(6, size=300), []
    y = np.where(np.arange(300) < 60, noise, -1)

    def recorded(*args, **kwargs):
        seen.append(kwargs["weights"])
        return functional.max_herding(*args, **kwargs)

    monkeypatch.setattr("skal_deep.pool._uncertainty_herding.max_herding", recorded)
    clf = LogisticRegression(C=100, max_iter=10_000)
    UncertaintyHerding(random_state=0).query(X, y, clf)
    proba = torch.as_tensor(clf.fit(X[:60], y[:60]).predict_proba(X))
    assert functional.margin(proba[None]).mean() < 0.65 < 0.9 < seen[0].mean()


@pytest.mark.parametrize("n_covered", [1, 40, 300])
def test_uncertainty_herding_predicts_the_rows_that_it_covers(n_covered, monkeypatch):
    """One label a class, so that none is hidden and predictions are as they are."""
    y = np.full(300, -1)
    first = [np.flatnonzero(c == Y)[2] for c in range(6)]
    y[first] = range(6)
    clf = LogisticRegression().fit(X[first], y[first])
    asked, seen = [], {}
    predict, herd = LogisticRegression.predict_proba, functional.max_herding

    def recorded(self, rows):
        asked.append(len(rows))
        return predict(self, rows)

    def looked_at(points, data, *args, weights, **kwargs):
        seen.update(data=data.numpy(), weights=weights)
        return herd(points, data, *args, weights=weights, **kwargs)

    monkeypatch.setattr(LogisticRegression, "predict_proba", recorded)
    monkeypatch.setattr("skal_deep.pool._uncertainty_herding.max_herding", looked_at)
    strategy = UncertaintyHerding(normalize=False, max_data=n_covered, random_state=0)
    strategy.query(X, y, clf, fit_clf=False)
    assert sum(asked) == n_covered
    proba = torch.as_tensor(predict(clf, seen["data"]))
    torch.testing.assert_close(
        seen["weights"], functional.margin(proba[None]).float(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_uncertainty_herding_is_max_herding_without_labels():
    case = Case(UncertaintyHerding())
    y, clf = np.full(len(case.X), -1), case.fitted()
    args = {"y": y, "clf": clf, "fit_clf": False, "batch_size": 4}
    picks = case.query(UncertaintyHerding(random_state=0), **args)
    assert picks.tolist() == case.query(MaxHerding(random_state=0), **args).tolist()


@pytest.mark.slow
def test_all_rows_are_embedded_once():
    case = Case(MaxHerding())
    clf, n_rows = case.fitted(), []
    for net in clf.nets_:
        count = lambda _, rows: n_rows.append(len(rows[0]))  # noqa: E731
        net.module_.register_forward_pre_hook(count)
    case.query(MaxHerding(random_state=0), clf=clf, fit_clf=False, batch_size=2)
    assert sum(n_rows) == len(case.X)


def test_max_herding_picks_what_upstreams_picks():
    """From no label; with some, upstream's does not count the labelled rows."""
    theirs = upstream.MaxHerding(metric_dict={"gamma": 1.0}, random_state=0)
    expected = theirs.query(X, np.full(300, np.nan), batch_size=12)
    picks = MaxHerding(random_state=0).query(X, NOTHING, batch_size=12)
    assert picks.tolist() == expected.tolist()


@pytest.mark.parametrize("n_left", [1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_typi_clust_has_utilities_when_little_is_left(seed, n_left):
    """Twins have twice the same centroid: rows are with their candidates, for all that
    rounding says."""
    rng = np.random.default_rng(seed)
    rows = np.tile(rng.standard_normal((50, 64)), (2, 1)).astype(np.float32)
    y, left = np.zeros(100, dtype=int), np.arange(100 - n_left, 100)
    y[left] = -1
    strategy = TypiClust(random_state=seed)
    picks, utilities = strategy.query(rows, y, batch_size=n_left, return_utilities=True)
    assert sorted(picks.tolist()) == left.tolist()
    assert np.isfinite(utilities[0, left]).all()
    _, utilities = strategy.query(
        rows, y, candidates=rows[left], batch_size=n_left, return_utilities=True
    )
    assert np.isfinite(utilities[0]).all()


@pytest.mark.slow
def test_prob_cover_says_when_it_knows_no_classes():
    with pytest.warns(UserWarning, match="ProbCover .* Pass n_classes, or the radius"):
        ProbCover(random_state=0).query(X, NOTHING)
    one = np.where(np.arange(300) == 5, Y, -1)
    with pytest.warns(UserWarning, match="knows of 1 so far"):
        ProbCover(random_state=0).query(X, one)
    ProbCover(radius=0.3).query(X, NOTHING)


@pytest.mark.slow
def test_prob_cover_takes_as_many_clusters_as_the_classifier_has_classes():
    net = small_classifier(False, -1, range(6))
    y = np.where(np.isin(np.arange(300), [3, 4]), Y, -1)
    picks = [
        ProbCover(n_classes=n, random_state=0).query(
            X, y, net, batch_size=4, return_utilities=True
        )
        for n in (None, 6)
    ]
    assert picks[0][0].tolist() == picks[1][0].tolist()
    np.testing.assert_array_equal(picks[0][1], picks[1][1])


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["two clusters", "tight clusters"])
def test_k_means_of_clusters_that_are_tight_and_far_apart(shape):
    generator = torch.Generator().manual_seed(0)
    sub = torch.randint(4, (800,), generator=generator)
    fine = torch.randn(4, 8, generator=generator)[sub]
    fine = 3 * fine + 0.1 * torch.randn(800, 8, generator=generator)
    side = (torch.arange(800) % 2).float()[:, None]
    rows = fine + 1e4 * side if shape == "two clusters" else 1e-3 * fine + 20 * side
    found, in_double = (
        k_means(values, 8, torch.Generator().manual_seed(1)).double()
        for values in (rows, rows.double())
    )
    spread, best = (
        float(functional.nearest_centers(rows.double(), c)[0].sum())
        for c in (found, in_double)
    )
    assert spread <= 1.01 * best


def test_of_a_large_pool_as_many_rows_are_compared_as_make_a_number_of_pairs():
    n_drawn = {
        n: len(sample_rows(n, None, torch.Generator().manual_seed(0)))
        for n in (3, 20_000, 20_001, 50_000, 300_000)
    }
    expected = {3: 3, 20_000: 20_000, 20_001: 9_999, 50_000: 4_000, 300_000: 2_000}
    assert n_drawn == expected
    assert len(sample_rows(50_000, 30, torch.Generator())) == 30


def test_the_radius_of_a_large_pool_is_about_that_of_all_balls(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 4)) + 2 * np.eye(4)[rng.integers(3, size=900)]
    radii = []

    def recorded(*args, radius, **options):
        radii.append(radius)
        return functional.prob_cover(*args, radius=radius, **options)

    monkeypatch.setattr("skal_deep.pool._prob_cover.prob_cover", recorded)
    strategy = ProbCover(n_classes=3, purity=0.8, random_state=0)
    for most in (900, 899):  # all balls, and some
        monkeypatch.setattr("skal_deep.pool._features._MOST_ROWS", most)
        monkeypatch.setattr("skal_deep.pool._features._N_BALLS", 90)
        strategy.query(rows, np.full(900, -1))
    assert radii[0] != radii[1]
    assert radii[1] == pytest.approx(radii[0], rel=0.3)


@pytest.mark.parametrize(
    "strategy", [MaxHerding(), UncertaintyHerding(), DensityWeightedDiversity()]
)
def test_the_number_of_rows_that_are_compared_can_be_set(strategy, monkeypatch):
    X = np.random.default_rng(0).normal(size=(120, 4))
    y = np.where(np.arange(120) < 6, np.arange(120) % 3, -1)

    def picks(max_data):
        strategy.set_params(max_data=max_data, random_state=0)
        return strategy.query(X, y, LogisticRegression(), batch_size=9).tolist()

    everything = picks(None)
    assert everything == picks(120)
    monkeypatch.setattr("skal_deep.pool._features._MOST_ROWS", 119)
    monkeypatch.setattr("skal_deep.pool._features._MOST_PAIRS", 20 * 120)
    monkeypatch.setattr("skal_deep.pool._features._LEAST_ROWS", 5)
    assert picks(None) == picks(20) != everything


@pytest.mark.parametrize(
    "strategy",
    [
        MaxHerding(max_data=30, random_state=0),
        ProbCover(max_data=30, n_classes=3, random_state=0),
        UncertaintyHerding(max_data=30, random_state=0),
        DensityWeightedDiversity(max_data=30, random_state=0),
        TypiClust(max_exact=10, random_state=0),
        DiffusionAL(max_exact=30, random_state=0),
        JointLabelPropagation(n_neighbors=8, max_exact=30, random_state=0),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
def test_the_forms_for_large_pools(strategy):
    """Distinct picks, the same for a permuted pool, exact where it is small."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4)) + 6 * np.eye(4)[rng.integers(3, size=120)]
    y = np.full(120, -1)
    y[:6] = [0, 1, 2, 0, 1, 2]
    clf = LogisticRegression()
    picks = strategy.query(X, y, clf, batch_size=5)
    assert len(set(picks.tolist())) == 5
    order = rng.permutation(120)
    again = strategy.query(X[order], y[order], clf, batch_size=5)
    assert sorted(order[again]) == sorted(picks)
    name = "max_data" if hasattr(strategy, "max_data") else "max_exact"
    exact, default = (
        clone(strategy).set_params(**{name: size}).query(X, y, clf, batch_size=5)
        for size in (120, 10**6)
    )
    assert exact.tolist() == default.tolist()
