"""A net that predicts its own loss."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from support import make_net

from skal_deep.classifier import (
    CapabilityError,
    DeepClassifier,
    LossPredictionClassifier,
    PredictsLoss,
    as_model,
)
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.modules import ConvNet


def noisy(seed, is_visible, n_rows=400):
    """Return rows of two classes, half of which have random labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n_rows)
    is_noisy = rng.random(n_rows) < 0.5
    X = rng.normal(size=(n_rows, 4)).astype(np.float32)
    X[:, 0] += 4 * (2 * y - 1)
    if is_visible:
        X[:, 1] = 3 * (2 * is_noisy - 1)
    return X, np.where(is_noisy, rng.integers(2, size=n_rows), y), is_noisy


@pytest.mark.slow
@pytest.mark.parametrize("is_visible", [True, False])
def test_noise_that_can_be_seen_is_predicted(is_visible):
    aucs = []
    for seed in range(3):
        X, y, is_noisy = noisy(seed, is_visible)
        known = np.where(np.arange(len(y)) < 200, y, -1)
        net = make_net(max_epochs=30, lr=0.01, batch_size=32)
        clf = LossPredictionClassifier(net, random_state=seed).fit(X, known)
        aucs.append(roc_auc_score(is_noisy[200:], clf.predict_loss(X[200:])))
    if is_visible:
        assert min(aucs) > 0.8
    else:
        assert np.mean(aucs) == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_a_loss_that_does_not_reach_the_net_leaves_it_as_it_is(partly):
    params = {"classes": [0, 1, 2], "random_state": 0}
    plain = DeepClassifier(make_net(), **params).fit(*partly)
    beside = LossPredictionClassifier(make_net(), joint_share=0, **params).fit(*partly)
    joint = LossPredictionClassifier(make_net(), **params).fit(*partly)
    proba, same, other = (
        clf.predict_proba(partly[0]) for clf in (plain, beside, joint)
    )
    np.testing.assert_array_equal(proba, same)
    assert np.abs(proba - other).max() > 1e-4
    # less weight moves the net less, if at all: Adam's steps have lengths of their own
    lighter = LossPredictionClassifier(make_net(), loss_weight=1e-6, **params)
    lightly = lighter.fit(*partly).predict_proba(partly[0])
    assert np.abs(proba - lightly).max() < 0.1 * np.abs(proba - other).max()
    start = LossPredictionClassifier(make_net(max_epochs=0), joint_share=0, **params)
    untrained = start.fit(*partly).loss_head_.last.weight
    assert not torch.equal(untrained, beside.loss_head_.last.weight)


def test_a_prediction_does_not_depend_on_other_rows(partly):
    X, y = partly
    clf = LossPredictionClassifier(make_net(), random_state=0).fit(X, y)
    losses = clf.predict_loss(X)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(clf.predict_loss(X[order]), losses[order], atol=1e-5)
    for size in (1, 7):
        parts = [
            clf.predict_loss(X[start : start + size])
            for start in range(0, len(X), size)
        ]
        np.testing.assert_allclose(np.concatenate(parts), losses, atol=1e-5)


def test_taps_by_name(partly):
    X, y = partly
    clf = LossPredictionClassifier(make_net(), taps=["layers.2"], random_state=0)
    assert [layer.in_features for layer in clf.fit(X, y).loss_head_.layers] == [16]
    default = LossPredictionClassifier(make_net(), random_state=0).fit(X, y)
    assert [layer.in_features for layer in default.loss_head_.layers] == [16, 16]
    with pytest.raises(ValueError, match="taps: 'nowhere' is none of the layers"):
        clf.set_params(taps=["nowhere"]).fit(X, y)


def test_features_of_images_are_averaged():
    X = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).astype(np.float32)
    y = np.arange(12) % 2
    net = make_net(ConvNet, max_epochs=2)
    clf = LossPredictionClassifier(net, random_state=0).fit(X, y)
    assert clf.predict_loss(X).shape == (12,)
    channels = [layer.in_features for layer in clf.loss_head_.layers]
    assert (
        channels[0]
        == clf.nets_[0]
        .module_.state_dict()[next(iter(clf.nets_[0].module_.state_dict()))]
        .shape[0]
    )


def test_the_users_optimizer_knows_nothing_of_the_head(partly):
    clf = LossPredictionClassifier(make_net(), random_state=0).fit(*partly)
    [net] = clf.nets_
    known = {id(p) for group in net.optimizer_.param_groups for p in group["params"]}
    assert known == {id(p) for p in net.module_.parameters()}
    assert len(net.optimizer_.state) == len(known)
    assert not any(part._forward_hooks for part in net.module_.modules())


def test_capabilities(partly):
    clf = LossPredictionClassifier(make_net(), classes=[0, 1, 2], random_state=0)
    model = as_model(clf.fit(*partly))
    assert isinstance(model, PredictsLoss)
    np.testing.assert_array_equal(
        model.predict_loss(partly[0]), clf.predict_loss(partly[0])
    )
    with pytest.raises(CapabilityError, match="Pass a LossPredictionClassifier"):
        check_needs("LearningLoss", DeepClassifier(make_net()), (PredictsLoss,), False)
