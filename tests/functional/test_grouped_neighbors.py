"""Neighbours by groups, beside those of all distances."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from skal_deep.functional import (
    cosine_graph,
    grouped_neighbors,
    nearest_neighbors,
    purity_radius,
    random_walk,
    typicality,
)
from skal_deep.functional.neighbors import group_means


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clusters(n):
    """Return rows of ten clusters, 4-dimensional in a space of 16."""
    member = torch.arange(n) % 10
    spread = normal(10, 4, 16, seed=1)[member]
    inside = torch.einsum("nd,nde->ne", normal(n, 4, seed=2), spread)
    return 4 * normal(10, 16)[member] + inside


def share_found(rows, data, k, **options):
    _, found = grouped_neighbors(rows, data, k, **options)
    _, expected = nearest_neighbors(rows, data, k)
    is_found = (found[:, :, None] == expected[:, None]).any(1)
    return float(is_found.float().mean())


@pytest.mark.slow
def test_most_neighbors_are_found():
    rows = clusters(3_000)
    assert share_found(rows, rows, 11) > 0.99
    assert share_found(rows[:50] + 0.1, rows, 11) > 0.99
    gaussian = normal(3_000, 2)
    assert share_found(gaussian, gaussian, 11) > 0.99


@pytest.mark.parametrize("n_of_group", [2, 64])
def test_rows_that_are_the_data_find_what_copies_of_them_do(n_of_group, monkeypatch):
    monkeypatch.setattr("skal_deep.functional.neighbors._N_OF_GROUP", n_of_group)
    rows = clusters(600)
    for ours, theirs in zip(
        grouped_neighbors(rows, rows, 11),
        grouped_neighbors(rows.clone(), rows, 11),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert share_found(rows, rows, 11) > 0.9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 5, 60])
def test_with_all_groups_they_are_exact(dtype, k):
    data = torch.cat([normal(40, 3), normal(10, 3)[torch.arange(20) % 10]]).to(dtype)
    distance, position = grouped_neighbors(data, data, k, n_probed=60)
    expected, _ = nearest_neighbors(data, data, k)
    torch.testing.assert_close(distance, expected, rtol=1e-3, atol=1e-6)
    assert all(len(set(row)) == k for row in position.tolist())
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    between = torch.cdist(data, data, **exact).gather(1, position)
    torch.testing.assert_close(distance, between, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_copies_and_few_rows(n):
    copies = torch.ones(n, 2)
    distance, position = grouped_neighbors(copies, copies, n, n_probed=1)
    assert distance.eq(0).all()
    assert position.sort().values.eq(torch.arange(n)).all()
    with pytest.raises(ValueError, match=f"n_neighbors={n + 1} must lie in 1"):
        grouped_neighbors(copies, copies, n + 1)


@pytest.mark.slow
def test_groups_with_fewer_rows_than_neighbors_are_joined():
    data = torch.arange(100.0)[:, None]
    distance, _ = grouped_neighbors(data, data, 30, n_probed=1)
    assert distance.shape == (100, 30)
    assert distance.isfinite().all()


@pytest.mark.slow
def test_graphs_of_many_rows_take_groups():
    rows = clusters(600)
    for graph in (cosine_graph, random_walk):
        exact, grouped = graph(rows, 8), graph(rows, 8, max_exact=500)
        assert isinstance(grouped, csr_array)
        difference = np.abs((exact - grouped).toarray())
        assert (difference > 1e-6).mean() < 1e-3
    exact, grouped = (typicality(rows, rows, 20, max_exact=n) for n in (600, 500))
    torch.testing.assert_close(grouped, exact, rtol=0.02, atol=0)


def test_a_radius_of_some_balls_is_among_all_rows():
    rows, labels = normal(400, 2), torch.arange(400) % 3
    exact = purity_radius(rows, labels, 0.9)
    everything = purity_radius(rows, labels, 0.9, torch.arange(400))
    assert everything == exact
    some = purity_radius(rows, labels, 0.9, torch.arange(0, 400, 2))
    assert some == pytest.approx(exact, rel=0.15)
    assert purity_radius(rows[::2], labels[::2], 0.9) > some


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weighted_means_of_groups_leave_the_rows_alone(dtype):
    rows, group = normal(50, 3).to(dtype), torch.arange(50) % 4
    weights, before = torch.arange(50).to(dtype), rows.clone()
    means, total = group_means(rows, group, 5, weights)
    assert torch.equal(rows, before)
    weighted = weights[:, None] * before
    for g in range(4):
        of_group = weighted[group == g].sum(0) / weights[group == g].sum()
        torch.testing.assert_close(means[g], of_group)
    assert means[4].isnan().all()
    assert total.tolist() == [sum(range(g, 50, 4)) for g in range(4)] + [0]
