"""Strategies that combine predictions with clusters and neighbours."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from skal_deep import functional
from skal_deep.functional import _k_means
from skal_deep.functional._k_means import k_means
from skal_deep.pool import (
    BALD,
    Clue,
    ClusterMargin,
    ClusterRounds,
    ContrastiveAL,
    CoreSet,
    DensityWeightedDiversity,
    Falcun,
    MarginSampling,
    _features,
)

X, Y = make_blobs(200, n_features=4, centers=4, cluster_std=2.0, random_state=0)
X = X.astype(np.float32)
Y_SOME = np.where(np.arange(200) < 20, Y, -1)
CLF = LogisticRegression().fit(X[:20], Y[:20])
PROBA = torch.as_tensor(CLF.predict_proba(X))


def query(strategy, batch_size=5, **change):
    arguments = {"X": X, "y": Y_SOME, "clf": CLF, "fit_clf": False}
    return strategy.set_params(random_state=0).query(
        **(arguments | change), batch_size=batch_size, return_utilities=True
    )


@pytest.mark.slow
def test_k_means_is_scikit_learns():
    """Well separated clusters have one solution; weights move the centres."""
    centers = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points, _ = make_blobs(90, centers=centers, random_state=0)
    weights = np.random.default_rng(0).random(90)
    found = k_means(
        torch.as_tensor(points),
        3,
        torch.Generator().manual_seed(0),
        torch.as_tensor(weights),
    )
    expected = KMeans(3, n_init=5, random_state=0).fit(points, sample_weight=weights)
    np.testing.assert_allclose(
        np.sort(found, axis=0), np.sort(expected.cluster_centers_, axis=0), rtol=1e-6
    )
    assert len(k_means(torch.zeros(4, 2), 9, torch.Generator())) == 4
    many = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    centroids = k_means(many, 60, torch.Generator().manual_seed(0))
    assert centroids.dtype == torch.float32
    spread = functional.nearest_centers(many, centroids)[0].mean()
    best = KMeans(60, n_init=3, random_state=0).fit(many).inertia_ / 400
    assert spread < 1.3 * best


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("has_weights", [False, True])
def test_seeds_of_k_means_are_those_of_scikit_learns_draws(dtype, has_weights):
    rng = np.random.default_rng(0)
    for seed in range(20):
        n, n_dims = rng.integers(20, 300), rng.integers(1, 9)
        rows = rng.normal(size=(n, n_dims)).astype(dtype)
        weights = rng.random(n).astype(dtype) if has_weights else None
        state = np.random.RandomState(seed)
        draws = [
            kmeans_plusplus(
                rows, 7, sample_weight=weights, random_state=state, n_local_trials=1
            )[0]
            for _ in range(4)
        ]
        squared = [cdist(rows, seeds).min(1) ** 2 for seeds in draws]
        best = np.argmin([np.average(each, weights=weights) for each in squared])
        seeds = _k_means.best_seeds(
            torch.from_numpy(rows),
            7,
            torch.from_numpy(np.ones(n, dtype) if weights is None else weights),
            seed,
        )
        np.testing.assert_array_equal(seeds, draws[best])


@pytest.mark.parametrize("has_weights", [False, True])
def test_k_means_of_many_rows_searches_among_some(has_weights, monkeypatch):
    """The groups of heavy rows are found, though these are one row in a hundred."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.tensor([[0.0, 0.0], [0.0, 60.0], [60.0, 0.0]])
    cluster = torch.arange(6_000) % 100 % 3
    points = centers[cluster] + torch.randn(6_000, 2, generator=generator)
    weights = None
    if has_weights:
        is_heavy = torch.arange(6_000) < 60
        points[is_heavy] += torch.tensor([500.0, 500.0])
        weights = torch.where(is_heavy, 1.0, 0.0)
        points, weights = points.double(), weights.double()
    full = k_means(points, 3, torch.Generator().manual_seed(1), weights)
    monkeypatch.setattr(_k_means, "_FEW_ROWS", 100)
    some = k_means(points, 3, torch.Generator().manual_seed(1), weights)
    assert some.dtype == points.dtype
    # one iteration on all rows brings far clusters to their very means
    torch.testing.assert_close(some.sort(0).values, full.sort(0).values)


def test_cluster_margin_is_margin_sampling_with_rounds():
    picks, utilities = query(ClusterMargin(oversampling=3, cluster_size=20))
    rule = ClusterRounds(oversampling=3, cluster_size=20)
    same, theirs = query(MarginSampling(selection=rule))
    assert picks.tolist() == same.tolist()
    np.testing.assert_allclose(utilities, theirs, equal_nan=True)
    margins = functional.margin(PROBA[None]).numpy()
    highest = np.argsort(-np.where(Y_SOME == -1, margins, -1))[:15]
    assert np.isin(picks, highest).all()
    np.testing.assert_allclose(utilities[range(5), picks], margins[picks], rtol=1e-6)


def test_rounds_are_a_parameter_of_any_score():
    strategy = BALD(selection=ClusterRounds())
    strategy.set_params(selection__cluster_size=3)
    assert strategy.get_params()["selection__oversampling"] == 10.0
    assert strategy.selection.cluster_size == 3


ROUNDS = [
    ClusterMargin(oversampling=3, cluster_size=20),
    MarginSampling(selection=ClusterRounds(oversampling=3, cluster_size=20)),
]


