"""Contrast with labelled neighbours against divergences written out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import kl_div

from skal_deep.functional import contrast, unit_rows

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "clustering.npz")
H, P = torch.as_tensor(GOLDEN["H"]), torch.as_tensor(GOLDEN["P"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def test_golden():
    rows = unit_rows(H)
    scores = contrast(P[UNLABELED], rows[UNLABELED], P[LABELED], rows[LABELED], 3)
    np.testing.assert_allclose(scores, GOLDEN["cal_scores_k3"], rtol=1e-9)
    top = scores.topk(5).indices.numpy()
    assert UNLABELED[top].tolist() == GOLDEN["cal_idx"].tolist()


@pytest.mark.slow
@given(st.integers(0, 300), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))
def test_equals_mean_divergence(seed, n, n_labeled, n_classes):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(n + n_labeled, n_classes, generator=g).double()
    rows = torch.randn(n + n_labeled, 3, generator=g).double()
    proba = logits.softmax(-1)
    k = min(2, n_labeled)
    scores = contrast(proba[:n], rows[:n], proba[n:], rows[n:], k)
    near = torch.cdist(rows[:n], rows[n:]).topk(k, largest=False).indices
    expected = torch.stack(
        [
            kl_div(proba[:n].log(), proba[n:][near[:, j]], reduction="none").sum(-1)
            for j in range(k)
        ]
    ).mean(0)
    torch.testing.assert_close(scores, expected, atol=1e-9, rtol=1e-7)


def test_equal_predictions_do_not_differ():
    scores = contrast(P[:1].expand(5, 4), H[:5], P[:1].expand(6, 4), H[5:11])
    torch.testing.assert_close(scores, torch.zeros(5).double(), atol=1e-12, rtol=0)


def test_all_labelled_rows_make_places_irrelevant():
    args = P[UNLABELED], H[UNLABELED], P[LABELED]
    there = contrast(*args, H[LABELED], n_neighbors=99)
    elsewhere = contrast(*args, H[LABELED].flip(0), n_neighbors=99)
    torch.testing.assert_close(there, elsewhere)


def test_certain_predictions_stay_finite():
    sure = torch.eye(3)
    scores = contrast(sure, torch.zeros(3, 1), sure[:1], torch.zeros(1, 1))
    assert scores[0] == 0
    assert (scores[1:] > 80).all()
    assert torch.isfinite(scores).all()


def test_rounding_of_predictions_hardly_matters():
    g = torch.Generator().manual_seed(0)
    logits = 1 + 0.05 * torch.randn(60, 3, generator=g).double()
    rows, exact = torch.randn(60, 2, generator=g), logits.softmax(-1)
    once, again = logits.float().softmax(-1), (logits - 7).float().softmax(-1)
    expected = contrast(exact[10:], rows[10:].double(), exact[:10], rows[:10].double())
    for proba in (once, again):
        scores = contrast(proba[10:], rows[10:], proba[:10], rows[:10])
        torch.testing.assert_close(scores.double(), expected, rtol=1e-5, atol=0)
