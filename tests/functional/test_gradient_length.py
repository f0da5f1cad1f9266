"""Gradient lengths of the last layer: goldens, autograd, closed forms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skal_deep.functional import (
    expected_gradient_length,
    last_layer_gradient_lengths,
)

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "gradient_length.npz")


def test_golden():
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-6)):
        proba = torch.as_tensor(GOLDEN["I_proba"]).to(dtype)
        embedding = torch.as_tensor(GOLDEN["I_embeddings"]).to(dtype)
        lengths = last_layer_gradient_lengths(proba, embedding)
        scores = expected_gradient_length(proba, lengths)
        np.testing.assert_allclose(scores, GOLDEN["I_egl_last_layer"], atol=tolerance)


@pytest.mark.slow
@given(st.data())
def test_closed_form_is_what_autograd_says(data):
    n, d, c = (data.draw(st.integers(1, 4)) for _ in range(3))
    embedding, weight = (
        torch.as_tensor(data.draw(arrays(float, shape, elements=st.floats(-3, 3))))
        for shape in ((n, d), (c, d))
    )
    weight.requires_grad_()
    bias = torch.zeros(c, dtype=torch.float64, requires_grad=True)
    proba = (embedding @ weight.T + bias).softmax(-1)
    lengths = last_layer_gradient_lengths(proba.detach(), embedding)
    for i in range(n):
        for label in range(c):
            gradients = torch.autograd.grad(
                -proba[i, label].log(), (weight, bias), retain_graph=True
            )
            length = math.sqrt(sum(float(g.square().sum()) for g in gradients))
            assert abs(float(lengths[i, label]) - length) < 1e-6


def test_edges():
    certain, even = torch.tensor([[1.0, 0.0]]), torch.full((1, 4), 0.25)
    embedding = torch.tensor([[3.0, 4.0]])
    lengths = last_layer_gradient_lengths(certain, embedding)
    assert expected_gradient_length(certain, lengths) == 0
    lengths = last_layer_gradient_lengths(even, embedding)
    torch.testing.assert_close(
        expected_gradient_length(even, lengths), torch.tensor([math.sqrt(26 * 0.75)])
    )
    lone = torch.ones(1, 1)
    assert last_layer_gradient_lengths(lone, embedding) == 0


def test_the_largest_part_decides():
    proba = torch.tensor([[0.5, 0.5]])
    lengths = torch.tensor([[[1.0, 1.0], [0.0, 4.0]]])
    torch.testing.assert_close(
        expected_gradient_length(proba, lengths), torch.tensor([2.0])
    )


def test_without_a_bias():
    embedding = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double()
    weight.requires_grad_()
    proba = (embedding @ weight.T).softmax(-1)
    lengths = last_layer_gradient_lengths(proba.detach(), embedding, has_bias=False)
    for i in range(5):
        [gradient] = torch.autograd.grad(-proba[i, 2].log(), weight, retain_graph=True)
        assert abs(float(lengths[i, 2] - gradient.norm())) < 1e-9
