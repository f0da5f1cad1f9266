"""Rows for centroids, and predictions at another temperature."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import apply_temperature, entropy, nearest_distinct
from skal_deep.functional.representatives import largest_distance

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H, P = torch.as_tensor(GOLDEN["H"]), torch.as_tensor(GOLDEN["P"])


def test_golden():
    centroids = torch.as_tensor(GOLDEN["clue_centroids"])
    picks, utilities = nearest_distinct(H, centroids, 4)
    assert picks.tolist() == GOLDEN["clue_nearest"].tolist()
    torch.testing.assert_close(utilities[0], -torch.cdist(H, centroids)[:, 0])
    np.testing.assert_allclose(
        entropy(apply_temperature(P, 1.0)), GOLDEN["clue_entropy"]
    )


def test_no_row_twice():
    points = torch.tensor([[0.0], [1.0], [2.5]])
    picks, _ = nearest_distinct(points, torch.tensor([[0.1], [0.2]]), 3)
    assert picks.tolist() == [0, 1, 2]


def spread(n, k, generator):
    return torch.randn(n, 30, generator=generator), torch.randn(
        k, 30, generator=generator
    )


def copies_at_centers(n, k, generator):
    rows, _ = spread(n, k, generator)
    rows[n // 2 :] = rows[: n - n // 2]
    return rows, rows[:k].clone()


def equally_far(n, k, generator):
    rows, centers = spread(n, k, generator)
    return rows / rows.norm(dim=1, keepdim=True), 0 * centers


def far_from_the_origin(n, k, generator):
    rows, centers = spread(n, k, generator)
    return 1e-3 * rows + 100, 1e-3 * centers + 100


def with_an_outlier(n, k, generator):
    rows, centers = spread(n, k, generator)
    rows[0] *= 1e12
    return rows, centers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("has_handicaps", [False, True])
@pytest.mark.parametrize(
    "make", [copies_at_centers, equally_far, far_from_the_origin, with_an_outlier]
)
def test_picks_alone_are_those_of_all_utilities_to_the_last_bit(
    make, has_handicaps, dtype
):
    for seed, n in enumerate([2, 40, 200]):
        generator = torch.Generator().manual_seed(seed)
        rows, centers = (part.to(dtype) for part in make(n, 3, generator))
        handicaps = rows.abs().amax(1) if has_handicaps else None
        batch_size = min(n, 20)
        picks, utilities = nearest_distinct(
            rows, centers, batch_size, handicaps=handicaps
        )
        alone, theirs = nearest_distinct(
            rows, centers, batch_size, handicaps=handicaps, with_utilities=False
        )
        assert alone.tolist() == picks.tolist()
        assert torch.equal(theirs, utilities[range(batch_size), picks])


@given(st.integers(0, 50), st.integers(1, 6), st.integers(1, 4))
def test_no_distance_is_larger(seed, n, n_dims):
    rows = torch.randn(n, n_dims, generator=torch.Generator().manual_seed(seed))
    distance, bound = float(torch.cdist(rows, rows).max()), largest_distance(rows)
    assert distance <= bound * (1 + 1e-6)
    assert bound <= 2 * distance + 1e-6


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_handicaps_must_be_finite(value):
    handicaps = torch.tensor([0.0, value, 1.0])
    with pytest.raises(ValueError, match="handicaps holds NaN or infinite"):
        nearest_distinct(torch.ones(3, 1), torch.ones(1, 1), 1, handicaps=handicaps)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_distances_that_are_no_numbers_are_refused(scale):
    rows = scale * torch.tensor([[3.0], [2.0], [1.0]])
    for call in (
        lambda: nearest_distinct(rows, rows, 2),
        lambda: largest_distance(rows),
    ):
        with pytest.raises(ValueError, match="Scale the rows"):
            call()


@pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
def test_temperature_divides_the_logits(temperature):
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).double()
    expected = (logits / temperature).softmax(-1)
    torch.testing.assert_close(
        apply_temperature(logits.softmax(-1), temperature), expected
    )
    assert torch.equal(apply_temperature(torch.eye(3), temperature), torch.eye(3))
