"""Rows that a generator makes of labelled rows keep the label of their source."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.dataset import Dataset
from support import Normed, make_net
from torch import nn
from torch.nn.functional import cross_entropy

from skal_deep.classifier import (
    CapabilityError,
    GenerativeAugmentationClassifier,
    MCDropoutClassifier,
)
from skal_deep.functional import bald
from skal_deep.modules import MLP, ConvNet
from skal_deep.modules._labeled_generator import GeneratorTraining, LabeledGenerator
from skal_deep.modules._training import Descent
from skal_deep.pool import BALD

PARAMS = {"classes": [0, 1, 2], "n_samples": 8, "random_state": 0}


def fitted(X, y, net=None, sample_weight=None, **params):
    net = make_net(max_epochs=3) if net is None else net
    clf = GenerativeAugmentationClassifier(net, latent_dim=4, **(PARAMS | params))
    return clf.fit(X, y, sample_weight)


class Recording(NeuralNetClassifier):
    """Notes the rows, labels and value of each loss of its training."""

    seen = []

    def get_loss(self, y_pred, y_true, X=None, training=False):
        loss = super().get_loss(y_pred, y_true, X=X, training=training)
        if training:
            Recording.seen.append(
                (X.detach(), y_true.clone(), loss.item(), y_pred.detach())
            )
        return loss


def recorded(X, y, n_generated=1, sample_weight=None, **params):
    """Return what a training asked the loss for, by its steps, and the losses."""
    Recording.seen.clear()
    net = make_net().set_params(max_epochs=4, iterator_train__shuffle=False)
    net = Recording(**net.get_params(deep=False) | params)
    clf = fitted(X, y, net, sample_weight, n_generated=n_generated)
    size = 2 + 2 * n_generated
    assert len(Recording.seen) % size == 0
    steps = [
        Recording.seen[at : at + size] for at in range(0, len(Recording.seen), size)
    ]
    batches = clf.nets_[0].history[:, "batches", :, "train_loss"]
    return steps, [loss for epoch in batches for loss in epoch]


@pytest.mark.parametrize("is_image", [False, True])
def test_without_generated_rows_it_is_dropout_by_itself(partly, is_image):
    X, y = partly
    net = make_net(max_epochs=4)
    if is_image:
        X = np.tile(X[:, :1, None, None], (1, 1, 6, 6))
        net = make_net(ConvNet, max_epochs=4, module__n_hidden=8)
    plain = MCDropoutClassifier(net, **PARAMS).fit(X, y)
    same = fitted(X, y, net, n_generated=0)
    for question in ("predict_proba", "sample_proba", "embed"):
        np.testing.assert_array_equal(
            getattr(plain, question)(X), getattr(same, question)(X)
        )
    assert same.generator_ is None
    with pytest.raises(ValueError, match="Nothing was generated"):
        same.generate(X[:3], [0, 1, 2])
    assert (fitted(X, y, net).predict_proba(X) != plain.predict_proba(X)).any()


@pytest.mark.parametrize("n_generated", [1, 3])
def test_the_net_learns_generated_rows_with_the_labels_of_their_sources(
    partly, n_generated
):
    X, y = partly
    known = torch.as_tensor(X[y != -1])
    steps, losses = recorded(X, y, n_generated)
    assert len(steps) >= 4
    for step, loss in zip(steps, losses, strict=True):
        (real, labels, *_), *others = step
        assert (torch.cdist(real, known).amin(1) == 0).all()
        for rows, its, *_ in others:
            assert its.tolist() == labels.tolist()
            assert rows.shape == real.shape
            assert (rows != real).any(1).all()
        values = [value for *_, value, _ in step]
        mean = values[0] + sum(values[2:]) / n_generated
        assert loss == pytest.approx(mean, rel=1e-5)


def test_what_is_made_for_a_class_is_learned_as_that_class(partly, monkeypatch):
    def marked(x, y):
        return x + 1000 * (y[:, None] + 1)

    def invented(_, y, codes):
        return (5000.0 + y)[:, None].expand(-1, 2)

    monkeypatch.setattr(LabeledGenerator, "near", lambda _, x, y, codes: marked(x, y))
    monkeypatch.setattr(LabeledGenerator, "invented", invented)
    for (real, labels, *_), _, near, free in recorded(*partly)[0]:
        assert torch.equal(near[0], marked(real, labels))
        assert torch.equal(free[0][:, 0], 5000.0 + labels)


def test_the_loss_of_generated_rows_has_the_weights_of_their_sources(partly):
    X, y = partly
    known = y != -1
    weight = np.where(known, np.arange(len(y)) % 3 + 1.0, 1.0)
    params = {"batch_size": -1}
    for step in recorded(X, y, sample_weight=weight, **params)[0]:
        (real, *_), *_ = step
        at = torch.cdist(real, torch.as_tensor(X)).argmin(1)
        its = torch.as_tensor(weight)[at] / weight[known].mean()
        for _, labels, loss, output in step:
            row_losses = cross_entropy(output, labels, reduction="none")
            assert loss == pytest.approx((its * row_losses).mean().item(), rel=1e-5)
    plain = fitted(X, y).predict_proba(X)
    ones = fitted(X, y, sample_weight=np.ones(len(y))).predict_proba(X)
    np.testing.assert_allclose(plain, ones, atol=1e-6)


@pytest.mark.nightly
def test_the_generator_knows_rows_and_classes(blobs):
    X, y = blobs
    X = np.concatenate([X, X[:, ::-1] * 0.5], axis=1).astype(np.float32)
    net = make_net(max_epochs=250)
    clf = fitted(X, y, net, generator_lr=3e-3)
    made = clf.generate(X, y)
    # more is known of a row than its class: the autoencoder has not collapsed
    rest = np.concatenate([X[y == c] - X[y == c].mean(0) for c in range(3)])
    error = ((made - X) ** 2).sum(1).mean()
    assert error < 0.8 * (rest**2).sum(1).mean()
    _, logvar = clf.generator_.vae.encode(clf.generator_.scaled(torch.as_tensor(X)))
    assert logvar.min() < -0.5  # a variance that a sigmoid would not allow
    # invented rows are of the class that was asked for
    centers = np.stack([X[y == c].mean(0) for c in range(3)])
    codes = torch.Generator().manual_seed(0)
    for label in range(3):
        asked = torch.full((200,), label)
        rows = clf.generator_.invented(asked, codes).detach().numpy()
        nearest = ((rows[:, None] - centers) ** 2).sum(2).argmin(1)
        assert (nearest == label).mean() > 0.8


def test_a_row_that_is_made_tells_about_the_net_what_its_source_tells(partly):
    X, y = partly
    clf = fitted(X, y, make_net(max_epochs=20))
    y_known = np.where(y == -1, 0, y)
    step = clf.generate(X, y_known) - X

    def information(rows):
        draws_SNC = clf.sample_proba(rows.astype(np.float32), 200, random_state=0)
        return bald(torch.as_tensor(draws_SNC)).numpy()

    at_source = information(X)
    gaps = [
        np.abs(information(X + t * step) - at_source).max()
        for t in (1.0, 0.1, 0.01, 0.001)
    ]
    assert gaps[0] > gaps[1] > gaps[2] > gaps[3]
    assert gaps[3] < 1e-3 < 0.02 < at_source.max()


def test_rows_without_a_label_do_not_matter(partly):
    X, y = partly
    other = X.copy()
    other[y == -1] = 1e6
    for params in ({}, {"n_generated": 2}):
        proba = [fitted(rows, y, **params).predict_proba(X) for rows in (X, other)]
        np.testing.assert_array_equal(*proba)


@pytest.mark.parametrize("n_labels", [0, 1, 2, 5])
def test_few_labels(blobs, n_labels):
    X, y = blobs
    y = np.where(np.arange(60) < n_labels, y, -1)
    clf = fitted(X, y, make_net(max_epochs=2, batch_size=16))
    assert np.isfinite(clf.predict_proba(X)).all()
    assert (clf.generator_ is None) == (n_labels == 0)
    same = fitted(X, y, make_net(max_epochs=2, batch_size=16))
    np.testing.assert_array_equal(same.predict_proba(X), clf.predict_proba(X))


def test_one_class_alone():
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    clf = fitted(X, np.zeros(20, int), classes=[0])
    assert (clf.predict_proba(X) == 1).all()
    assert clf.generate(X, np.zeros(20, int)).shape == X.shape
    assert not clf.generator_.training


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (2, 3)])
def test_rows_of_any_shape(shape):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, *shape)), np.arange(24) % 3
    X = (X + y.reshape(-1, *[1] * len(shape))).astype(np.float32)

    class Flat(MLP):
        def __init__(self, n_classes):
            super().__init__(int(np.prod(shape)), n_classes, n_hidden=8)

        def forward(self, x):
            return super().forward(x.flatten(1))

    clf = fitted(X, y, make_net(Flat, max_epochs=2))
    made = clf.generate(X, y)
    assert made.shape == X.shape
    assert made.dtype == np.float32
    np.testing.assert_array_equal(clf.generate(X, y), made)
    assert (clf.generate(X, y, random_state=5) != made).any()


def test_bytes_of_images_and_double_precision(partly):
    X, y = partly
    X = np.round((X - X.min()) * 10).astype(np.uint8)
    net = make_net(max_epochs=2)
    of_bytes = fitted(X, y, net).predict_proba(X)
    same = fitted(X.astype(np.float32), y, net).predict_proba(X.astype(np.float32))
    np.testing.assert_array_equal(of_bytes, same)

    class Double(MLP):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes, n_hidden=8)
            self.double()

    clf = fitted(X.astype(np.float64), y, make_net(Double, max_epochs=2))
    assert clf.predict_proba(X.astype(np.float64)).dtype == np.float64


def test_batch_normalisation_and_labels_that_are_words(partly):
    X, y = partly
    words = np.array(["dog", "cat", "fox", "?"])[y]
    params = {"classes": ["cat", "dog", "fox"], "missing_label": "?"}
    clf = fitted(X, words, make_net(Normed, max_epochs=3), **params)
    states = [b for n, b in clf.nets_[0].module_.named_buffers() if "mean" in n]
    before = [s.clone() for s in states]
    clf.predict_proba(X)
    for old, new in zip(before, states, strict=True):
        assert torch.equal(old, new)
    assert clf.generate(X[:3], ["cat", "dog", "fox"]).shape == X[:3].shape
    with pytest.raises(ValueError, match="one of"):
        clf.generate(X[:1], ["cow"])
    with pytest.raises(ValueError, match="label of each of the 3 rows"):
        clf.generate(X[:3], ["cat"])


class OwnDataset(Dataset):
    """A data set of the user's."""


