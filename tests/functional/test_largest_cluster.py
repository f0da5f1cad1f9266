"""LCMD against its definition written out."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import k_center_greedy, largest_cluster, lcmd
from skal_deep.functional.largest_cluster import Clusters

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "kernel_framework.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def written_out(points, centers, batch_size, mass):
    picks = []
    for _ in range(batch_size):
        now = torch.cat([centers, points[picks]])
        size = torch.zeros(len(now)).double()
        for row in torch.cdist(mass, now).square():
            size[row.argmin()] += row.min()
        nearest, owner = torch.cdist(points, now).square().min(1)
        left = [i for i in range(len(points)) if i not in picks]
        largest = max({int(owner[i]) for i in left}, key=lambda k: (size[k], -k))
        inside = [i for i in left if owner[i] == largest]
        picks.append(max(inside, key=lambda i: (nearest[i], -i)))
    return picks


def test_golden():
    picks, utilities = lcmd(H[UNLABELED], H[LABELED], 6)
    assert UNLABELED[picks].tolist() == GOLDEN["lcmd_idx"].tolist()
    assert (utilities[range(6), picks] == utilities.amax(1)).all()


@pytest.mark.slow
@given(st.integers(0, 200), st.integers(1, 12), st.integers(1, 4), st.booleans())
def test_equals_the_definition(seed, n, n_centers, has_mass):
    rng = np.random.default_rng(seed)
    points, centers = (
        torch.as_tensor(rng.standard_normal((k, 2)) + 20) for k in (n, n_centers)
    )
    mass = torch.as_tensor(rng.standard_normal((15, 2)) + 20) if has_mass else None
    picks, _ = lcmd(points, centers, n, mass=mass)
    expected = written_out(points, centers, n, points if mass is None else mass)
    assert picks.tolist() == expected


def test_one_cluster_is_farthest_first():
    center = H.mean(0, keepdim=True)
    picks, utilities = lcmd(H, center, 1)
    expected, distances = k_center_greedy(H, center, 1)
    assert picks.tolist() == expected.tolist()
    torch.testing.assert_close(utilities, distances.square())


def test_dense_clusters_come_before_outliers():
    dense = torch.cat([torch.linspace(-1, 1, 101), torch.tensor([53.0])])[:, None]
    centers = torch.tensor([[0.0], [50.0]])
    assert k_center_greedy(dense, centers, 1)[0].tolist() == [101]
    assert lcmd(dense, centers, 1)[0].tolist() == [0]


def test_cold_start_takes_the_largest_norm():
    picks, utilities = lcmd(H, H[:0], 3)
    torch.testing.assert_close(utilities[0], H.square().sum(1))
    assert picks[0] == H.norm(dim=1).argmax()


def test_turning_moving_and_types():
    turn = torch.linalg.qr(
        torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).double()
    )
    moved = ((H + 7) @ turn.Q).float()
    picks, _ = lcmd(H[UNLABELED], H[LABELED], 10)
    moved_picks, utilities = lcmd(moved[UNLABELED], moved[LABELED], 10)
    assert picks.tolist() == moved_picks.tolist()
    assert utilities.dtype == torch.float32


def pools():
    """Points that lie in many ways, and one of each kind that is copied."""
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(700, 6, generator=source, dtype=torch.float64)
    group = torch.randint(9, (700,), generator=source)
    spread = 1e-3 * rows + 100 * torch.randn(9, 6, generator=source).double()[group]
    return {
        "one heap": rows,
        "tight and far apart": spread,
        "on a grid": (2 * rows).round(),
        "copies": rows[group],
        "far away": 1e4 + rows,
        "columns apart": torch.cat([rows, rows], 1)[:, 1:7],
    }


@pytest.mark.parametrize("kind", pools())
@pytest.mark.parametrize("n_centers", [0, 1, 40])
@pytest.mark.parametrize("has_mass", [False, True])
def test_loops_are_the_operations(kind, n_centers, has_mass, monkeypatch):
    rows = pools()[kind]
    mass = rows[::3] if has_mass else None
    monkeypatch.setattr(largest_cluster, "_NUMBERS_OF_A_PART", 1000)
    monkeypatch.setattr(largest_cluster, "_MOST_PARTS", 7)
    given = rows[n_centers:], rows[:n_centers], 30
    by_loops = lcmd(*given, mass=mass)
    picks, alone = lcmd(*given, mass=mass, with_utilities=False)
    monkeypatch.setattr(largest_cluster, "are_for_loops", lambda *arrays: False)
    by_operations = lcmd(*given, mass=mass)
    assert by_loops[0].tolist() == by_operations[0].tolist() == picks.tolist()
    torch.testing.assert_close(by_loops[1], by_operations[1])
    assert torch.equal(alone, by_loops[1].gather(1, picks[:, None])[:, 0])


def test_points_that_gradients_are_asked_of():
    points = H.clone().requires_grad_()
    expected = lcmd(H[5:], H[:5], 6)
    assert lcmd(points[5:], points[:5], 6)[0].tolist() == expected[0].tolist()
    with torch.no_grad():
        found = lcmd(points[5:], points[:5], 6, mass=points)
    torch.testing.assert_close(found[0], expected[0])


def test_the_largest_cluster_may_have_no_candidate():
    """The next largest serves, whose points have no utility there."""
    mass = torch.cat([50 + torch.arange(9.0), H[:, 0].float()])[:, None]
    points, centers = H[:, :1].float(), torch.tensor([[0.0], [50.0]])
    picks, utilities = lcmd(points, centers, 5, mass=mass)
    _, alone = lcmd(points, centers, 5, mass=mass, with_utilities=False)
    assert len(set(picks.tolist())) == 5
    assert utilities.eq(0).all()
    assert alone.eq(0).all()


def test_nothing_may_have_mass():
    picks, utilities = lcmd(H[5:], H[:5], 3, mass=H[:0])
    assert len(set(picks.tolist())) == 3
    assert utilities.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("n_centers", [1, 5])
def test_the_size_of_chunks_does_not_matter(monkeypatch, n_centers):
    expected = lcmd(H[10:], H[:n_centers], 20)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 7)
    torch.testing.assert_close(lcmd(H[10:], H[:n_centers], 20), expected)


def test_copies_are_picked_once_each():
    picks, utilities = lcmd(torch.zeros(4, 2), torch.zeros(2, 2), 4)
    assert picks.tolist() == [0, 1, 2, 3]
    assert utilities.eq(0).all()


def test_bad_input():
    with pytest.raises(ValueError, match="mass holds NaN"):
        lcmd(H, H[:1], 1, mass=torch.full((1, 5), math.nan))
    points = H.float()
    with pytest.raises(ValueError, match=r"mass is .*float32. Scale the rows"):
        lcmd(points, points[:1] + 1, 3, mass=1e25 * points)
    with pytest.raises(ValueError, match="batch_size"):
        lcmd(H, H[:1], 61)


@given(st.integers(0, 200), st.integers(1, 30), st.booleans())
def test_a_card_finds_the_same_clusters(seed, n, is_far):
    rng = np.random.default_rng(seed)
    points = torch.as_tensor(rng.standard_normal((n, 3)) + 1e3 * is_far).float()
    one, other = (Clusters(points, points[:0]) for _ in range(2))
    for name, at in enumerate(rng.choice(n, min(n, 5), replace=False)):
        one.add(points[at], torch.tensor([name]))
        other._add_by_differences(points[at], torch.tensor([name]))
    assert torch.equal(one.owner_N, other.owner_N)
    torch.testing.assert_close(one.nearest_N, other.nearest_N)
