"""Rows for centroids, and predictions at another temperature."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import apply_temperature, entropy, nearest_distinct

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


@pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
def test_temperature_divides_the_logits(temperature):
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).double()
    expected = (logits / temperature).softmax(-1)
    torch.testing.assert_close(
        apply_temperature(logits.softmax(-1), temperature), expected
    )
    assert torch.equal(apply_temperature(torch.eye(3), temperature), torch.eye(3))
