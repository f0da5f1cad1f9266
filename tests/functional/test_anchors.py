"""Anchors of each class, and the rows near them, against brute force."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from skal_deep.functional import class_anchors, near_anchors


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_class_has_as_many_anchors_or_all():
    codes = torch.tensor([0] * 20 + [1] * 3 + [2] * 9)
    rows = torch.randn(32, 4, generator=generator())
    anchors = class_anchors(rows, codes, 5, generator())
    assert codes[anchors].bincount().tolist() == [5, 3, 5]
    assert len(set(anchors.tolist())) == 13


def test_anchors_spread_over_a_class():
    rows = torch.tensor([[1.0, 0.0]] * 50 + [[0.0, 1.0]])
    for seed in range(5):
        codes = torch.zeros(51, dtype=torch.long)
        anchors = class_anchors(rows, codes, 2, generator(seed))
        assert 50 in anchors.tolist()


def test_copies_are_anchors_once_each():
    codes = torch.zeros(6, dtype=torch.long)
    anchors = class_anchors(torch.ones(6, 2), codes, 4, generator())
    assert len(set(anchors.tolist())) == 4


@pytest.mark.parametrize("n_rows", [3, 8, 1000])
def test_rows_are_those_of_the_definition(n_rows):
    rows, anchors = (torch.randn(n, 5, generator=generator(n)) for n in (40, 6))
    similar_AN = (normalize(anchors, dim=1) @ normalize(rows, dim=1).T).numpy()
    proposals = {}
    for similar_N in similar_AN:
        for row in np.argsort(-similar_N)[:4]:
            proposals.setdefault(int(row), []).append(float(similar_N[row]))
    best = sorted(proposals, key=lambda row: -np.mean(proposals[row]))[:n_rows]
    assert near_anchors(rows, anchors, 4, n_rows).tolist() == sorted(best)


def test_chunks_make_no_difference(monkeypatch):
    rows, anchors = (torch.randn(n, 5, generator=generator(n)) for n in (40, 6))
    whole = near_anchors(rows, anchors, 4, 10)
    monkeypatch.setattr("skal_deep.functional.anchors._CHUNK", 50)
    assert torch.equal(near_anchors(rows, anchors, 4, 10), whole)


def test_more_neighbours_than_rows():
    rows = torch.randn(3, 2, generator=generator())
    assert near_anchors(rows, rows[:1], 50, 1000).tolist() == [0, 1, 2]
