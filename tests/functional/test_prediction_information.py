"""Information about predictions: goldens, the definition, bounds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skal_deep.functional import bald, epig
from skal_deep.functional import prediction_information as module
from skal_deep.functional.prediction_information import class_weights

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "epig.npz")


def golden(name):
    return torch.as_tensor(GOLDEN[name])


@pytest.mark.parametrize("chunk", [1, 2**19])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-6)]
)
def test_golden(dtype, tolerance, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ELEMENTS", chunk)
    pool, target = golden("D_P_pool").to(dtype), golden("D_P_target").to(dtype)
    for scores, values in (
        (epig(pool, target), "D_epig"),
        (epig(pool, pool), "D_epig_self"),
        (epig(pool, target, golden("D_weights")), "D_epig_weighted"),
        (epig(pool, target, 7 * golden("D_weights")), "D_epig_weighted"),
    ):
        assert scores.dtype == dtype
        np.testing.assert_allclose(scores, GOLDEN[values], atol=tolerance)


@st.composite
def two_draws(draw):
    s, n, m, c = (draw(st.integers(1, k)) for k in (5, 4, 3, 4))
    both = []
    for rows in (n, m):
        weights = draw(arrays(np.float64, (s, rows, c), elements=st.floats(0, 1)))
        weights[..., 0] += 1e-3 * (weights.sum(-1) == 0)
        both.append(torch.as_tensor(weights / weights.sum(-1, keepdims=True)))
    return both


@given(two_draws())
def test_it_is_the_divergence_of_joint_and_product(draws):
    pool, target = draws
    joint = torch.einsum("snc,smd->nmcd", pool, target) / len(pool)
    product = torch.einsum("nc,md->nmcd", pool.mean(0), target.mean(0))
    ratio = torch.where(joint > 0, joint / product, 1)
    divergence = torch.special.xlogy(joint, ratio).sum((-1, -2)).mean(1)
    torch.testing.assert_close(epig(pool, target), divergence, atol=1e-9, rtol=0)


@given(two_draws())
def test_it_is_no_more_than_what_a_label_says_about_the_weights(draws):
    pool, target = draws
    scores = epig(pool, target)
    assert scores.min() >= 0
    assert (scores <= bald(pool) + 1e-9).all()
    torch.testing.assert_close(
        epig(pool[:, :1], target[:, :1]), epig(target[:, :1], pool[:, :1])
    )


def test_without_a_common_cause_there_is_nothing_to_learn():
    pool, target = golden("D_P_pool"), golden("D_P_target")
    for same in (epig(pool[:1], target[:1]), epig(pool, target[:1].expand(6, 4, 3))):
        np.testing.assert_allclose(same, 0, atol=1e-12)


def test_draws_must_be_the_same():
    with pytest.raises(ValueError, match="6 draws and targets 5"):
        epig(golden("D_P_pool"), golden("D_P_target")[:5])


def test_weights_give_targets_the_known_classes():
    proba = torch.eye(3)[[0, 0, 0, 1]]  # three of class 0, one of class 1
    weights = class_weights(proba, torch.tensor([0.5, 0.5, 0.0]))
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0]))
    torch.testing.assert_close(weights @ proba / 4, torch.tensor([0.5, 0.5, 0.0]))
    none = class_weights(proba, torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(none, torch.ones(4))
