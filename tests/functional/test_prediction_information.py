"""Information about predictions: goldens, the definition, bounds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skal_deep.functional import (
    _chunks,
    bald,
    epig,
    prediction_information,
    second_order_epig,
)
from skal_deep.functional.prediction_information import (
    class_weights,
    information_about,
    with_exact,
)

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "epig.npz")


def golden(name):
    return torch.as_tensor(GOLDEN[name])


@pytest.mark.parametrize("chunk", [1, 100, 2**20])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-6)]
)
def test_golden(dtype, tolerance, chunk, monkeypatch):
    monkeypatch.setattr(_chunks, "_MEMORY_BUDGET", chunk)
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


@pytest.mark.slow
@given(two_draws())
def test_it_is_the_divergence_of_joint_and_product(draws):
    pool, target = draws
    joint = torch.einsum("snc,smd->nmcd", pool, target) / len(pool)
    product = torch.einsum("nc,md->nmcd", pool.mean(0), target.mean(0))
    ratio = torch.where(joint > 0, joint / product, 1)
    divergence = torch.special.xlogy(joint, ratio).sum((-1, -2)).mean(1)
    torch.testing.assert_close(epig(pool, target), divergence, atol=1e-9, rtol=0)


@pytest.mark.slow
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


def structured(n, n_classes, n_draws=20, scale=1.0, seed=0):
    """Return draws of a linear model, as posteriors have them."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, 16, generator=generator)
    mean = torch.randn(16, n_classes, generator=generator)
    noise = torch.randn(n_draws, 16, n_classes, generator=generator)
    return (scale * inputs @ (mean + 0.5 * noise)).softmax(-1)


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
def test_float32_is_off_by_less_than_a_millionth(scale):
    both = structured(60, 100, scale=scale)
    pool, target = both[:, :30], both[:, 30:]
    exact = epig(pool.double(), target.double())
    torch.testing.assert_close(epig(pool, target).double(), exact, atol=1e-6, rtol=0)


@pytest.mark.parametrize("has_weights", [False, True])
@pytest.mark.parametrize("budget", [40, 2**20])
def test_without_the_compiled_loops_it_is_the_same(budget, has_weights, monkeypatch):
    pool, target = (golden(name).float() for name in ("D_P_pool", "D_P_target"))
    pool[:, ::3, 0] = 0  # a class that no draw gives
    pool[0, 1] = torch.finfo(torch.float32).smallest_normal / 4
    weight_M = torch.full((target.shape[1],), 1 / target.shape[1], dtype=torch.float64)
    weight_S = torch.arange(len(pool)) / sum(range(len(pool))) if has_weights else None
    monkeypatch.setattr(_chunks, "_MEMORY_BUDGET", budget)
    draws = pool, target, weight_M, weight_S
    expected = information_about(*draws)
    monkeypatch.setattr(prediction_information, "are_compiled", lambda: False)
    torch.testing.assert_close(information_about(*draws), expected, atol=1e-6, rtol=0)
    assert expected.max() > 0.01


@pytest.mark.slow
@given(two_draws())
def test_the_second_order_bounds_it(draws):
    pool, target = draws
    half = second_order_epig(pool, target)
    joint = torch.einsum("snc,smd->nmcd", pool, target) / len(pool)
    product = torch.einsum("nc,md->nmcd", pool.mean(0), target.mean(0))
    offset = torch.where(product > 0, (joint - product) ** 2 / product, 0)
    torch.testing.assert_close(
        2 * half, offset.sum((-1, -2)).mean(1), atol=1e-9, rtol=1e-9
    )
    assert (epig(pool, target) <= torch.log1p(2 * half) + 1e-9).all()


@pytest.mark.parametrize("chunk", [1, 100, 2**20])
def test_the_second_order_in_chunks(chunk, monkeypatch):
    pool, target = golden("D_P_pool"), golden("D_P_target")
    weights = golden("D_weights")
    expected = second_order_epig(pool, target, weights)
    monkeypatch.setattr(_chunks, "_MEMORY_BUDGET", chunk)
    torch.testing.assert_close(second_order_epig(pool, target, weights), expected)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_the_best_of_many_classes_are_among_the_first_of_the_second_order(scale):
    both = structured(150, 100, scale=scale, seed=1)
    pool, target = both[:, :120], both[:, 120:]
    exact = epig(pool, target)
    estimates = second_order_epig(pool, target)
    rows = estimates.topk(30).indices
    scores = with_exact(estimates, rows, epig(pool[:, rows], target))
    top = scores.topk(10).indices.sort().values
    assert torch.equal(top, exact.topk(10).indices.sort().values)
    torch.testing.assert_close(scores[rows], exact[rows])
    others = torch.ones(120, dtype=torch.bool)
    others[rows] = False
    assert scores[others].max() <= scores[rows].min()


def test_scores_that_are_all_zero_stay_zero():
    zero = torch.zeros(5)
    rows = torch.tensor([3, 1])
    assert with_exact(zero, rows, zero[:2]).tolist() == [0] * 5