def test_rows_that_nobody_can_make_are_refused(partly):
    X, y = partly
    with pytest.raises(TypeError, match="a data set of your own"):
        fitted(X, y, make_net(max_epochs=1, dataset=OwnDataset))

    class Named(nn.Module):
        def __init__(self, n_classes=3):
            super().__init__()
            self.layers = nn.Sequential(nn.Dropout(), nn.Linear(2, n_classes))

        def forward(self, x):
            return self.layers(x)

    with pytest.raises(TypeError, match="makes vectors and images of numbers"):
        fitted({"x": X}, y, make_net(Named, max_epochs=1))

    class Tokens(nn.Module):
        def __init__(self, n_classes=3):
            super().__init__()
            self.words = nn.EmbeddingBag(10, 8)
            self.head = nn.Sequential(nn.Dropout(), nn.Linear(8, n_classes))

        def forward(self, x):
            return self.head(self.words(x))

    tokens = np.random.default_rng(0).integers(0, 10, (len(y), 4))
    with pytest.raises(TypeError, match="as tokens"):
        fitted(tokens, y, make_net(Tokens, max_epochs=1))
    with pytest.raises(CapabilityError, match="dropout"):
        fitted(X, y, make_net(max_epochs=1, module__dropout=0.0))
    fitted(tokens, y, make_net(Tokens, max_epochs=1), n_generated=0)


