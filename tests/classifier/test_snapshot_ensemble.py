"""Snapshots of one training."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from support import make_net

from skal_deep.classifier import CapabilityError, SnapshotEnsembleClassifier
from skal_deep.functional.snapshots import cosine_cycles


class Watch(Callback):
    """Notes the rate of every step, and the weights after it."""

    rates: list
    weights: list

    def on_batch_end(self, net, training=False, **_):
        Watch.rates.append(net.optimizer_.param_groups[0]["lr"])
        Watch.weights.append(next(net.module_.parameters()).detach().clone())


def fit(X, y, n_estimators=3, n_cycles=4, **params):
    return SnapshotEnsembleClassifier(
        make_net(**params), n_estimators, n_cycles, classes=[0, 1, 2], random_state=0
    ).fit(X, y)


def test_members_are_the_ends_of_the_cycles(blobs):
    """Of steps, not of epochs: 5 epochs of 4 mini-batches make 20."""
    Watch.rates, Watch.weights = [], []
    clf = fit(*blobs, max_epochs=5, callbacks=[("watch", Watch)])
    factors, ends = cosine_cycles(20, 4)
    np.testing.assert_allclose(Watch.rates, 0.03 * np.array(factors))
    for net, end in zip(clf.nets_, ends[1:], strict=True):
        weights = next(net.module_.parameters())
        assert torch.equal(weights, Watch.weights[end - 1])


def test_too_few_steps_are_refused(partly):
    with pytest.raises(ValueError, match="max_epochs=2 with 1 mini-batches make 2"):
        fit(*partly, max_epochs=2)


def test_a_training_that_changes_nothing_is_refused(partly):
    with pytest.raises(CapabilityError, match="learning rate"):
        fit(*partly, lr=0.0)


def test_no_trace_of_the_schedule_is_left(partly):
    clf = fit(*partly)
    for net in clf.nets_:
        assert "snapshots" not in dict(net.callbacks_)
        assert len(net.history) == 20


def test_there_are_as_many_cycles_as_members(partly):
    with pytest.raises(ValueError, match="n_cycles=2 must be at least n_estimators=3"):
        fit(*partly, n_cycles=2)


class StopEarly(Callback):
    """Ends the training after the second epoch."""

    def on_epoch_end(self, net, **_):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_fewer_members_than_asked_for_are_told_of(blobs):
    with pytest.warns(UserWarning, match="after 2 of 5 cycles: there are 2 members"):
        clf = fit(*blobs, 3, 5, max_epochs=5, callbacks=[("stop", StopEarly)])
    assert len(clf.nets_) == 2
