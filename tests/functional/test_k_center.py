"""Greedy k-centre against farthest-first written out."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import k_center, k_center_greedy

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "embeddings.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def farthest_first(points, centers, batch_size):
    picks, rows = [], []
    for _ in range(batch_size):
        distance = torch.cdist(points, torch.cat([centers, points[picks]])).amin(1)
        rows.append(distance.clone())
        distance[picks] = -math.inf
        picks.append(int(distance.argmax()))
    return picks, torch.stack(rows)


def test_golden():
    picks, utilities = k_center_greedy(H[UNLABELED], H[LABELED], 8)
    assert UNLABELED[picks].tolist() == GOLDEN["coreset_greedy_idx"].tolist()
    distance = torch.cdist(H, torch.cat([H[LABELED], H[UNLABELED][picks]]))
    radius = [
        float(distance[:, : len(LABELED) + step].amin(1).max()) for step in range(1, 9)
    ]
    np.testing.assert_allclose(radius, GOLDEN["coreset_greedy_radius"], atol=1e-5)
    assert (utilities[range(8), picks].diff() <= 0).all()


@pytest.mark.parametrize("n_numbers", [0, 8, 10**9])
def test_fronts_of_any_growth_find_the_same(n_numbers, monkeypatch):
    monkeypatch.setattr(k_center, "_FEW_NUMBERS", 0)
    monkeypatch.setattr(k_center, "_FRONT_SIZE", 4)
    points = torch.randn(900, 3, generator=torch.Generator().manual_seed(0)).double()
    sizes, front = [], k_center._front

    def noted(bound_N, size):
        sizes.append(size)
        return front(bound_N, size)

    monkeypatch.setattr(k_center, "_front", noted)
    monkeypatch.setattr(k_center, "_NUMBERS_OF_A_LOOK", n_numbers)
    picks, distance = k_center_greedy(points[1:], points[:1], 60, with_utilities=False)
    expected, rows = farthest_first(points[1:], points[:1], 60)
    assert picks.tolist() == expected
    torch.testing.assert_close(distance, rows[range(60), expected])
    assert sizes == sorted(sizes)
    assert (sizes[-1] > 4) == (n_numbers > 0)


def test_golden_from_a_given_first_point():
    picks, _ = k_center_greedy(H, H[:1], 5)
    assert [0, *picks.tolist()] == GOLDEN["coreset_cold_first0"].tolist()


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(1, 12), st.integers(1, 4), st.integers(1, 5))
def test_equals_farthest_first(seed, n, n_centers, n_dims):
    rng = np.random.default_rng(seed)
    points = torch.as_tensor(rng.standard_normal((n, n_dims)) + 100)
    centers = torch.as_tensor(rng.standard_normal((n_centers, n_dims)) + 100)
    picks, utilities = k_center_greedy(points, centers, n)
    expected, rows = farthest_first(points, centers, n)
    assert picks.tolist() == expected
    torch.testing.assert_close(utilities, rows, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_centers", [32, 33, 120])
def test_few_points_and_more_centres_than_are_compared_one_by_one(n_centers, dtype):
    generator = torch.Generator().manual_seed(n_centers)
    rows = torch.randn(180, 5, generator=generator).to(dtype)
    for centers in (rows[:n_centers], rows[:n_centers].flip(0)):
        picks, distances = k_center_greedy(
            rows[120:], centers, 30, with_utilities=False
        )
        expected, utilities = farthest_first(rows[120:], centers, 30)
        assert picks.tolist() == expected
        torch.testing.assert_close(distances, utilities[range(30), expected])


@pytest.mark.parametrize("front_size", [1, 2, 7, 40])
@pytest.mark.parametrize("n_centers", [0, 5])
def test_bounds_and_blocks_do_not_change_picks(monkeypatch, front_size, n_centers):
    points = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)).double()
    expected = k_center_greedy(points[5:], points[:n_centers], 150)
    monkeypatch.setattr("skal_deep.functional.k_center._FEW_NUMBERS", 0)
    monkeypatch.setattr("skal_deep.functional.k_center._FRONT_SIZE", front_size)
    monkeypatch.setattr("skal_deep.functional.k_center._N_FIRST_CENTERS", 2)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 2_000)
    picks, utilities = k_center_greedy(points[5:], points[:n_centers], 150)
    assert picks.tolist() == expected[0].tolist()
    torch.testing.assert_close(utilities, expected[1])
    plain = farthest_first(points[5:], points[:n_centers], 150) if n_centers else None
    assert plain is None or picks.tolist() == plain[0]


@pytest.mark.slow
def test_many_ties_go_to_the_lowest_position(monkeypatch):
    monkeypatch.setattr("skal_deep.functional.k_center._FEW_NUMBERS", 0)
    monkeypatch.setattr("skal_deep.functional.k_center._FRONT_SIZE", 3)
    points = torch.tensor([[1.0], [5.0], [5.0], [5.0], [-5.0], [5.0], [5.0]])
    assert k_center_greedy(points, torch.zeros(1, 1), 7)[0].tolist()[:2] == [1, 4]
    assert k_center_greedy(torch.ones(20, 1), torch.zeros(1, 1), 9)[0].tolist() == [
        *range(9)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_within_twice_the_optimum(seed):
    points = torch.randn(10, 2, generator=torch.Generator().manual_seed(seed)).double()
    picks, _ = k_center_greedy(points[1:], points[:1], 2)

    def radius(rows):
        return float(torch.cdist(points, points[[0, *rows]]).amin(1).max())

    best = min(radius(rows) for rows in combinations(range(1, 10), 2))
    assert best <= radius((picks + 1).tolist()) <= 2 * best


def test_moving_turning_and_scaling():
    turn = torch.linalg.qr(
        torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).double()
    )
    moved = 3 * (H @ turn.Q + 7)
    picks, utilities = k_center_greedy(H[UNLABELED], H[LABELED], 6)
    moved_picks, scaled = k_center_greedy(moved[UNLABELED], moved[LABELED], 6)
    assert picks.tolist() == moved_picks.tolist()
    torch.testing.assert_close(3 * utilities, scaled)


def test_distances_do_not_depend_on_the_other_candidates():
    offset = (H + 50).float()
    whole = k_center_greedy(offset[UNLABELED], offset[LABELED], 1)[1][0]
    half = k_center_greedy(offset[UNLABELED][::2], offset[LABELED], 1)[1][0]
    torch.testing.assert_close(whole[::2], half, rtol=1e-5, atol=0)


def test_distances_of_a_part_are_those_of_the_whole_to_the_last_digits():
    """Parts lie around other origins: products would show it in the fifth digit."""
    g = torch.Generator().manual_seed(0)
    centers = torch.randn(5, 4, generator=g)
    close = 0.05 * torch.randn(200, 4, generator=g)
    points = torch.cat([centers.repeat(40, 1) + close, torch.randn(9, 4, generator=g)])
    exact = torch.cdist(points.double(), centers.double()).amin(1)
    for part in (slice(None), slice(100), slice(100, None)):
        _, rows = k_center_greedy(points[part], centers, 1)
        torch.testing.assert_close(rows[0].double(), exact[part], rtol=2e-6, atol=0)


@pytest.mark.slow
def test_a_pick_has_the_largest_utility_of_its_row():
    g = torch.Generator().manual_seed(1)
    points = torch.randint(9, (300, 3), generator=g) / 7  # many distances are equal
    for n_centers in (0, 4):
        centers = torch.randint(9, (n_centers, 3), generator=g) / 7
        picks, rows = k_center_greedy(points, centers, 80)
        assert torch.equal(rows[torch.arange(80), picks], rows.amax(1))


def test_cold_start_begins_in_the_middle():
    points = torch.tensor([[0.0], [4.0], [10.0], [5.0]])
    picks, utilities = k_center_greedy(points, points[:0], 3)
    assert picks.tolist() == [3, 0, 2]
    torch.testing.assert_close(utilities[0], torch.tensor([-4.75, -0.75, -5.25, -0.25]))
    assert utilities[1, [0, 1, 2]].tolist() == [5.0, 1.0, 5.0]


def test_float32_far_from_the_origin_keeps_its_digits():
    points = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    _, near = k_center_greedy(points[5:], points[:5], 3)
    _, far = k_center_greedy(points[5:] + 1000, points[:5] + 1000, 3)
    torch.testing.assert_close(near, far, atol=1e-2, rtol=0)


def test_copies_are_picked_once_each():
    picks, utilities = k_center_greedy(torch.zeros(4, 2), torch.zeros(1, 2), 4)
    assert picks.tolist() == [0, 1, 2, 3]
    assert utilities.eq(0).all()


def test_bad_input():
    with pytest.raises(ValueError, match="centers holds NaN"):
        k_center_greedy(H, torch.full((1, 5), math.nan), 1)
    with pytest.raises(ValueError, match="batch_size"):
        k_center_greedy(H, H[:1], 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_centers", [0, 1, 300])
@pytest.mark.parametrize("with_utilities", [False, True])
def test_few_points_are_picked_as_among_many(
    dtype, n_centers, with_utilities, monkeypatch
):
    source = torch.Generator().manual_seed(n_centers)
    points = torch.randn(700, 5, generator=source, dtype=dtype)[:, :4]
    points[100:200] = points[:100]  # and equal ones
    centers = torch.randn(n_centers, 4, generator=source, dtype=dtype) / 9
    few = k_center_greedy(points, centers, 50, with_utilities=with_utilities)
    monkeypatch.setattr(k_center, "_FEW_NUMBERS", 0)
    many = k_center_greedy(points, centers, 50, with_utilities=with_utilities)
    assert torch.equal(few[0], many[0])
    torch.testing.assert_close(few[1], many[1], rtol=1e-5, atol=1e-5)


def test_few_equal_points_are_picked_in_order():
    points = torch.ones(6, 3)
    for centers in (points[:0], points[:2]):
        indices, distances = k_center_greedy(points, centers, 6, with_utilities=False)
        assert indices.tolist() == [0, 1, 2, 3, 4, 5]
        assert distances.tolist() == [0.0] * 6


@given(st.integers(0, 300), st.integers(1, 30), st.integers(1, 40), st.booleans())
def test_a_card_that_is_seldom_asked_picks_the_same(seed, n, n_picks, has_copies):
    """Picks after the last that a front decides are taken back."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(5, 2)) if has_copies else rng.normal(size=(n, 2))
    rows = torch.as_tensor(own[rng.integers(0, len(own), n)])
    distance_F = (rows - rows[0]).square().sum(1)
    outside = 1e-6 + float(rng.choice(distance_F)), int(rng.integers(100))
    assert_same_picks(rows, rng, outside, min(n, n_picks))