def test_bald_asks_it(partly):
    X, y = partly
    clf = GenerativeAugmentationClassifier(make_net(max_epochs=2), **PARAMS)
    picks, utilities = BALD(random_state=0).query(
        X, y, clf, batch_size=4, return_utilities=True
    )
    assert len(set(picks)) == 4
    assert np.nanmax(utilities) > 0


def test_a_step_moves_the_generator_and_leaves_the_classifier_alone():
    torch.manual_seed(0)
    net = LabeledGenerator((3,), 2, torch.zeros(3), torch.ones(3), 2)
    classifier = nn.Linear(3, 2)
    training = GeneratorTraining(net, 1e-3)
    x, y = torch.randn(8, 3), torch.arange(8) % 2
    before = [p.clone() for p in net.parameters()]
    judged = []

    def class_loss(rows):
        judged.append(rows.detach())
        return cross_entropy(classifier(rows), y)

    codes = torch.Generator().manual_seed(0)
    training.step(x, y, class_loss, codes)
    assert all(p.grad is None for p in classifier.parameters())
    moved = [
        not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)
    ]
    assert all(moved)
    assert len(judged) == 1
    # a generator that only has to please the classifier does
    for _ in range(150):
        training.step(x, y, lambda rows: 100 * class_loss(rows), codes)
    rows = net.invented(y.repeat(20), codes)
    said = classifier(rows).argmax(1)
    assert (said == y.repeat(20)).float().mean() > 0.9


def test_the_losses_of_a_step_are_those_of_the_paper(monkeypatch):
    found = []
    monkeypatch.setattr(Descent, "step", lambda self, loss: found.append(loss.item()))
    torch.manual_seed(0)
    mean, std = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.5, 1.0, 3.0])
    net = LabeledGenerator((3,), 2, mean, std, 2)
    training = GeneratorTraining(net, 1e-3)
    x, y = torch.randn(8, 3), torch.arange(8) % 2
    with torch.no_grad():
        training.step(
            x, y, lambda rows: rows.square().sum(), torch.Generator().manual_seed(3)
        )
        codes = torch.Generator().manual_seed(3)
        real, told = (x - mean) / std, torch.eye(2)[y]
        mu, logvar = net.vae.encoder(real).chunk(2, 1)
        code = mu + torch.randn(8, 2, generator=codes) * logvar.exp().sqrt()
        made = net.vae.decoder(torch.cat([code, told], 1))
        free = torch.randn(8, 2, generator=codes)
        invented = net.vae.decoder(torch.cat([free, told], 1))
        divergence = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        elbo = ((real - made) ** 2).sum(1).mean() + divergence
        truth, first, second = (
            training.discriminator(rows)[:, 0].sigmoid()
            for rows in (real, made, invented)
        )
        deceit = -first.log().mean() - second.log().mean()
        of_class = (invented * std + mean).square().sum()
        fakes = torch.cat([first, second])
        expected = [
            elbo + deceit + of_class,
            -truth.log().mean() - (1 - fakes).log().mean(),
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
