"""Training of every classifier over a net, in every corner."""

import copy

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from support import POSTERIORS, Normed, make_net
from torch import nn

from skal_deep.classifier import CapabilityError
from skal_deep.modules import MLP, ConvNet


def test_unlabelled_rows_do_not_matter(make, partly):
    X, y = partly
    whole = make().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(whole, make().fit(X[:12], y[:12]).predict_proba(X))


@pytest.mark.parametrize("n_labels", [0, 1, 2, 3, 4, 5])
def test_few_labels(make, blobs, n_labels):
    X, y = blobs
    clf = make().fit(X, np.where(np.arange(60) < n_labels, y, -1))
    assert clf.predict_proba(X).shape == (60, 3)
    assert set(clf.predict(X)) <= {0, 1, 2}


def test_no_label_and_no_classes_is_an_error(make, blobs):
    with pytest.raises(ValueError, match="No class label is known"):
        make(classes=None).fit(blobs[0], np.full(60, -1))


def test_the_net_of_the_caller_is_untouched(make, partly):
    net = make_net()
    make(net).fit(*partly)
    assert not net.initialized_


def test_a_module_instance_is_trained_as_a_copy(make, partly):
    X, y = partly
    module = MLP(2, 3, dropout=0.3)
    state = copy.deepcopy(module.state_dict())
    net = make_net(module)
    make(net).fit(X, y)
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())


@pytest.mark.slow
def test_images(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
    y = (X.mean((1, 2, 3)) > 0).astype(int)
    clf = make(make_net(ConvNet, module__n_hidden=8, lr=0.003), classes=[0, 1]).fit(
        X, y
    )
    assert clf.predict_proba(X).shape == (40, 2)
    assert clf.embed(X).ndim == 2
    with pytest.raises(ValueError, match="shape"):
        clf.predict_proba(X[:, :, :7])


@pytest.mark.slow
def test_weights_act_as_repetition(make, blobs):
    X, y = blobs
    weight = np.where(np.arange(60) % 3, 1.0, 2.0) * (np.arange(60) < 40)
    copies = np.repeat(np.arange(60), weight.astype(int))
    one_batch = make_net(batch_size=-1, module__dropout=0.1, optimizer=torch.optim.SGD)
    one_batch.set_params(iterator_train__shuffle=False, max_epochs=3, lr=0.1)
    # dropout masks differ between the two; the width of Laplace's posterior depends
    # on the number of rows, not on the scale of weights
    if make.kind not in ("dropout", "laplace"):
        one_batch.set_params(module__dropout=0.0)
        params = {"bootstrap": False} if make.kind == "heads" else {}
        weighted = make(one_batch, **params).fit(X, y, weight)
        repeated = make(one_batch, **params).fit(X[copies], y[copies])
        weighted, repeated = weighted.predict_proba(X), repeated.predict_proba(X)
        np.testing.assert_allclose(weighted, repeated, atol=1e-5)
    tilted = make().fit(X, y, np.where(y == 0, 100.0, 0.01)).predict_proba(X)
    plain = make().fit(X, y).predict_proba(X)
    assert tilted[:, 0].mean() > plain[:, 0].mean()


@pytest.mark.slow
def test_weights_of_one_and_no_weights_are_the_same(make, partly):
    X, y = partly
    np.testing.assert_allclose(
        make().fit(X, y, np.full(60, 3.0)).predict_proba(X),
        make().fit(X, y).predict_proba(X),
        atol=1e-5,
    )


def test_bad_weights(make, partly):
    X, y = partly
    with pytest.raises(ValueError, match="sample_weight"):
        make().fit(X, y, np.ones(3))
    with pytest.raises(ValueError, match="negative"):
        make().fit(X, y, -np.ones(60))


def test_warm_start_continues_from_the_weights(make, partly):
    X, y = partly
    before = make().fit(X, y)
    after = make(make_net(lr=1e-6, max_epochs=3)).fit_from(before, X, y)
    starts = before.nets_
    if make.kind == "snapshots":  # one training: it continues from the last snapshot
        starts = [before.nets_[-1]] * len(after.nets_)
    for start, net in zip(starts, after.nets_, strict=True):
        for old, new in zip(
            start.module_.parameters(), net.module_.parameters(), strict=True
        ):
            torch.testing.assert_close(old, new, atol=1e-4, rtol=0)
            assert not torch.equal(old, new)
    with pytest.raises(NotFittedError):
        make().fit_from(make(), X, y)


class Probabilities(MLP):
    def forward(self, x):
        return super().forward(x).softmax(-1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "criterion"),
    [(MLP, nn.NLLLoss), (Probabilities, nn.NLLLoss), (MLP, nn.CrossEntropyLoss)],
)
def test_logits_and_probabilities_train_alike(make, blobs, module, criterion):
    X, y = blobs
    if make.kind == "evidential" and module is Probabilities:
        pytest.skip("evidence needs logits")
    net = make_net(module, criterion=criterion, module__n_hidden=16)
    clf = make(net).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1, atol=1e-5)
    assert clf.score(X, y) > 0.8


