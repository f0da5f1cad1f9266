"""Robust k-centre against all batches there are."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skal_deep.functional import k_center_greedy, robust_k_center

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "kernel_framework.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def radius_of(points, centers, n_outliers):
    nearest = torch.cdist(points, centers).amin(1).sort(descending=True).values
    return float(nearest[n_outliers]) if n_outliers < len(nearest) else 0.0


def best_radius(points, centers, batch_size, n_outliers):
    return min(
        radius_of(points, torch.cat([centers, points[list(rows)]]), n_outliers)
        for rows in combinations(range(len(points)), batch_size)
    )


@pytest.mark.parametrize("n_outliers", [0, 2])
def test_golden_radii(n_outliers):
    picks, radius, bound, is_complete = robust_k_center(
        H[UNLABELED],
        H[LABELED],
        8,
        n_outliers=n_outliers,
        max_points=500,
        time_limit=60.0,
    )
    assert is_complete
    assert radius == bound
    assert radius == pytest.approx(float(GOLDEN[f"rkc_xi{n_outliers}_radius"]))
    centers = torch.cat([H[LABELED], H[UNLABELED][picks]])
    assert radius_of(H[UNLABELED], centers, n_outliers) == pytest.approx(radius)


@pytest.mark.parametrize("n_outliers", [0, 1, 2])
def test_golden_radii_of_a_small_problem(n_outliers):
    known = [0, 5]
    rest = [i for i in range(16) if i not in known]
    _, radius, *_ = robust_k_center(
        H[rest], H[known], 3, n_outliers=n_outliers, max_points=500, time_limit=60.0
    )
    expected = float(GOLDEN[f"rkc_small_xi{n_outliers}_radius"])
    assert radius == pytest.approx(expected)
    if n_outliers == 0:
        assert expected == pytest.approx(float(GOLDEN["kc_small_opt_radius"]))


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.integers(0, 500),
    st.integers(4, 9),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(0, 3),
)
def test_no_batch_is_better(seed, n, batch_size, n_centers, n_outliers):
    rng = np.random.default_rng(seed)
    points = torch.as_tensor(rng.standard_normal((n, 2)))
    centers = torch.as_tensor(rng.standard_normal((n_centers, 2)))
    picks, radius, bound, is_complete = robust_k_center(
        points,
        centers,
        batch_size,
        n_outliers=n_outliers,
        max_points=500,
        time_limit=60.0,
    )
    best = best_radius(points, centers, batch_size, n_outliers)
    assert is_complete
    assert len(set(picks.tolist())) == batch_size
    assert radius == pytest.approx(best, abs=1e-9)
    assert bound == pytest.approx(best, abs=1e-9)


def test_half_the_greedy_radius_is_no_bound_with_outliers():
    """Two far points that may be left out hide how small the radius can be."""
    line = torch.arange(7.0)[:, None] / 3
    points = torch.cat([line, torch.tensor([[100.0], [200.0]])]).double()
    center = points[:1]
    greedy = radius_of(points, torch.cat([center, points[[8]]]), 0)
    picks, radius, *_ = robust_k_center(
        points, center, 1, n_outliers=2, max_points=500, time_limit=60.0
    )
    assert greedy == pytest.approx(100.0)
    assert radius == pytest.approx(2 / 3, abs=1e-6)
    assert picks.tolist() in ([4], [5])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_outliers", [0, 2])
def test_representatives_lose_little(seed, n_outliers):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(14, 2, generator=generator).double()
    kept, _ = k_center_greedy(points[1:], points[:1], 8)
    spread = radius_of(points[1:], points[1:][kept], 0)
    _, radius, bound, is_complete = robust_k_center(
        points[1:], points[:1], 2, n_outliers=n_outliers, max_points=8, time_limit=60.0
    )
    best = best_radius(points[1:], points[:1], 2, n_outliers)
    assert is_complete
    assert bound <= best + 1e-9
    assert best - 1e-9 <= radius <= best + 3 * spread + 1e-9


def test_copies_count_each_and_are_picked_once():
    points = torch.zeros(5, 2)
    picks, radius, *_ = robust_k_center(
        points, points[:0], 4, n_outliers=0, max_points=500, time_limit=60.0
    )
    assert len(set(picks.tolist())) == 4
    assert radius == 0


def test_without_time_the_greedy_batch_is_left():
    picks, radius, bound, is_complete = robust_k_center(
        H[UNLABELED], H[LABELED], 8, n_outliers=0, max_points=500, time_limit=1e-9
    )
    greedy, _ = k_center_greedy(H[UNLABELED], H[LABELED], 8)
    assert picks.tolist() == greedy.tolist()
    assert not is_complete
    assert radius / 2 <= bound + 1e-6 < radius
    centers = torch.cat([H[LABELED], H[UNLABELED][greedy]])
    assert radius == pytest.approx(radius_of(H[UNLABELED], centers, 0))


def test_all_points_may_be_left_out():
    _, radius, bound, _ = robust_k_center(
        H[:5], H[5:6], 1, n_outliers=9, max_points=500, time_limit=60.0
    )
    assert radius == bound == 0


def test_bad_input():
    with pytest.raises(ValueError, match="centers holds NaN"):
        robust_k_center(
            H,
            torch.full((1, 5), math.nan),
            1,
            n_outliers=0,
            max_points=500,
            time_limit=1.0,
        )
    with pytest.raises(ValueError, match="batch_size"):
        robust_k_center(H, H[:1], 61, n_outliers=0, max_points=500, time_limit=1.0)