@pytest.mark.parametrize("strategy", ROUNDS)
def test_inputs_stand_in_the_rounds_for_the_nearest_row(strategy):
    rows = np.concatenate([np.arange(5), np.arange(40, 90)])
    by_index, _ = query(strategy, candidates=rows)
    by_input, _ = query(strategy, candidates=X[rows])
    assert rows[by_input].tolist() == by_index.tolist()
    between, utilities = query(strategy, candidates=X[40:60] + np.float32(0.25))
    assert len(set(between)) == 5
    assert np.isfinite(utilities[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ROUNDS)
def test_rounds_of_a_population_can_be_asked_for_in_parts(strategy):
    clf = RandomForestClassifier(3, random_state=0).fit(X[:20], Y[:20])  # many ties
    _, whole = query(strategy, clf=clf)
    parts = [
        query(strategy, clf=clf, candidates=X[start : start + 60])[1][0]
        for start in (20, 80, 140)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole[0, 20:], rtol=1e-6)


def test_large_data_are_linked_by_a_sample(monkeypatch):
    monkeypatch.setattr("skal_deep.pool._features._MOST_LINKED", 30)
    picks, _ = query(ClusterMargin(oversampling=40, cluster_size=8))
    assert len(set(picks)) == 5


@pytest.mark.parametrize(
    ("candidates", "n_considered", "in_part"),
    [(None, 10, 10), ("some", 10, 10), ("inputs", 10, 10), ("inputs", 40, 30)],
)
@pytest.mark.parametrize("clf", [CLF, RandomForestClassifier(3, random_state=0)])
def test_parts_that_nobody_asks_about_need_no_clusters(
    clf, candidates, n_considered, in_part, monkeypatch
):
    """Picks and utilities are those where all parts are linked; scores may tie."""
    clf.fit(X[:20], Y[:20])
    monkeypatch.setattr(_features, "_MOST_LINKED", 30)
    monkeypatch.setattr(_features, "_MOST_IN_PART", in_part)
    strategy = ClusterMargin(oversampling=n_considered / 5, cluster_size=in_part // 4)
    starts = range(20, 150, 10)
    given = {
        None: [None],
        "some": [np.arange(start, start + 50, 2) for start in starts],
        "inputs": [X[start : start + 8] + 0.1 for start in starts],
    }[candidates]
    some = [query(strategy, clf=clf, candidates=each) for each in given]
    asked, link = [], _features.linkage_clusters

    def link_all(pool, cluster_size, wanted_M):
        asked.append(wanted_M)
        return link(pool, cluster_size, torch.ones_like(wanted_M))

    monkeypatch.setattr("skal_deep.pool._cluster_rounds.linkage_clusters", link_all)
    for each, (picks, utilities) in zip(given, some, strict=True):
        expected = query(strategy, clf=clf, candidates=each)
        np.testing.assert_array_equal(picks, expected[0])
        np.testing.assert_array_equal(utilities, expected[1])
        assert 0 < asked[-1].sum() < 180


def test_contrastive_al_compares_with_labelled_neighbours():
    _, utilities = query(ContrastiveAL(n_neighbors=3))
    rows = functional.unit_rows(torch.as_tensor(X))
    expected = functional.contrast(PROBA[20:], rows[20:], PROBA[:20], rows[:20], 3)
    np.testing.assert_allclose(utilities[0, 20:], expected, rtol=1e-4)


def test_contrastive_al_says_when_there_is_nothing_to_compare():
    with pytest.warns(UserWarning, match="ContrastiveAL compares"):
        _, utilities = query(ContrastiveAL(), y=np.full(200, -1))
    assert (utilities[0] == 1).all()


def test_clue_asks_for_the_uncertain_centre():
    picks, utilities = query(Clue(temperature=0.5), batch_size=1)
    weights = functional.entropy(functional.apply_temperature(PROBA[20:], 0.5)).numpy()
    center = np.average(X[20:], axis=0, weights=weights)
    distance = np.linalg.norm(X[20:] - center, axis=1)
    assert picks[0] == 20 + distance.argmin()
    np.testing.assert_allclose(utilities[0, 20:], -distance, rtol=1e-4)


def test_clue_gives_equal_picks_for_equal_seeds():
    first, second = (query(Clue(), batch_size=12)[0].tolist() for _ in range(2))
    assert first == second


def test_falcun_scores_inputs_relative_to_the_pool():
    _, whole = query(Falcun())
    _, part = query(Falcun(), candidates=X[50:60])
    np.testing.assert_allclose(whole[0, 50:60], part[0], rtol=1e-5)


def test_density_weighted_diversity_without_weight_is_core_set():
    picks, utilities = query(DensityWeightedDiversity(beta=0.0), clf=None)
    expected, distances = query(CoreSet(), clf=None)
    assert picks.tolist() == expected.tolist()
    np.testing.assert_allclose(utilities, distances, rtol=1e-4)
    dense, _ = query(DensityWeightedDiversity(beta=4.0), clf=None)
    norm = np.linalg.norm(X - X.mean(0), axis=1)
    assert norm[dense].mean() < norm[picks].mean()


@pytest.mark.slow
@pytest.mark.parametrize("n", [7_000, pytest.param(60_000, marks=pytest.mark.nightly)])
def test_cluster_size_is_honoured_in_large_pools(n, monkeypatch):
    seen = []

    def recorded(scores, clusters, batch_size, **options):
        seen.append(clusters)
        return functional.cluster_rounds(scores, clusters, batch_size, **options)

    monkeypatch.setattr("skal_deep.pool._cluster_rounds.cluster_rounds", recorded)
    rows = np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)
    y = np.where(np.arange(n) < 20, np.arange(n) % 2, -1)
    clf = LogisticRegression().fit(rows[:20], y[:20])
    for size in (10, 50):
        # all rows are considered: parts without any that is are not clustered
        ClusterMargin(oversampling=n, cluster_size=size, random_state=0).query(
            rows, y, clf, fit_clf=False, batch_size=5
        )
        _, count = seen[-1].unique(return_counts=True)
        assert float(count.double().mean()) == pytest.approx(size, rel=0.1)
