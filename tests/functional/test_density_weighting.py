"""Density times distance against its definition and golden picks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import density, density_k_center, k_center_greedy

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def test_golden():
    densities = density(H[UNLABELED], H, bandwidth=0.1**-0.5)
    picks, utilities = density_k_center(H[UNLABELED], H[LABELED], densities, 6)
    assert UNLABELED[picks].tolist() == GOLDEN["density_kcenter_beta1"].tolist()
    expected = densities * torch.cdist(H[UNLABELED], H[LABELED]).amin(1)
    torch.testing.assert_close(utilities[0], expected)


@pytest.mark.slow
def test_density_is_the_mean_kernel(monkeypatch):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 200)
    squared = torch.cdist(H, H) ** 2
    for bandwidth, width2 in ((0.7, 0.7**2), (None, squared.mean())):
        expected = torch.exp(-squared[5:] / width2).mean(1)
        torch.testing.assert_close(density(H[5:], H, bandwidth), expected)
    moved = density(H * 3 + 8, H * 3 + 8)
    torch.testing.assert_close(moved, density(H, H))
    assert density(torch.ones(3, 2), torch.ones(3, 2)).tolist() == [1, 1, 1]


@pytest.mark.slow
def test_without_weight_it_is_greedy_k_center():
    densities = density(H[UNLABELED], H)
    args = H[UNLABELED], H[LABELED]
    picks, utilities = density_k_center(*args, densities, 20, beta=0)
    expected = k_center_greedy(*args, 20)
    assert torch.equal(picks, expected[0])
    torch.testing.assert_close(utilities, expected[1])


def test_a_large_weight_takes_the_densest_row_that_is_not_labelled():
    densities = density(H[UNLABELED], H)
    picks, _ = density_k_center(H[UNLABELED], H[LABELED], densities, 1, beta=500)
    assert picks[0] == densities.argmax()


@pytest.mark.slow
def test_without_labels_the_densest_row_is_first():
    densities = density(H, H)
    picks, utilities = density_k_center(H, H[:0], densities, 60)
    assert picks[0] == densities.argmax()
    torch.testing.assert_close(utilities[0], densities)
    assert sorted(picks.tolist()) == list(range(60))
