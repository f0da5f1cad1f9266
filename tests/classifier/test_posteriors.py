"""What holds for the draws of every posterior."""

import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from support import MAKERS, POSTERIOR_MAKERS, POSTERIORS, Normed, make_net

from skal_deep.classifier import PredictsEvidence, SamplesProba, as_model
from skal_deep.classifier._posterior import mean_of_draws
from skal_deep.modules import MLP
from skal_deep.pool import BALD, BatchBALD

# Their members are all the draws they have, whatever the seed.
MEMBERS = ("ensemble", "snapshots", "heads")
MAKERS = MAKERS | POSTERIOR_MAKERS


@pytest.fixture(params=[*POSTERIORS, *POSTERIOR_MAKERS])
def kind(request):
    return request.param


@pytest.fixture(params=[MLP, Normed])
def clf(request, kind, partly):
    net = make_net(request.param)
    return MAKERS[kind](net, classes=[0, 1, 2], random_state=0).fit(*partly)


def test_prediction_is_the_mean_over_draws(clf, blobs):
    X, _ = blobs
    samples = clf.sample_proba(X)
    assert samples.shape[1:] == (60, 3)
    if hasattr(clf, "n_samples"):
        assert len(samples) == clf.n_samples
    np.testing.assert_allclose(clf.predict_proba(X), samples.mean(0), atol=1e-6)
    np.testing.assert_allclose(samples.sum(-1), 1, atol=1e-5)


def test_draws_are_coupled(clf, blobs):
    """A draw is one function: of a row alone, not of its place or its neighbours."""
    X, _ = blobs
    whole = clf.sample_proba(X, 5, random_state=3)
    halves = [clf.sample_proba(half, 5, random_state=3) for half in (X[:31], X[31:])]
    np.testing.assert_allclose(whole, np.concatenate(halves, axis=1), atol=1e-5)
    order = np.random.default_rng(0).permutation(60)
    shuffled = clf.sample_proba(X[order], 5, random_state=3)
    np.testing.assert_allclose(whole[:, order], shuffled, atol=1e-5)
    same = clf.sample_proba(np.repeat(X[:1], 9, axis=0), 5, random_state=3)
    np.testing.assert_allclose(same, same[:, :1].repeat(9, axis=1), atol=1e-6)
    small = copy.deepcopy(clf)
    for net in small.nets_:
        net.iterator_valid__batch_size = 7
    np.testing.assert_allclose(
        whole, small.sample_proba(X, 5, random_state=3), atol=1e-5
    )


def test_seeds_decide_the_draws(kind, clf, blobs):
    X, _ = blobs
    first = clf.sample_proba(X, 4, random_state=0)
    np.testing.assert_array_equal(first, clf.sample_proba(X, 4, random_state=0))
    assert np.ptp(first, axis=0).max() > 1e-3
    other = clf.sample_proba(X, 4, random_state=1)
    if kind in MEMBERS:
        np.testing.assert_array_equal(first, other)
        assert len(first) == 3
        return
    assert not np.array_equal(first, other)
    assert len(first) == 4
    more = clf.sample_proba(X, 6, random_state=0)
    np.testing.assert_allclose(first, more[:4], atol=1e-6)


def test_sampling_moves_nothing(clf, blobs):
    X, _ = blobs
    states = copy.deepcopy([net.module_.state_dict() for net in clf.nets_])
    generators = torch.get_rng_state(), np.random.get_state()[1].copy()
    clf.sample_proba(X, 3)
    for net, state in zip(clf.nets_, states, strict=True):
        for name, value in net.module_.state_dict().items():
            assert torch.equal(value, state[name]), name
        assert not any(m._forward_hooks for m in net.module_.modules())
    assert torch.equal(generators[0], torch.get_rng_state())
    assert np.array_equal(generators[1], np.random.get_state()[1])


def test_strategies_see_the_draws(clf, partly):
    X, y = partly
    model = as_model(clf)
    assert isinstance(model, SamplesProba)
    assert not isinstance(model, PredictsEvidence)
    np.testing.assert_array_equal(
        model.sample_proba(X, 4, 0), clf.sample_proba(X, 4, random_state=0)
    )
    for strategy in (BALD(random_state=0), BatchBALD(random_state=0)):
        picks = strategy.query(X, y, clf, fit_clf=False, batch_size=3)
        assert (y[picks] == -1).all()


def test_before_the_first_label_draws_differ(kind, blobs):
    X, _ = blobs
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0)
    clf.fit(X, np.full(60, -1))
    samples = clf.sample_proba(X, 4)
    assert np.ptp(samples, axis=0).max() > 1e-3


@pytest.mark.slow
def test_fits_with_equal_seeds_have_equal_draws(kind, partly):
    X, y = partly
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0)
    first, second = (clone(clf).fit(X, y).sample_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = clone(clf).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(first, other.sample_proba(X))


def test_a_lone_class_is_certain(kind, blobs):
    X, _ = blobs
    clf = MAKERS[kind](make_net(), classes=[0], random_state=0).fit(X, np.zeros(60))
    assert (clf.sample_proba(X[:5]) == 1).all()


@pytest.mark.parametrize("kind", ["dropout", "laplace", "heads", "bayes by backprop"])
def test_embeddings_of_one_net_draw_nothing(kind, monkeypatch):
    clf = MAKERS[kind](make_net(max_epochs=1), random_state=0)
    X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    clf.fit(X, np.arange(20) % 2)
    expected = clf.predict_proba(X, return_embeddings=True)[1]

    def draw(*_):
        raise AssertionError("nobody asked for draws")

    monkeypatch.setattr(type(clf), "_draw", draw)
    np.testing.assert_array_equal(as_model(clf).embed(X), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_mean_leaves_the_draws_as_they_are(dtype):
    """A posterior may keep them; in float64 the sum began in the first draw's place."""
    draws = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    before = draws.clone()
    mean = mean_of_draws(draws)
    assert torch.equal(draws, before)
    assert mean.dtype == dtype
    torch.testing.assert_close(mean, draws.double().mean(0).to(dtype))
