"""Suggestive annotation, against its objective by brute force."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import representation, suggestive_annotation, unit_rows

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "learned.npz")


def objective(data, points):
    cosine = unit_rows(data) @ unit_rows(points).T
    return float(cosine.amax(-1).clamp_min(0).sum())


def test_golden():
    data = torch.as_tensor(GOLDEN["sa_H"])
    candidates = torch.as_tensor(GOLDEN["sa_candidates"])
    picks, _ = suggestive_annotation(data[candidates], data, 6)
    assert candidates[picks].tolist() == GOLDEN["sa_picks"].tolist()
    value = objective(data, data[candidates[picks]])
    assert value == pytest.approx(float(GOLDEN["sa_value"]))


@pytest.mark.slow
@pytest.mark.parametrize("n_candidates", [4, 20])  # as many as features, and more
def test_gains_add_up_to_the_objective(n_candidates):
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(60, 4, generator=generator).double()
    picks, utilities = suggestive_annotation(data[:n_candidates], data, 4)
    total = 0.0
    for step, pick in enumerate(picks):
        for row in set(range(n_candidates)) - set(picks[:step].tolist()):
            chosen = data[[*picks[:step].tolist(), row]]
            gain = objective(data, chosen) - total
            assert float(utilities[step, row]) == pytest.approx(gain, abs=1e-9)
        total += float(utilities[step, pick])
    assert total == pytest.approx(objective(data, data[picks]))


@pytest.mark.slow
def test_greedy_reaches_its_share_of_the_best():
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        data = torch.randn(12, 3, generator=generator).double()
        picks, _ = suggestive_annotation(data, data, 3)
        best = max(
            objective(data, data[list(rows)])
            for rows in itertools.combinations(range(12), 3)
        )
        assert objective(data, data[picks]) >= (1 - 1 / np.e) * best


def test_scale_does_not_matter_and_zero_rows_are_like_nothing():
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(30, 3, generator=generator).double()
    picks, _ = suggestive_annotation(data, data, 5)
    scaled = data * torch.rand(30, 1, generator=generator).double().add(0.1) * 1e6
    assert suggestive_annotation(scaled, scaled, 5)[0].tolist() == picks.tolist()
    data[0] = 0
    gains = suggestive_annotation(data, data, 1)[1]
    assert float(gains[0, 0]) == 0


def test_rows_of_whole_numbers_are_compared_as_numbers():
    rows = torch.tensor([[3, 1], [1, 1], [1, 3], [-2, 1]])
    picks, _ = suggestive_annotation(rows, rows, 2, with_utilities=False)
    expected, _ = suggestive_annotation(rows.float(), rows.float(), 2)
    assert picks.tolist() == expected.tolist() == [1, 3]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_handicaps_must_be_finite(value):
    handicaps = torch.tensor([0.0, value, 1.0])
    with pytest.raises(ValueError, match="handicaps holds NaN or infinite"):
        suggestive_annotation(torch.eye(3), torch.eye(3), 1, handicaps=handicaps)


@pytest.mark.parametrize("n_uncertain", [4, 5, 30])
def test_picks_alone_look_at_rows_that_may_win(n_uncertain, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(60, 3, generator=generator)
    handicaps = torch.full((60,), 60.0)
    handicaps[torch.randperm(60, generator=generator)[:n_uncertain]] = 0.0
    rows, utilities = suggestive_annotation(points, points, 5, handicaps=handicaps)
    seen = []
    look = representation.block_shape
    monkeypatch.setattr(
        representation, "block_shape", lambda *a: seen.append(a[1]) or look(*a)
    )
    same, values = suggestive_annotation(
        points, points, 5, handicaps=handicaps, with_utilities=False
    )
    assert same.tolist() == rows.tolist()
    torch.testing.assert_close(values, utilities[torch.arange(5), rows])
    assert seen == [60 if n_uncertain < 5 else n_uncertain]
