"""Greedy coverage against its definition, brute force and golden values."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import (
    density,
    margin,
    max_herding,
    prob_cover,
    purity_radius,
    unit_rows,
)
from skal_deep.functional._distances import Between, Points
from skal_deep.functional.neighbors import closest_pair

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def gaussian(points, data):
    return torch.exp(-(torch.cdist(points, data) ** 2))


def plain_greedy(kernel_NM, covered_M, weight_M, batch_size):
    """Every gain anew at every pick."""
    picks, rows = [], []
    for _ in range(batch_size):
        gain = (kernel_NM - covered_M).clamp_min(0) @ weight_M
        gain[picks] = 0
        rows.append(gain.clone())
        gain[picks] = -1
        picks.append(int(gain.argmax()))
        covered_M = torch.maximum(covered_M, kernel_NM[picks[-1]])
    return picks, torch.stack(rows)


def test_golden_max_herding():
    directions = unit_rows(H)
    args = directions[UNLABELED], directions, directions[LABELED], 6
    picks, utilities = max_herding(*args)
    assert UNLABELED[picks].tolist() == GOLDEN["maxherding_idx"].tolist()
    gains = utilities[range(6), picks]
    np.testing.assert_allclose(gains, GOLDEN["maxherding_gain"], rtol=1e-9)
    start = gaussian(directions, directions[LABELED]).amax(1).mean()
    assert start + gains.sum() == pytest.approx(GOLDEN["maxherding_coverage"], abs=1e-9)


def test_golden_uncertainty_herding():
    directions = unit_rows(H)
    weights = margin(torch.as_tensor(GOLDEN["P"])[None])
    args = directions[UNLABELED], directions, directions[LABELED], 6
    picks, utilities = max_herding(*args, weights=weights)
    assert UNLABELED[picks].tolist() == GOLDEN["uherding_idx"].tolist()
    np.testing.assert_allclose(
        utilities[range(6), picks], GOLDEN["uherding_gain"], rtol=1e-9
    )


def test_golden_prob_cover():
    radius = float(GOLDEN["probcover_delta"])
    picks, utilities = prob_cover(H[UNLABELED], H, H[LABELED], 6, radius=radius)
    assert UNLABELED[picks].tolist() == GOLDEN["probcover_idx"].tolist()
    assert utilities[range(6), picks].tolist() == GOLDEN["probcover_gain"].tolist()
    centers = torch.cat([H[LABELED], H[UNLABELED][picks]])
    covered = (torch.cdist(H, centers).amin(1) < radius).double().mean()
    assert covered == pytest.approx(GOLDEN["probcover_coverage"])


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(1, 9), st.integers(0, 3), st.integers(0, 9))
def test_equals_gains_computed_anew(seed, n, n_centers, n_others):
    points, centers = normal(n, 2, seed=seed) + 50, normal(n_centers, 2) + 50
    data = torch.cat([centers, points, normal(n_others, 2, seed=seed + 1) + 50])
    weights = normal(len(data), seed=seed + 2).abs()

    def covered(kernel):
        return kernel.amax(0) if n_centers else torch.zeros(len(data)).double()

    start = covered(gaussian(centers, data))
    picks, rows = plain_greedy(gaussian(points, data), start, weights / len(data), n)
    indices, utilities = max_herding(points, data, centers, n, weights=weights)
    assert indices.tolist() == picks
    torch.testing.assert_close(utilities, rows, atol=1e-9, rtol=0)
    is_close = (torch.cdist(points, data) < 0.7).double()
    start = covered((torch.cdist(centers, data) < 0.7).double())
    picks, rows = plain_greedy(is_close, start, torch.ones(len(data)).double(), n)
    indices, utilities = prob_cover(points, data, centers, n, radius=0.7)
    assert indices.tolist() == picks
    torch.testing.assert_close(utilities, rows)


@pytest.mark.slow
def test_chunks_and_number_type_do_not_matter(monkeypatch):
    points = normal(80, 3)
    expected = max_herding(points[5:], points, points[:5], 20)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 300)
    picks, utilities = max_herding(points[5:], points, points[:5], 20)
    torch.testing.assert_close(utilities, expected[1])
    single, low = max_herding(
        *(p.float() for p in (points[5:], points, points[:5])), 20
    )
    assert low.dtype == torch.float32
    assert picks.tolist() == expected[0].tolist() == single.tolist()


def single(seed, n, n_dims, scale=1.0, offset=0.0):
    return (offset + scale * normal(n, n_dims, seed=seed)).float()


def by_torch(call):
    """Return what is returned where no loop is compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skal_deep.functional._distances.are_compiled", lambda: False)
        return call()


HARD = {
    "unit rows": (unit_rows(single(0, 700, 20)), 1.0),
    "more columns than are summed at once": (single(1, 1300, 3), 0.3),
    "far from the origin": (single(2, 300, 8, offset=3.0), 2.0),
    "hardly similar": (single(3, 300, 8), 0.05),
    "all alike": (single(4, 300, 8), 1e4),
    "copies": (single(5, 20, 8).repeat(15, 1), 1.0),
    "one row": (single(6, 1, 8), 1.0),
}


@pytest.mark.parametrize("name", HARD)
def test_one_reading_is_what_torch_computes(name):
    rows, bandwidth = HARD[name]
    weights = torch.rand(len(rows), generator=torch.Generator().manual_seed(0))
    n_picks = min(5, len(rows))

    def call():
        given = rows, rows, rows[1:4], n_picks
        return max_herding(*given, weights=weights, bandwidth=bandwidth)

    (picks, gains), (expected, others) = call(), by_torch(call)
    exact = by_torch(lambda: density(rows.double(), rows.double(), bandwidth))
    found = density(rows, rows, bandwidth)
    torch.testing.assert_close(found.double(), exact, atol=2e-6, rtol=2e-5)
    torch.testing.assert_close(gains, others, atol=2e-6, rtol=2e-5)
    if name not in ("copies", "all alike"):  # whose gains differ by round-off alone
        assert picks.tolist() == expected.tolist()