class OneLogit(MLP):
    def forward(self, x):
        return super().forward(x)[:, 0]


def test_binary_nets(make, blobs):
    X, y = blobs
    X, y = X[y < 2], y[y < 2]
    net = NeuralNetBinaryClassifier(
        OneLogit, max_epochs=20, lr=0.1, train_split=None, verbose=0
    )
    clf = make(net, classes=[0, 1])
    if make.kind in ("laplace", "evidential"):
        with pytest.raises(
            (CapabilityError, ValueError),
            match=r"one column a class|knows the curvature",
        ):
            clf.fit(X, y)
        return
    clf.fit(X, y)
    assert clf.predict_proba(X).shape == (len(X), 2)
    assert clf.score(X, y) > 0.8


def test_wrong_number_of_outputs(make, partly):
    with pytest.raises(ValueError, match="returns 5 columns, but there are 3 classes"):
        make(make_net(module__n_classes=5)).fit(*partly)


@pytest.mark.parametrize("n_labels", [1, 9, 17])
def test_batch_normalisation_never_sees_a_batch_of_one(make, blobs, n_labels):
    X, y = blobs
    y = np.where(np.arange(60) < n_labels, y, -1)
    net = make_net(Normed, batch_size=8)
    assert make(net).fit(X, y).predict_proba(X).shape == (60, 3)


def test_train_split_that_is_too_large_is_left_out(make, blobs):
    X, y = blobs
    net = make_net(train_split=ValidSplit(5))
    with pytest.warns(UserWarning, match="too few for the net's train_split"):
        make(net).fit(X[:3], y[:3])


def test_callbacks_work(make, blobs):
    X, y = blobs
    stop = EarlyStopping(patience=2, threshold=10.0, threshold_mode="abs")
    net = make_net(train_split=ValidSplit(3), callbacks=[stop], max_epochs=30)
    if make.kind == "snapshots":
        with pytest.raises(ValueError, match="Remove early stopping"):
            make(net).fit(X, y)
        return
    clf = make(net).fit(X, y, np.ones(60))
    assert all(len(net.history) < 30 for net in clf.nets_)


def test_diverged_training_is_an_error(make, blobs):
    net = make_net(lr=1e30, optimizer=torch.optim.SGD)
    with pytest.raises(ValueError, match="diverged"):
        make(net).fit(*blobs).predict_proba(blobs[0])


def test_a_training_inside_autocast_sees_the_weights_that_it_changes(make, blobs):
    """Torch keeps the weights that it has cast until the outermost autocast ends."""
    X, y = blobs
    clf = make().fit(X, y)
    with torch.autocast("cpu", torch.bfloat16):
        inside = make().fit(X, y)
        assert inside.score(X, y) >= clf.score(X, y) - 0.05
        if make.kind in POSTERIORS:
            spread = inside.sample_proba(X).std(0).mean()
            np.testing.assert_allclose(
                spread, clf.sample_proba(X).std(0).mean(), rtol=1
            )
        assert torch.is_autocast_cache_enabled()
