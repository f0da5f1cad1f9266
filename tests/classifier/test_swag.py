"""SWAG: collected weights, batch normalisation and dead trajectories."""

import numpy as np
import pytest
import torch
from support import Normed, make_net

from skal_deep.classifier import CapabilityError, SWAGClassifier
from skal_deep.modules import MLP
from skal_deep.modules._weights import trained_weights


def fit(X, y, net=None, **params):
    net = make_net() if net is None else net
    params = {"n_samples": 6, "n_collected": 4} | params
    return SWAGClassifier(net, classes=[0, 1, 2], random_state=0, **params).fit(X, y)


def test_the_net_has_the_mean_of_the_collected_weights(partly):
    clf = fit(*partly)
    weights = trained_weights(clf.nets_[0].module_)
    torch.testing.assert_close(weights, clf.moments_.mean.float())
    assert clf.moments_.deviations_PL.shape == (len(weights), 4)


def test_memory_is_bounded_by_the_rank(partly):
    assert fit(*partly, max_rank=2).moments_.deviations_PL.shape[1] == 2


def test_higher_rates_widen_the_posterior(partly):
    net = make_net(optimizer=torch.optim.SGD, lr=0.1)
    narrow, wide = (fit(*partly, net, collect_lr=lr) for lr in (0.01, 0.3))
    assert wide.moments_.variance.sum() > 2 * narrow.moments_.variance.sum()


def test_frozen_weights_stay(partly):
    class Frozen(MLP):  # a local class cannot be pickled, so nor may nets be
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes, 8)
            self.layers[1].requires_grad_(False)

    clf = fit(*partly, make_net(Frozen))
    before = clf.nets_[0].module_.layers[1].weight.clone()
    clf.sample_proba(partly[0], 3)
    assert torch.equal(before, clf.nets_[0].module_.layers[1].weight)
    n_trained = sum(p.numel() for p in clf.nets_[0].module_.parameters())
    assert len(clf.moments_.mean) == n_trained - 3 * 8


def test_draws_have_batch_statistics_of_their_own(partly):
    """Of the labelled rows, with the weights of the draw."""
    X, y = partly
    net = make_net(Normed, batch_size=-1)
    clf = fit(X, y, net)
    module = clf.nets_[0].module_
    hidden = module.layers[0](torch.as_tensor(X[:12])).detach()
    torch.testing.assert_close(module.layers[1].running_mean, hidden.mean(0))
    torch.testing.assert_close(module.layers[1].running_var, hidden.var(0))
    clf._labeled_rows = X[:0]
    stale = clf.sample_proba(X)
    clf._labeled_rows = X[:12]
    assert np.abs(stale - clf.sample_proba(X)).max() > 1e-3


def test_weights_that_do_not_move_are_refused(partly):
    with pytest.raises(CapabilityError, match="weights move"):
        fit(*partly, make_net(lr=0.0, optimizer=torch.optim.SGD))


def test_the_schedule_of_the_training_is_over(partly):
    """A rate that a schedule has brought to nothing does not stop the collection."""
    from skorch.callbacks import LRScheduler

    schedule = LRScheduler(policy="StepLR", step_size=1, gamma=1e-3)
    clf = fit(*partly, make_net(callbacks=[schedule]))
    assert clf.moments_.variance.sum() > 1e-6
    assert len(clf.nets_[0].history) == 20
