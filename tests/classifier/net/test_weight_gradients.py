"""Gradients by all weights against those of each row by itself."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier, NeuralNetRegressor
from support import MAKERS, make_net
from torch import nn
from torch.nn.functional import cross_entropy

from skal_deep.classifier import CapabilityError, as_model
from skal_deep.classifier.net._logits import differentiable_logits
from skal_deep.modules._split_linear import SplitLinear

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def as_net(*layers, kind=NeuralNetClassifier):
    torch.manual_seed(0)
    return kind(nn.Sequential(*layers), criterion=nn.CrossEntropyLoss).initialize()


def perceptron():
    return as_net(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3, bias=False))


def by_row(module, quantities):
    """Return the gradients of scalars by weights and biases of linear layers."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    rows = []
    for quantity in quantities:
        row = []
        for layer in layers:
            weights = [w for w in (layer.weight, layer.bias) if w is not None]
            parts = torch.autograd.grad(quantity, weights, retain_graph=True)
            part = torch.cat([g.reshape(len(g), -1) for g in parts], 1)
            if isinstance(layer, SplitLinear):  # their mean is one layer
                part = part.unflatten(0, (layer.n_heads, -1)).sum(0)
            row.append(part.flatten())
        rows.append(torch.cat(row))
    return torch.stack(rows)


def losses(net, X):
    x, logits = differentiable_logits([net], X)
    for row in x:
        [logit_C] = logits(row[None])
        yield cross_entropy(logit_C[None], logit_C.argmax()[None])


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_our_classifiers(kind, blobs):
    X, y = blobs
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0).fit(X, y)
    features = as_model(clf).weight_gradients(X[:7], 4_096, 0)
    expected = [by_row(net.module_, losses(net, X[:7])) for net in clf.nets_]
    torch.testing.assert_close(features, torch.cat(expected, 1), atol=1e-6, rtol=1e-4)


def test_activations_in_place_and_layers_without_bias():
    net = perceptron()
    features = as_model(net).weight_gradients(X, 40, 0)
    assert features.shape == (30, 40)
    torch.testing.assert_close(features, by_row(net.module_, losses(net, X)))


def test_layers_that_run_at_several_places_of_a_row():
    net = as_net(
        nn.Unflatten(1, (2, 2)),
        nn.Linear(2, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(6, 2),
    )
    features = as_model(net).weight_gradients(X, 512, 0)
    torch.testing.assert_close(features, by_row(net.module_, losses(net, X)))


def test_every_output_of_a_regressor_counts():
    net = as_net(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2), kind=NeuralNetRegressor)
    features = as_model(net).weight_gradients(X, 512, 0)
    output_NQ = net.module_(torch.as_tensor(X))
    expected = [by_row(net.module_, output_N) for output_N in output_NQ.T]
    torch.testing.assert_close(features, torch.cat(expected, 1))


@pytest.mark.slow
def test_inner_products_of_sketches_are_right_on_average():
    model = as_model(perceptron())
    exact = model.weight_gradients(X, 40, 0)
    inner = torch.stack(
        [s @ s.T for s in (model.weight_gradients(X, 39, seed) for seed in range(300))]
    )
    error = (inner.mean(0) - exact @ exact.T) / (inner.std(0) / 300**0.5 + 1e-9)
    assert error.abs().max() < 6


def test_batches_of_any_size_are_sketched_alike():
    net = perceptron()
    whole = as_model(net).weight_gradients(X, 16, 3)
    net.iterator_valid__batch_size = 7
    torch.testing.assert_close(as_model(net).weight_gradients(X, 16, 3), whole)


def test_frozen_layers_have_no_gradient():
    net = perceptron()
    whole = as_model(net).weight_gradients(X, 512, 0)
    net.module_[0].requires_grad_(False)
    torch.testing.assert_close(as_model(net).weight_gradients(X, 512, 0), whole[:, 25:])
    net.module_[2].requires_grad_(False)
    with pytest.raises(CapabilityError, match=r"No nn.Linear layer .* in Sequential"):
        as_model(net).weight_gradients(X, 512, 0)


def test_the_net_is_left_alone():
    net = perceptron()
    net.module_.train()
    as_model(net).weight_gradients(X, 512, 0)
    assert net.module_.training
    assert all(weight.grad is None for weight in net.module_.parameters())
    assert not any(layer._forward_hooks for layer in net.module_)


def test_rows_that_are_not_on_the_first_axis():
    net = as_net(
        nn.Unflatten(1, (2, 2)),
        nn.Flatten(0, 1),
        nn.Linear(2, 3),
        nn.Unflatten(0, (-1, 2)),
        nn.Flatten(),
    )
    with pytest.raises(CapabilityError, match="first axis"):
        as_model(net).weight_gradients(X, 512, 0)
