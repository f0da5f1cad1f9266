"""Flips by mixing and by dropout against the papers' own steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from skal_deep.functional import disagreements, flipping_mix

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H, W = torch.as_tensor(GOLDEN["H"]), torch.as_tensor(GOLDEN["W"])
NO_BIAS, UNLABELED = torch.zeros(4).double(), GOLDEN["unlabeled"]


def test_golden_rows_that_flip():
    anchors = torch.as_tensor(GOLDEN["alfamix_anchors"])
    epsilons = flipping_mix(H[UNLABELED], anchors, W, NO_BIAS)
    for bound, name in ((float(GOLDEN["alfamix_eps"]), "small"), (0.5, "big")):
        rows = UNLABELED[epsilons < bound].tolist()
        assert rows == GOLDEN[f"alfamix_cand_{name}"].tolist()


def paper_flips(z_ND, anchors, weight, bias, epsilon):
    """Mix with each anchor as printed: shares, mixture, new prediction."""
    z_ND = z_ND.clone().requires_grad_()
    logits = z_ND @ weight.T + bias
    predicted = logits.argmax(-1)
    cross_entropy(logits, predicted, reduction="sum").backward()
    gradient, z_ND = z_ND.grad, z_ND.detach()
    flips = torch.zeros(len(z_ND), dtype=torch.bool)
    for anchor in anchors:
        offset = anchor - z_ND
        share = epsilon * offset.norm(dim=1, keepdim=True) * gradient
        share = share / gradient.norm(dim=1, keepdim=True) / offset
        mixture = share * anchor + (1 - share) * z_ND
        flips |= (mixture @ weight.T + bias).argmax(-1) != predicted
    return flips


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(1, 4), st.integers(2, 5), st.integers(1, 4))
def test_equals_mixing_with_every_anchor(seed, n_anchors, n_classes, n_dims):
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(20, n_dims, generator=g).double()
    anchors = torch.randn(n_anchors, n_dims, generator=g).double()
    weight = torch.randn(n_classes, n_dims, generator=g).double()
    bias = torch.randn(n_classes, generator=g).double()
    epsilons = flipping_mix(rows, anchors, weight, bias)
    assert (epsilons > 0).all()
    for bound in (0.05, 0.3, 2.0):
        expected = paper_flips(rows, anchors, weight, bias, bound)
        assert torch.equal(epsilons < bound, expected)


def test_what_cannot_move_does_not_flip():
    rows = torch.ones(3, 2)
    same_logits = torch.ones(1, 2)
    assert flipping_mix(rows, rows[:1] + 1, same_logits, torch.zeros(1)).isinf().all()
    weight = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    assert flipping_mix(rows, rows[:1], weight, torch.zeros(2)).isinf().all()


def test_golden_dropout():
    masks = torch.as_tensor(GOLDEN["dropquery_masks"])
    counts = disagreements(H, W, NO_BIAS, masks, 0.75)
    assert counts.tolist() == GOLDEN["dropquery_disagree"].tolist()
    assert (counts >= 2).sum() == 34


def test_masks_may_be_one_for_all_rows():
    mask = torch.tensor([[[True, False, True, True, False]]] * 2)
    bias = torch.randn(4, generator=torch.Generator().manual_seed(0)).double()
    shared = disagreements(H, W, bias, mask, 0.4)
    kept = (H * mask[0] / 0.6) @ W.T + bias
    expected = kept.argmax(-1) != (H @ W.T + bias).argmax(-1)
    assert torch.equal(shared, 2 * expected.long())
    assert torch.equal(shared, disagreements(H, W, bias, mask.expand(2, 60, 5), 0.4))


def test_nothing_dropped_changes_nothing():
    kept = torch.ones(3, 1, 5, dtype=torch.bool)
    assert disagreements(H, W, NO_BIAS, kept, 0.0).eq(0).all()
    with pytest.raises(ValueError, match="weight holds NaN"):
        disagreements(H, W * torch.nan, NO_BIAS, kept, 0.0)
