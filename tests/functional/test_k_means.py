"""k-means by bounds is k-means by all distances."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skal_deep.functional import _k_means, nearest_centers
from skal_deep.functional._k_means import k_means, lloyd


def rows_of(kind: str, dtype: torch.dtype, n: int = 900) -> Tensor:
    """Return rows around the origin."""
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(n, 6, generator=source, dtype=torch.float64)
    if kind == "clusters":
        rows += 5 * torch.randn(9, 6, generator=source).repeat(n // 9, 1)
    elif kind == "whole numbers":
        rows = (2 * rows).round()
    elif kind == "copies":
        rows = rows[:7].repeat(1 + n // 7, 1)[:n]
    elif kind == "a far row":
        rows[n // 2] += 1000
    return (rows - rows.mean(0)).to(dtype)


KINDS = ["gaussian", "clusters", "whole numbers", "copies", "a far row"]


def by_all_distances(
    rows: Tensor, seeds: Tensor, weights: Tensor, monkeypatch
) -> Tensor:
    """Return the centres without bounds and compiled loops."""
    with monkeypatch.context() as patch:
        patch.setattr(_k_means, "are_for_loops", lambda *_: False)
        return lloyd(rows, seeds, weights)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_clusters", [1, 2, 5, 40, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_centres_are_those_by_all_distances(kind, n_clusters, dtype, monkeypatch):
    """To the last bit: both add the same rows in the same order.

    Where rows are as close to two centres, round-off decides, but nothing is lost.
    """
    monkeypatch.setattr(_k_means, "_NUMBERS_OF_A_PART", 2000)
    monkeypatch.setattr(_k_means, "_LEAST_ROWS", 50)
    rows = rows_of(kind, dtype)
    source = torch.Generator().manual_seed(1)
    for weights in (torch.ones(len(rows)), torch.rand(len(rows), generator=source)):
        seeds = rows[torch.randperm(len(rows), generator=source)[:n_clusters]]
        given = rows, seeds, weights.to(dtype)
        expected = by_all_distances(*given, monkeypatch)
        found = lloyd(*given)
        if kind not in ("copies", "whole numbers"):
            assert torch.equal(found, expected)
        inertia, least = (
            float(nearest_centers(rows, each)[0] @ given[2])
            for each in (found, expected)
        )
        assert inertia == pytest.approx(least, rel=0.01, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gaussian", "clusters", "a far row"])
@pytest.mark.parametrize("has_weights", [False, True])
def test_centres_are_those_of_scikit_learn(kind, has_weights, monkeypatch):
    monkeypatch.setattr(_k_means, "_LEAST_LESS", 0)
    rows, source = rows_of(kind, torch.float64), torch.Generator().manual_seed(2)
    weights = torch.ones(len(rows), dtype=torch.float64)
    if has_weights:
        weights = torch.rand(len(rows), generator=source).double() ** 4
    for n_clusters in (2, 9, 30):
        seeds = rows[torch.randperm(len(rows), generator=source)[:n_clusters]]
        expected = KMeans(n_clusters, init=seeds.numpy(), n_init=1, tol=0)
        expected.fit(rows.numpy(), sample_weight=weights.numpy())
        found = lloyd(rows, seeds, weights)
        np.testing.assert_allclose(found, expected.cluster_centers_, rtol=1e-9)


@pytest.mark.parametrize("is_quick", [False, True])
def test_bounds_hold_and_no_center_is_left_without_rows(is_quick, monkeypatch):
    """Centres that begin at one place part where there are rows enough."""
    if not is_quick:
        monkeypatch.setattr(_k_means, "are_for_loops", lambda *_: False)
    rows = rows_of("clusters", torch.float32)
    centers = lloyd(rows, rows[:1].repeat(9, 1), torch.ones(len(rows)))
    _, cluster_N = nearest_centers(rows, centers)
    assert cluster_N.bincount(minlength=9).min() > 0
    few = rows[:4].repeat(5, 1)
    centers = lloyd(few, few[:1].repeat(9, 1), torch.ones(20))
    assert nearest_centers(few, centers)[0].max() == 0
    assert centers.isfinite().all()


@pytest.mark.parametrize("is_quick", [False, True])
def test_it_does_not_end_before_a_center_that_was_placed_has_rows(
    is_quick, monkeypatch
):
    """All others are where they stay, so that they take off nothing."""
    if not is_quick:
        monkeypatch.setattr(_k_means, "are_for_loops", lambda *_: False)
    rows = rows_of("gaussian", torch.float32)
    weights, one = torch.ones(len(rows)), rows.mean(0, keepdim=True)
    centers = lloyd(rows, one.repeat(2, 1), weights)
    inertia, alone = (
        float(nearest_centers(rows, each)[0].mean()) for each in (centers, one)
    )
    assert inertia < 0.9 * alone


def test_bounds_are_bounds():
    rows, source = rows_of("gaussian", torch.float32), torch.Generator().manual_seed(3)
    centers = rows[:12].clone()
    bounded, cluster_N = _k_means._Bounded(rows), torch.full((len(rows),), -1)
    all_N, some_n = torch.arange(len(rows)), []
    for _ in range(8):
        bounded.assign(rows, centers, cluster_N)
        distance_NK = torch.cdist(rows.double(), centers.double())
        own_N = distance_NK[all_N, cluster_N]
        assert torch.equal(cluster_N, distance_NK.argmin(1))
        upper_N = torch.from_numpy(bounded._upper_N)
        assert (upper_N.square() > own_N.square() - 1e-5).all()  # of squares of 2 to 20
        distance_NK[all_N, cluster_N] = torch.inf
        assert (torch.from_numpy(bounded._lower_N) < distance_NK.amin(1) + 1e-5).all()
        some_n.append(len(bounded._open(rows, centers, cluster_N.numpy())))
        # far, and one of them alone farther than all others
        centers = centers + 0.02 * torch.randn(centers.shape, generator=source)
        centers[int(torch.randint(12, (), generator=source))] *= 1.1
    assert max(some_n) < len(rows) / 2  # most were not looked at


def test_rows_without_weight_attract_no_center():
    """One of three centres finds no rows at first: the next ones are far away."""
    near = rows_of("gaussian", torch.float32, 2000)
    far = 1e3 * torch.arange(1, 21)[:, None].expand(20, 6)
    rows, weights = torch.cat([near, far]), torch.ones(2020)
    weights[2000:] = 0
    seeds = lloyd(near, near[:2], torch.ones(2000))
    centers = lloyd(rows, seeds[[0, 1, 1]], weights)
    assert centers.abs().max() < 100


def test_changes_that_take_off_little_end_it(monkeypatch):
    rows = rows_of("gaussian", torch.float32, 8100)
    weights, seeds = torch.ones(len(rows)), rows[:30]
    before_N, end = nearest_centers(rows, lloyd(rows, seeds, weights))
    monkeypatch.setattr(_k_means, "_LEAST_LESS", 0)
    centers = lloyd(rows, seeds, weights)
    squared_N, cluster_N = nearest_centers(rows, centers)
    assert (cluster_N != end).any()
    assert squared_N.mean() < before_N.mean() < 1.001 * squared_N.mean()


def test_many_rows_are_as_those_of_scikit_learn(recwarn):
    """No worse than by the same draws, and no warning of few rows that differ."""
    rows = rows_of("gaussian", torch.float32, 4500)
    found = k_means(rows, 60, torch.Generator().manual_seed(0))
    inertia = float(nearest_centers(rows, found)[0].double().sum())
    theirs = KMeans(60, n_init=3, random_state=0).fit(rows).inertia_
    assert inertia < 1.01 * theirs
    k_means(rows[:4].repeat(9, 1), 7, torch.Generator().manual_seed(0))
    assert not [w for w in recwarn if issubclass(w.category, ConvergenceWarning)]


@pytest.mark.parametrize("seed", [18, 23, 32])
def test_few_changes_that_count_do_not_end_it(seed, monkeypatch):
    """A few rows of a long tail have most of the inertia."""
    source = torch.Generator().manual_seed(seed)
    rows = torch.exp(2 * torch.randn(4000, 6, generator=source))
    rows -= rows.mean(0)
    weights = torch.ones(len(rows))
    seeds = _k_means.best_seeds(rows, 3, weights, seed)
    found = lloyd(rows, seeds, weights)
    monkeypatch.setattr(_k_means, "_LEAST_LESS", 0)
    inertia, least = (
        float(nearest_centers(rows, each)[0].double().sum())
        for each in (found, lloyd(rows, seeds, weights))
    )
    assert inertia < 1.01 * least


@pytest.mark.parametrize("scale", [1e-200, 1e-44, 1e30, 1e200])
def test_the_scale_of_weights_does_not_count(scale):
    """Entropies of a classifier that is sure of all rows are below float32's range."""
    rows, source = rows_of("clusters", torch.float32), torch.Generator().manual_seed(4)
    weights = torch.rand(len(rows), generator=source, dtype=torch.float64)
    expected = k_means(rows, 9, torch.Generator().manual_seed(0), weights)
    found = k_means(rows, 9, torch.Generator().manual_seed(0), scale * weights)
    torch.testing.assert_close(found, expected)


def test_gradients_of_weights_are_let_go():
    rows = rows_of("clusters", torch.float32)
    weights = torch.ones(len(rows), requires_grad=True)
    found = k_means(rows, 9, torch.Generator().manual_seed(0), weights)
    assert not found.requires_grad


def test_round_off_of_tight_clusters_does_not_go_on(monkeypatch):
    """In float32 it changed rows in each of 300 iterations, all of them for nothing."""
    source = torch.Generator().manual_seed(0)
    group = torch.randint(30, (3000,), generator=source)
    rows = 1e-4 * torch.randn(3000, 3, generator=source)
    rows += 10 * torch.randn(30, 3, generator=source)[group]
    types = []

    def note(rows: Tensor, *given: Tensor) -> Tensor:
        types.append(rows.dtype)
        return lloyd(rows, *given)

    monkeypatch.setattr(_k_means, "lloyd", note)
    found = k_means(rows, 300, torch.Generator().manual_seed(0))
    assert types == [torch.float64]
    assert found.dtype == torch.float32
