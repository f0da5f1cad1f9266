"""Features of gradients against the gradients written out, and sketches of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from skal_deep.functional import last_layer_features
from skal_deep.functional.features import sketched_outer

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "kernel_framework.npz")
H, P, W = (torch.as_tensor(GOLDEN[name]) for name in ("H", "P", "W"))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_features_of_a_classifier_are_gradients_of_weights_and_bias():
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    weight = W.clone().requires_grad_()
    features = last_layer_features(P, H, 100).reshape(60, 4, 6)
    for h, feature in zip(H[:5], features[:5], strict=True):
        logits = weight @ h + bias
        loss = cross_entropy(logits[None], logits.argmax()[None])
        by_weight, by_bias = torch.autograd.grad(loss, (weight, bias))
        torch.testing.assert_close(feature[:, :5], by_weight)
        torch.testing.assert_close(feature[:, 5], by_bias)


def test_features_of_a_regressor_are_gradients_of_its_output():
    layer = torch.nn.Linear(5, 1).double()
    for h, feature in zip(H[:3], last_layer_features(None, H, 6)[:3], strict=True):
        gradients = torch.autograd.grad(layer(h)[0], list(layer.parameters()))
        torch.testing.assert_close(feature, torch.cat([g.flatten() for g in gradients]))


def test_short_products_are_exact():
    exact = sketched_outer([(P, H)], 20)
    torch.testing.assert_close(exact, torch.einsum("na,nd->nad", P, H).flatten(1))
    torch.testing.assert_close(exact @ exact.T, (P @ P.T) * (H @ H.T))


@pytest.mark.slow
def test_inner_products_of_sketches_are_right_on_average():
    exact = (P @ P.T) * (H @ H.T)
    sketches = torch.stack(
        [
            torch.einsum("ip,jp->ij", s, s)
            for s in (
                sketched_outer([(P, H)], 19, generator(seed)) for seed in range(600)
            )
        ]
    )
    error = (sketches.mean(0) - exact) / (sketches.std(0) / 600**0.5).clamp_min(1e-9)
    assert error.abs().max() < 5
    norm = exact.diagonal()
    spread = sketches.std(0) / torch.outer(norm, norm).sqrt()
    assert spread.max() < 3 / 19**0.5


@pytest.mark.slow
@given(st.integers(0, 50), st.integers(1, 59))
def test_rows_may_be_sketched_in_parts(seed, cut):
    whole = sketched_outer([(P, H)], 7, generator(seed))
    parts = [sketched_outer([(P[s], H[s])], 7, generator(seed)) for s in _parts(cut)]
    assert whole.shape == (60, 7)
    torch.testing.assert_close(whole, torch.cat(parts))


@pytest.mark.slow
def test_pairs_stand_side_by_side_and_places_are_summed():
    places_P, places_H = P.reshape(20, 3, 4), H.reshape(20, 3, 5)
    factors = [(P[:20], H[:20]), (places_P, places_H)]
    first = torch.einsum("na,nd->nad", P[:20], H[:20]).flatten(1)
    second = torch.einsum("nta,ntd->nad", places_P, places_H).flatten(1)
    exact = sketched_outer(factors, 40)
    torch.testing.assert_close(exact, torch.cat([first, second], 1))
    inner = torch.stack(
        [
            s @ s.T
            for s in (
                sketched_outer(factors, 39, generator(seed)) for seed in range(600)
            )
        ]
    )
    error = (inner.mean(0) - exact @ exact.T) / (inner.std(0) / 600**0.5)
    assert error.abs().max() < 5


def _parts(cut):
    return slice(0, cut), slice(cut, 60)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types_are_kept(dtype):
    features = last_layer_features(P.to(dtype), H.to(dtype), 8, generator())
    assert features.dtype == dtype
    assert last_layer_features(None, H.to(dtype), 3).dtype == dtype
