"""Typicality and nearest neighbours against distances written out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import (
    nearest_centers,
    nearest_neighbors,
    typi_clust,
    typicality,
    unit_rows,
)

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]
DATA = torch.cat([H[LABELED], H[UNLABELED]])


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("k", [5, 20])
def test_golden_typicality(k):
    np.testing.assert_allclose(typicality(H, H, k), GOLDEN[f"typi_k{k}_all"], rtol=1e-9)


def test_golden_picks():
    assert (nearest_centers(H, H[:7])[1].numpy() == GOLDEN["typi_clusters"]).all()
    picks, utilities = typi_clust(H[UNLABELED], DATA, 6, H[:7], 5)
    assert UNLABELED[picks].tolist() == GOLDEN["typiclust_idx"].tolist()
    assert (utilities[range(5), picks] == utilities.amax(1)).all()


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(1, 20), st.integers(1, 20), st.integers(1, 4))
def test_neighbors_are_the_nearest(seed, n, n_data, n_dims):
    points, data = normal(n, n_dims, seed=seed), normal(n_data, n_dims, seed=seed + 1)
    k = min(3, n_data)
    distances, positions = nearest_neighbors(points + 9, data + 9, k)
    expected = torch.cdist(points, data).topk(k, largest=False)
    torch.testing.assert_close(distances, expected.values, atol=1e-6, rtol=0)
    assert torch.equal(positions, expected.indices)
    squared, nearest = nearest_centers(points + 9, data + 9)
    torch.testing.assert_close(squared, expected.values[:, 0] ** 2, atol=1e-6, rtol=0)
    assert torch.equal(nearest, expected.indices[:, 0])


@pytest.mark.slow
def test_neighbors_in_chunks(monkeypatch):
    expected = nearest_neighbors(H, H, 4)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 100)
    found = nearest_neighbors(H, H, 4)
    torch.testing.assert_close(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_one_cluster_gives_the_most_typical_row():
    scores = typicality(H, H, 20)
    picks, utilities = typi_clust(H, H, 0, H[:1], 3)
    assert picks.tolist() == scores.topk(3).indices.tolist()
    torch.testing.assert_close(utilities[0], scores)


@pytest.mark.slow
def test_moving_turning_and_scaling_change_no_pick():
    turn = torch.linalg.qr(normal(5, 5)).Q
    moved = 3 * (DATA @ turn + 7)
    expected = typi_clust(DATA[6:], DATA, 6, DATA[:9], 12)[0]
    assert torch.equal(typi_clust(moved[6:], moved, 6, moved[:9], 12)[0], expected)


def test_order_of_the_clusters():
    """Least labels first, then size; small ones last; each again in its turn."""
    sizes, places = [8, 6, 9, 3], [0.0, 10.0, 20.0, 30.0]
    parts = [x + normal(n, 1, seed=n) / 9 for n, x in zip(sizes, places, strict=True)]
    data = torch.cat([parts[2][:1], *parts[:2], parts[2][1:], parts[3]])
    centroids = torch.tensor(places)[:, None].double()
    picks, _ = typi_clust(data[1:], data, 1, centroids, 25)
    clusters = nearest_centers(data[1:][picks], centroids)[1].tolist()
    assert clusters[:6] == [0, 1, 2, 0, 1, 2]
    assert clusters[-3:] == [3, 3, 3]
    assert sorted(picks.tolist()) == list(range(25))


def test_copies_are_picked_once_each():
    copies = torch.zeros(12, 2)
    picks, utilities = typi_clust(copies, copies, 0, copies[:2], 12)
    assert sorted(picks.tolist()) == list(range(12))
    assert torch.isfinite(utilities).all()


def test_unit_rows():
    rows = unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


@pytest.mark.slow
def test_a_candidate_is_in_the_cluster_of_its_row():
    """Two centroids at the same distance: rounding must not part row and candidate."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 8, generator=generator)
    rows[:, 0] = 0
    centroids = torch.zeros(3, 8)
    centroids[:, 0] = torch.tensor([1.0, -1.0, 1e3])  # and one that nobody is close to
    for some in (slice(None), slice(1, None, 3), slice(39, 40)):
        for place in (None, torch.arange(40)[some]):
            picks, utilities = typi_clust(
                rows[some], rows, 10, centroids, len(rows[some]), rows=place
            )
            assert utilities.isfinite().all()
            assert len(set(picks.tolist())) == len(rows[some])
    far = torch.full((1, 8), 1e3)  # an input nearest to the centroid without rows
    assert typi_clust(far, rows, 10, centroids, 1)[1].isfinite().all()
