"""Bayes by backprop: gradients by means and spreads, and what the divergence does."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, softplus

from skal_deep.classifier import (
    BayesByBackpropClassifier,
    CapabilityError,
    DeepClassifier,
)
from skal_deep.functional import gaussian_divergence
from skal_deep.modules import MLP, isolated_rng
from skal_deep.modules._gaussian_weights import gaussian_weights, spread_weights

PARAMS = {"classes": [0, 1, 2], "random_state": 0}
WHOLE = {"batch_size": -1, "iterator_train__shuffle": False, "module__dropout": 0.0}


def fit(data, net=None, **params):
    net = make_net() if net is None else net
    return BayesByBackpropClassifier(net, **PARAMS, **params).fit(*data)


def scales(clf):
    weights = gaussian_weights(clf.nets_[0].module_)
    return torch.cat([(w.scale * w.root_inputs).detach().flatten() for w in weights])


def test_gradients_are_those_of_autograd():
    """A step against the same loss written down with torch.func."""
    x, y = torch.randn(7, 2), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    with isolated_rng(0):
        net = make_net(module__n_features=2, module__n_classes=3, **WHOLE).initialize()
        spread_weights(net.module_, 0.3)
        clf = BayesByBackpropClassifier(net, prior_scale=1.5, divergence_weight=0.7)
        net.module_.zero_grad()
        torch.manual_seed(1)
        step = clf._step(net, net.train_step_single, 20, (x, y))
        torch.manual_seed(1)
        leaves, drawn, divergence = {}, {}, 0.0
        for name, weight in net.module_.named_parameters():
            leaves[name] = weight.detach().clone().requires_grad_()
        for name, leaf in leaves.items():
            if not name.endswith("_spread") and leaf.dim() > 1:
                spread = leaves[f"{name}_spread"]
                drawn[name] = leaf + softplus(spread) * torch.randn_like(leaf)
                prior = 1.5 / leaf.shape[1] ** 0.5
                divergence += gaussian_divergence(leaf, softplus(spread), prior)
        loss = cross_entropy(functional_call(net.module_, leaves | drawn, (x,)), y)
        loss = loss + 0.7 / 20 * divergence
    loss.backward()
    torch.testing.assert_close(step["loss"], loss.detach())
    for name, weight in net.module_.named_parameters():
        torch.testing.assert_close(weight.grad, leaves[name].grad, msg=name)
        assert torch.equal(weight, leaves[name])


@pytest.mark.slow
def test_without_spread_and_divergence_it_is_the_net_by_itself(partly):
    X, y = partly
    plain = DeepClassifier(make_net(**WHOLE), **PARAMS).fit(X, y)
    clf = fit(partly, make_net(**WHOLE), initial_scale=1e-5, divergence_weight=0)
    expected = plain.predict_proba(X)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-3)
    embedding = clf.embed(X)
    np.testing.assert_allclose(embedding, plain.embed(X), atol=1e-2)


@pytest.mark.slow
def test_a_heavy_divergence_is_the_prior(partly):
    """Means vanish and spreads become the prior's: the labels say nothing."""
    net = make_net(max_epochs=400)
    clf = fit(partly, net, prior_scale=0.5, divergence_weight=100.0)
    torch.testing.assert_close(scales(clf).mean(), torch.tensor(0.5), atol=0.02, rtol=0)
    means = [w.mean.abs().max().item() for w in gaussian_weights(clf.nets_[0].module_)]
    assert max(means) < 0.1


def test_before_the_first_label_weights_have_the_spread_of_the_prior(partly):
    X, _ = partly
    clf = fit((X, np.full(60, -1)), prior_scale=0.7)
    torch.testing.assert_close(scales(clf), torch.full_like(scales(clf), 0.7))


@pytest.mark.slow
def test_draws_leave_the_means_as_they_are(partly):
    X, _ = partly
    clf = fit(partly)
    [net] = clf.nets_
    before = {name: value.clone() for name, value in net.module_.state_dict().items()}
    alone = net.predict_proba(X)
    assert np.ptp(clf.sample_proba(X), axis=0).max() > 0.01
    net.module_.register_forward_hook(_fail)
    with pytest.raises(ZeroDivisionError):
        clf.sample_proba(X)
    net.module_._forward_hooks.clear()
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, before[name]), name
    np.testing.assert_array_equal(net.predict_proba(X), alone)


def _fail(*_):
    raise ZeroDivisionError


class NoMatrix(nn.Module):
    """Has weights of one axis only."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_classes))

    def forward(self, x):
        return x.sum(1, keepdim=True) * self.scale


class Tied(MLP):
    """Uses one weight in two layers, and a recurrent layer."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, n_hidden=8)
        self.recurrent = nn.LSTM(1, 8, batch_first=True)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.last = nn.Linear(8, n_classes)

    def forward(self, x):
        hidden = self.recurrent(x[..., None])[0][:, -1]
        return self.last(self.second(self.first(hidden).relu()).relu())


def test_a_module_without_weights_to_vary_is_refused(partly):
    with pytest.raises(CapabilityError, match="weights of two axes"):
        fit(partly, make_net(NoMatrix))


@pytest.mark.slow
def test_shared_weights_and_recurrent_layers(partly):
    X, _ = partly
    clf = fit(partly, make_net(Tied))
    names = [name for name, _ in clf.nets_[0].module_.named_parameters()]
    assert "first.weight_spread" in names
    assert "second.weight_spread" not in names
    assert "recurrent.weight_ih_l0_spread" in names
    assert np.ptp(clf.sample_proba(X), axis=0).max() > 0.01


def test_no_two_draws_are_alike(partly):
    clf = BayesByBackpropClassifier(make_net(max_epochs=2), random_state=0).fit(*partly)
    draws = clf.sample_proba(partly[0], 6)
    assert len(np.unique(draws.reshape(6, -1), axis=0)) == 6
