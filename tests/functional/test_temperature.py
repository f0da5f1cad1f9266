"""Temperatures: known answers, convexity, and Badge's golden norms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import squared_gradient_norms
from torch.nn.functional import nll_loss

from skal_deep.functional import apply_temperature, fit_temperature

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "kernel_framework.npz")
H, P, W = (torch.as_tensor(GOLDEN[name]) for name in ("H", "P", "W"))


def test_golden_norms():
    np.testing.assert_allclose(
        squared_gradient_norms(apply_temperature(P, 2.0), H),
        GOLDEN["asknlearn_sqnorm_T2"],
        atol=1e-12,
    )


@pytest.mark.slow
@given(st.floats(0.05, 20))
def test_probabilities_are_those_of_scaled_logits(temperature):
    logits = H @ W.T
    torch.testing.assert_close(
        apply_temperature(P, temperature), (logits / temperature).softmax(-1)
    )


def test_temperatures_at_the_border():
    torch.testing.assert_close(apply_temperature(P, 1.0), P)
    hot = squared_gradient_norms(apply_temperature(P, 1e9), H)
    torch.testing.assert_close(hot, 0.75 * H.square().sum(1), rtol=1e-6, atol=0)
    one_hot = torch.tensor([[1.0, 0.0]])
    assert apply_temperature(one_hot, 5.0).tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="temperature=0"):
        apply_temperature(P, 0)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_found(temperature):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 3, generator=generator).double()
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    found = fit_temperature((logits * temperature).softmax(-1), labels)
    assert abs(math.log(found / temperature)) < 0.05


@pytest.mark.slow
@given(st.integers(0, 200), st.integers(2, 5))
def test_no_other_temperature_is_better(seed, n_classes):
    rng = np.random.default_rng(seed)
    probas = torch.as_tensor(rng.dirichlet(np.ones(n_classes) * 0.5, 12))
    labels = torch.as_tensor(rng.integers(n_classes, size=12))

    def cost(temperature):
        return float(nll_loss(apply_temperature(probas, temperature).log(), labels))

    best = cost(fit_temperature(probas, labels))
    assert all(best <= cost(t) + 1e-6 for t in np.geomspace(0.1, 10, 41))


def test_all_right_is_sharp_and_all_wrong_is_soft():
    probas = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(probas, torch.tensor([0, 1])) == pytest.approx(0.1, 1e-4)
    assert fit_temperature(probas, torch.tensor([1, 0])) == pytest.approx(10, 1e-4)


def test_a_label_of_probability_zero_is_no_infinite_loss():
    probas = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = fit_temperature(probas, torch.tensor([0, 1, 1]))
    assert found == pytest.approx(10, 1e-4)


def test_bad_input():
    with pytest.raises(ValueError, match="probas holds NaN"):
        fit_temperature(P * math.nan, torch.zeros(60, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one row"):
        fit_temperature(P[:0], torch.zeros(0, dtype=torch.int64))
