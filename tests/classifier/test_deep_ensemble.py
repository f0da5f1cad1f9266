"""Deep ensembles: members are the draws."""

import numpy as np
import pytest
import torch
from support import make_net

from skal_deep.classifier import CapabilityError, DeepEnsembleClassifier
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.net._dropout_draws import dropout_proba
from skal_deep.modules import MLP


def fit(net, X, y, **params):
    return DeepEnsembleClassifier(
        net, n_estimators=3, classes=[0, 1, 2], random_state=0, **params
    ).fit(X, y)


@pytest.mark.slow
def test_members_are_the_draws(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    samples = clf.sample_proba(X, n_samples=50)
    assert samples.shape == (3, 60, 3)
    np.testing.assert_allclose(clf.predict_proba(X), samples.mean(0), atol=1e-6)
    assert all(np.ptp(samples[[0, s]], axis=0).max() > 1e-3 for s in (1, 2))


@pytest.mark.slow
def test_embeddings_stand_side_by_side(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    assert clf.embed(X).shape == (60, 3 * 16)


def test_members_that_do_not_differ_are_refused(partly):
    X, _ = partly
    with pytest.raises(CapabilityError, match="All draws of DeepEnsembleClassifier"):
        fit(make_net(MLP(2, 3)), X, np.full(60, -1))


@pytest.mark.slow
def test_members_may_start_from_a_common_net(partly):
    """With one epoch of their own left, they are a small step from one another."""
    X, y = partly
    net = make_net(optimizer=torch.optim.SGD, lr=0.1)
    apart = fit(net, X, y)
    shared = fit(net, X, y, shared_epochs=19)
    for clf, is_near in ((shared, True), (apart, False)):
        first, second = (next(n.module_.parameters()) for n in clf.nets_[:2])
        distance = float((first - second).detach().norm())
        assert distance > 0
        assert (distance < 0.1) == is_near
    assert [len(net.history) for net in shared.nets_] == [1, 1, 1]


@pytest.mark.slow
def test_members_that_cannot_part_are_refused(partly):
    net = make_net(module__dropout=0.0, batch_size=-1, iterator_train__shuffle=False)
    with pytest.raises(CapabilityError, match="part by dropout"):
        fit(net, *partly, shared_epochs=5)


def test_some_epochs_are_left_to_members(partly):
    with pytest.raises(ValueError, match="must be less than the net's max_epochs=20"):
        fit(make_net(), *partly, shared_epochs=20)


def test_before_the_first_label_nothing_is_shared(partly):
    X, _ = partly
    y = np.full(60, -1)
    plain, shared = (fit(make_net(), X, y, shared_epochs=n) for n in (0, 5))
    np.testing.assert_array_equal(plain.predict_proba(X), shared.predict_proba(X))


@pytest.mark.slow
def test_draws_of_a_stochastic_ensemble_are_those_of_its_members_in_turn(partly):
    X, y = partly
    plain, clf = fit(make_net(), X, y), fit(make_net(), X, y, n_dropout_draws=2)
    for net, other in zip(plain.nets_, clf.nets_, strict=True):  # trained as ever
        torch.testing.assert_close(net.module_.state_dict(), other.module_.state_dict())
    samples = clf.sample_proba(X, random_state=5)
    assert samples.shape == (6, 60, 3)
    for member, net in enumerate(clf.nets_):
        alone = dropout_proba(net, X, 2, derived_seed(5, member))
        np.testing.assert_array_equal(samples[member::3], alone)
    np.testing.assert_array_equal(clf.sample_proba(X, 4, random_state=5), samples[:4])
    np.testing.assert_array_equal(plain.embed(X), clf.embed(X))


@pytest.mark.slow
def test_one_draw_without_dropout_is_the_plain_ensemble(partly):
    X, y = partly
    clf = fit(make_net(), X, y, n_dropout_draws=1)
    plain = fit(make_net(), X, y).sample_proba(X)
    assert np.abs(clf.sample_proba(X) - plain).max() > 1e-3
    for net in clf.nets_:
        for part in net.module_.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
    np.testing.assert_allclose(clf.sample_proba(X), plain, atol=1e-6)


@pytest.mark.slow
def test_a_stochastic_ensemble_without_dropout_is_refused(partly):
    with pytest.raises(CapabilityError, match="no dropout layer"):
        fit(make_net(module__dropout=0.0), *partly, n_dropout_draws=4)


@pytest.mark.slow
def test_stochastic_ensembles_draw_from_each_member(partly):
    X, y = partly
    params = {"n_estimators": 2, "classes": [0, 1, 2], "random_state": 0}
    clf = DeepEnsembleClassifier(make_net(), n_dropout_draws=3, **params).fit(X, y)
    draws = clf.sample_proba(X, random_state=1)
    assert draws.shape == (6, 60, 3)
    assert len(np.unique(draws[:, 0, 0])) == 6
    np.testing.assert_allclose(clf.sample_proba(X[7:], random_state=1), draws[:, 7:])
    assert np.abs(draws - clf.sample_proba(X, random_state=2)).max() > 1e-3
    mean = clf.sample_proba(X).mean(0)
    np.testing.assert_allclose(clf.predict_proba(X), mean, atol=1e-6)
    proba, embedding = clf.predict_proba(X, return_embeddings=True)
    np.testing.assert_allclose(proba, mean, atol=1e-6)
    assert embedding.shape == (60, 32)
