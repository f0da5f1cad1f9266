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