@pytest.mark.parametrize("name", HARD)
def test_sums_without_bounds_are_those_between_0_and_1(name):
    rows, width = HARD[name]
    points = Points(rows, rows.mean(0))
    between = Between(points, points, width**2)
    zero, one = torch.zeros(len(rows)), torch.ones(len(rows))
    found = between.gaussian_sums(width)(slice(None))
    expected = between.gaussian_sums(width, zero, one, one)(slice(None))
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-6)


def test_rows_beyond_all_similarity_gain_nothing():
    rows = torch.tensor([[0.0], [30.0], [60.0]])
    assert density(rows, rows[:1], 1.0).tolist() == [1, 0, 0]
    # the square of this width, or one over it, is no number
    assert density(1e-18 * rows, 1e-18 * rows[:1], 1e-21).tolist() == [1, 0, 0]


@pytest.mark.parametrize("n_threads", [2, 5])
def test_sums_are_those_of_one_thread_to_the_last_bit(n_threads):
    rows, before = single(0, 1500, 6), torch.get_num_threads()

    def call(n):
        torch.set_num_threads(n)
        try:
            herded = max_herding(rows, rows, rows[:2], 4)
            balls = prob_cover(rows, rows, rows[:2], 4, radius=1.0)
            return [density(rows, rows), *herded, *balls]
        finally:
            assert torch.get_num_threads() == n
            torch.set_num_threads(before)

    for one, several in zip(call(1), call(n_threads), strict=True):
        assert torch.equal(one, several)


@pytest.mark.parametrize("seed", range(5))
def test_at_least_a_fixed_share_of_the_best_coverage(seed):
    points = normal(16, 2, seed=seed)
    is_close = torch.cdist(points, points) < 0.8
    picks, gains = prob_cover(points, points, points[:0], 4, radius=0.8)
    covered = int(is_close[picks].any(0).sum())
    assert covered == gains[range(4), picks].sum()
    best = max(
        int(is_close[list(rows)].any(0).sum()) for rows in combinations(range(16), 4)
    )
    assert (1 - 1 / math.e) * best <= covered <= best


@pytest.mark.slow
def test_gains_fall_and_sum_to_the_coverage():
    points = normal(60, 4)
    picks, utilities = max_herding(points, points, points[:0], 60)
    gains = utilities[range(60), picks]
    assert (gains.diff() <= 1e-12).all()
    assert gains.sum() == pytest.approx(1)  # every row covers itself


def test_rows_that_are_no_candidates_count():
    data = torch.tensor([[0.0], [0.1], [0.2], [5.0]])
    picks, utilities = prob_cover(data[[3, 0]], data, data[:0], 2, radius=0.5)
    assert picks.tolist() == [1, 0]
    assert utilities.tolist() == [[1, 3], [1, 0]]


def test_purity_radius_is_the_largest_that_is_pure_enough():
    data = normal(80, 2)
    labels = (data[:, 0] + 0.3 * data[:, 1] > 0).long()
    distance = torch.cdist(data, data)

    def share_of_pure_balls(radius):
        impure = (distance < radius) & (labels[:, None] != labels)
        return float(1 - impure.any(1).double().mean())

    for purity in (0.5, 0.95, 1.0):
        radius = purity_radius(data, labels, purity)
        assert share_of_pure_balls(radius * (1 - 1e-9)) >= purity
        assert share_of_pure_balls(radius * (1 + 1e-9)) < purity
    assert purity_radius(data, torch.zeros(80)) == math.inf


def test_a_share_of_pure_balls_is_not_rounded_up():
    data = torch.tensor([[0.0]] * 93 + [[1.0 + row] for row in range(7)])
    labels = torch.arange(100)
    assert 0.07 * 100 > 7
    assert purity_radius(data, labels, 0.07) == 1.0


@pytest.mark.parametrize("purity", [0.0, 1.5, math.nan])
def test_a_purity_that_is_no_share_is_refused(purity):
    with pytest.raises(ValueError, match="purity="):
        purity_radius(torch.eye(3), torch.arange(3), purity)


def test_the_closest_pair_is_found_in_chunks(monkeypatch):
    data = normal(30, 3)
    closest = float(torch.pdist(data).min())
    assert closest_pair(data) == pytest.approx(closest)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 100)
    assert closest_pair(data) == pytest.approx(closest)


def test_degenerate_data():
    copies = torch.zeros(4, 2)
    assert prob_cover(copies, copies, copies[:0], 4, radius=1.0)[0].tolist() == [
        0,
        1,
        2,
        3,
    ]
    picks, utilities = max_herding(copies, copies, copies[:1], 4)
    assert picks.tolist() == [0, 1, 2, 3]
    assert utilities.eq(0).all()
    assert closest_pair(copies) == closest_pair(copies[:1]) == 1.0
    assert closest_pair(copies[:0]) == 1.0
    assert closest_pair(torch.tensor([[0.0], [0.0], [3.0], [5.0]])) == 2.0
    with pytest.raises(ValueError, match="data holds NaN"):
        max_herding(copies, copies * math.nan, copies[:0], 1)
    with pytest.raises(ValueError, match="batch_size"):
        prob_cover(copies, copies, copies[:0], 5, radius=1.0)