@given(st.integers(0, 300), st.integers(1, 30))
def test_the_lowest_position_wins_a_tie_with_what_is_outside(seed, n):
    """Whole numbers around 0 have distances without round-off."""
    rng = np.random.default_rng(seed)
    rows = torch.as_tensor(rng.integers(-9, 10, (n, 1)).astype(float))
    rows = torch.cat([rows, -rows])
    distance_F = (rows - rows[0]).square().sum(1)
    outside = float(rng.choice(distance_F)), int(rng.integers(100))
    assert_same_picks(rows, rng, outside, 2 * n)


def assert_same_picks(rows, rng, outside, n_picks):
    front = k_center.Points(rows, rows.mean(0))
    front_F = torch.as_tensor(np.sort(rng.choice(100, len(rows), replace=False)))
    distance_F, found = (rows - rows[0]).square().sum(1), []
    outside = distance_F.new_tensor(outside[:1]), front_F.new_tensor(outside[1:])
    for pick in (k_center._picks_in_front, k_center._picks_in_front_unread):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(k_center, "_PICKS_A_READ", 7)
            own_F = distance_F.clone()
            found.append((*pick(front, front_F, own_F, outside, n_picks), own_F))
    (at_K, picks, squared, left_F), (other_K, others, those, other_F) = found
    assert torch.equal(other_K, at_K)
    assert others == picks
    np.testing.assert_allclose(those, squared, atol=1e-12)
    torch.testing.assert_close(other_F, left_F, rtol=1e-9, atol=1e-12)
