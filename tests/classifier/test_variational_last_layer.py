"""Variational last layer: the bound is trained, and draws are those of its Gaussian."""

import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import CapabilityError, VariationalLastLayerClassifier
from skal_deep.functional import gaussian_divergence, log_softmax_bound
from skal_deep.modules import MLP
from skal_deep.modules._gaussian_weights import gaussian_weights

PARAMS = {"classes": [0, 1, 2], "random_state": 0}
WHOLE = {"batch_size": -1, "iterator_train__shuffle": False, "module__dropout": 0.0}


def fit(data, net=None, **params):
    net = make_net() if net is None else net
    return VariationalLastLayerClassifier(net, **PARAMS, **params).fit(*data)


def test_the_loss_of_training_is_the_bound(partly):
    """The loss of the first epoch, in one batch, from the weights at the start."""
    X, y = partly
    start = fit((X, y), make_net(**WHOLE, max_epochs=0))
    clf = fit((X, y), make_net(**WHOLE, max_epochs=1), divergence_weight=0.7)
    [net], [weight] = start.nets_, gaussian_weights(start.nets_[0].module_)
    features = torch.as_tensor(start.embed(X[:12]))
    layer = net.module_.eval().get_submodule(start._head)
    bound = log_softmax_bound(
        layer(features),
        features.square() @ weight.scale.square().T,
        torch.as_tensor(y[:12]),
    )
    prior = 2.0 / features.shape[1] ** 0.5
    divergence = gaussian_divergence(weight.mean, weight.scale, prior)
    expected = (-bound.mean() + 0.7 / 12 * divergence).item()
    assert clf.nets_[0].history[0, "train_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_draws_are_those_of_the_gaussian(partly):
    """Logits of many draws have the mean and the variance in closed form."""
    X, _ = partly
    clf = fit(partly)
    [net], [weight] = clf.nets_, gaussian_weights(clf.nets_[0].module_)
    features = torch.as_tensor(clf.embed(X[:4]))
    expected = (features.square() @ weight.scale.square().T).detach()
    draws = torch.as_tensor(clf.sample_proba(X[:4], 20_000, random_state=0)).log()
    apart = draws[..., 0] - draws[..., 1]
    variance = expected[:, 0] + expected[:, 1]
    torch.testing.assert_close(apart.var(0), variance, rtol=0.05, atol=1e-4)
    mean = torch.as_tensor(net.predict_proba(X[:4])).log()
    torch.testing.assert_close(
        apart.mean(0), mean[:, 0] - mean[:, 1], rtol=0.05, atol=0.05
    )


class Linear(nn.Linear):
    """Is its last layer."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, bias=False)


@pytest.mark.slow
def test_a_heavy_divergence_is_the_prior(partly):
    net = make_net(Linear, max_epochs=400)
    clf = fit(partly, net, divergence_weight=1000.0)
    [weight] = gaussian_weights(clf.nets_[0].module_)
    scale = weight.scale * weight.root_inputs
    torch.testing.assert_close(scale.mean().item(), 2.0, atol=0.1, rtol=0)
    assert weight.mean.abs().max() < 0.1


class Softmax(MLP):
    def forward(self, x):
        return super().forward(x).softmax(-1)


class Scaled(MLP):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("net", "error", "words"),
    [
        (make_net(Softmax), ValueError, "returns logits"),
        (make_net(Scaled), CapabilityError, "last linear layer"),
        (make_net(criterion__label_smoothing=0.1), ValueError, "label_smoothing"),
    ],
)
def test_what_the_bound_does_not_hold_for_is_refused(net, error, words, partly):
    with pytest.raises(error, match=words):
        fit(partly, net)
