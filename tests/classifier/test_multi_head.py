"""Several heads on one trunk."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import CapabilityError, DeepClassifier, MultiHeadClassifier
from skal_deep.modules import MLP
from skal_deep.modules._split_linear import SplitLinear


def classifier(net=None, **params):
    net = make_net() if net is None else net
    params = {"n_estimators": 4, "classes": [0, 1, 2], "random_state": 0} | params
    return MultiHeadClassifier(net, **params)


def test_heads_are_nets_with_a_common_trunk(partly):
    X, y = partly
    clf = classifier().fit(X, y)
    samples = clf.sample_proba(X)
    module = clf.nets_[0].module_
    head = module.layers[-1]
    assert isinstance(head, SplitLinear)
    features = torch.as_tensor(clf.embed(X))
    assert features.shape == (60, 16)
    for m, sample in enumerate(samples):
        rows = slice(3 * m, 3 * m + 3)
        logits = features @ head.weight[rows].T + head.bias[rows]
        np.testing.assert_allclose(logits.softmax(-1).detach(), sample, atol=1e-5)


def test_one_step_is_that_of_the_mean_loss(partly):
    X, y = partly
    net = make_net(
        optimizer=torch.optim.SGD,
        lr=1.0,
        max_epochs=1,
        batch_size=-1,
        module__dropout=0.0,
    )
    before = classifier(net, bootstrap=False).fit(X, np.full(60, -1))
    after = classifier(net, bootstrap=False).fit_from(before, X, y)
    module = before.nets_[0].module_.eval()
    hidden = module.layers[:-1](torch.as_tensor(X[:12]))
    logits = module.layers[-1].weight @ hidden.T + module.layers[-1].bias[:, None]
    loss = nn.functional.cross_entropy(
        logits.T.reshape(12, 4, 3).flatten(0, 1),
        torch.as_tensor(y[:12]).repeat_interleave(4),
    )
    loss.backward()
    for old, new in zip(
        module.parameters(), after.nets_[0].module_.parameters(), strict=True
    ):
        torch.testing.assert_close(old - old.grad, new)


def test_the_net_by_itself_is_the_mean_of_the_heads(partly):
    X, y = partly
    clf = classifier().fit(X, y)
    logits = np.log(clf.sample_proba(X))
    mean = torch.as_tensor(logits.mean(0)).softmax(-1)
    np.testing.assert_allclose(clf.nets_[0].predict_proba(X), mean, atol=1e-4)


def test_weights_of_a_row_have_the_mean_of_one():
    clf = classifier(bootstrap=True)
    clf.seed_ = 0
    weight_NM = clf._head_weights(50, np.arange(50.0))
    np.testing.assert_allclose(weight_NM.mean(1), np.arange(50.0))
    assert weight_NM[1:].std() > 0
    clf.bootstrap = False
    assert (clf._head_weights(5, None) == 1).all()


@pytest.mark.slow
def test_bootstrapped_heads_differ_more(blobs):
    """On the same rows, heads of a trunk approach one another."""
    X, y = blobs
    net = make_net(module__dropout=0.0, max_epochs=100)
    spread = {
        bootstrap: np.ptp(
            classifier(net, bootstrap=bootstrap).fit(X, y).sample_proba(X), axis=0
        ).mean()
        for bootstrap in (False, True)
    }
    assert spread[True] > 1.2 * spread[False]


def test_a_module_that_is_its_last_layer(partly):
    net = make_net(nn.Linear, module__in_features=2, module__out_features=3)
    assert classifier(net).fit(*partly).sample_proba(partly[0]).shape == (4, 60, 3)


class Residual(MLP):
    """Adds to the output of the head what has one row a row."""

    def forward(self, x):
        return super().forward(x) + x.mean(1, keepdim=True)


class Pooled(MLP):
    def forward(self, x):
        return super().forward(x).view(len(x), -1)[:, :3]


@pytest.mark.parametrize("module", [Residual, Pooled])
def test_modules_that_mix_rows_after_the_head_are_refused(partly, module):
    with pytest.raises(CapabilityError, match="cannot be split into heads"):
        classifier(make_net(module)).fit(*partly)


@pytest.mark.slow
def test_the_trunk_learns_as_a_plain_net(blobs):
    X, y = blobs
    clf, plain = classifier().fit(X, y), DeepClassifier(make_net(), random_state=0)
    assert clf.score(X, y) > plain.fit(X, y).score(X, y) - 0.05
