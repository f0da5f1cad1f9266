"""Steps of classifiers that learn from unlabelled rows are those of the papers."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn
from torch.nn.functional import cross_entropy

from skal_deep.classifier import (
    DeepClassifier,
    EntropyMinimizingClassifier,
    FixMatchClassifier,
    LabelPropagationClassifier,
    PseudoLabelClassifier,
    WassersteinClassifier,
    _label_propagation,
)
from skal_deep.classifier._base import NetClassifier
from skal_deep.functional import entropy
from skal_deep.functional.variational import gradient_penalty

LR = 0.5
RNG = np.random.default_rng(0)
Y = np.array([0, 1, 2, 0] + [-1] * 8)
X = RNG.normal(size=(12, 5)).astype(np.float32)
LABELED, UNLABELED = torch.as_tensor(X[:4]), torch.as_tensor(X[4:])
LABELS = torch.as_tensor(Y[:4])


class TwoLayers(nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.hidden, self.last = nn.Linear(n_features, 6), nn.Linear(6, n_classes)

    def forward(self, x):
        return self.last(self.features(x))

    def features(self, x):
        return self.hidden(x).tanh()


def fitted(cls, n_steps, *args, n_unlabeled=4, **params):
    """Return a classifier after steps that see all of so many unlabelled rows."""
    net = make_net(
        TwoLayers, optimizer=torch.optim.SGD, lr=LR, batch_size=4, max_epochs=n_steps
    )
    n = 4 + n_unlabeled
    return cls(net, *args, random_state=0, **params).fit(X[:n], Y[:n])


def check_step(cls, term, *args, **params):
    """Compare a step with one along the gradient of the plain loss and a term."""
    start, end = (fitted(cls, n, *args, **params) for n in (0, 1))
    module = start.nets_[0].module_
    loss = cross_entropy(module(LABELED), LABELS) + term(module, end)
    gradients = torch.autograd.grad(loss, [*module.parameters()])
    moved = end.nets_[0].module_.parameters()
    for before, gradient, after in zip(
        module.parameters(), gradients, moved, strict=True
    ):
        torch.testing.assert_close(after, before - LR * gradient)


def test_entropy():
    def term(module, _):
        logs = module(UNLABELED[:4]).log_softmax(1)
        return -0.7 * (logs.exp() * logs).sum(1).mean()

    check_step(EntropyMinimizingClassifier, term, entropy_weight=0.7)


def test_fix_match():
    def weak(x):
        return 0.9 * x

    def strong(x):
        return x + 0.3

    def term(module, _):
        proba = module(weak(UNLABELED)).softmax(1).detach()
        is_sure = proba.amax(1) >= 0.5
        assert 0 < is_sure.sum() < 8
        logits = module(strong(UNLABELED))[is_sure]
        wrong = cross_entropy(logits, proba[is_sure].argmax(1), reduction="sum")
        plain = cross_entropy(module(LABELED), LABELS)
        # labelled rows are weakly changed, too
        weakly = cross_entropy(module(weak(LABELED)), LABELS)
        return weakly - plain + 0.6 * wrong / 8

    params = {"weak": weak, "threshold": 0.5, "unlabeled_ratio": 2, "n_unlabeled": 8}
    check_step(FixMatchClassifier, term, strong, unlabeled_weight=0.6, **params)


def distance(module, clf, n_unlabeled, share):
    """Return the distance by the critic, which has made its step before the net's."""
    features = (module.features(x) for x in (LABELED, UNLABELED[:n_unlabeled]))
    of_labeled, of_unlabeled = (clf.critic_(part).mean() for part in features)
    return of_unlabeled - share * of_labeled


@pytest.mark.parametrize("n_unlabeled", [1, 4])
def test_the_net_comes_closer_by_the_critic(n_unlabeled):
    def term(module, clf):
        return 3.0 * distance(module, clf, n_unlabeled, 4 / n_unlabeled)

    params = {"critic_weight": 3.0, "n_unlabeled": n_unlabeled}
    check_step(WassersteinClassifier, term, **params)


def test_the_critic_finds_a_larger_distance():
    start, end = (
        fitted(WassersteinClassifier, n, critic_weight=0.0, penalty_weight=0.0)
        for n in (0, 1)
    )
    module = start.nets_[0].module_
    gaps = [distance(module, clf, 4, 1.0) for clf in (start, end)]
    assert gaps[1] > gaps[0]


@pytest.mark.slow
def test_slopes_of_the_critic_come_closer_to_1():
    start, end = (
        fitted(WassersteinClassifier, n, critic_weight=0.0, penalty_weight=100.0)
        for n in (0, 30)
    )
    features = end.nets_[0].module_.features(torch.as_tensor(X))
    first, last = (gradient_penalty(clf.critic_, features) for clf in (start, end))
    assert last < first


def second_fit(monkeypatch, clf, sample_weight=None):
    """Return what the second training of a classifier is given."""
    seen, own = [], NetClassifier._fit_net

    def fit(self, **data):
        seen.append(data)
        return own(self, **data)

    monkeypatch.setattr(NetClassifier, "_fit_net", fit)
    clf.fit(X, Y, sample_weight)
    first, second = seen
    assert len(first["X"]) == 4
    assert second["start_from"]
    return second


def first_net():
    net = make_net(TwoLayers, max_epochs=9, batch_size=4)
    return net, DeepClassifier(net, random_state=0).fit(X, Y)


def test_pseudo_labels(monkeypatch):
    net, first = first_net()
    proba = torch.as_tensor(first.predict_proba(X[4:]))
    spread = entropy(proba)
    threshold = spread.sort().values[-2].item() + 1e-4
    clf = PseudoLabelClassifier(net, threshold=threshold, random_state=0)
    second = second_fit(monkeypatch, clf)
    rows = (spread < threshold).numpy()
    assert 0 < rows.sum() < 8
    assert len({*proba.argmax(1).numpy()[rows]}) > 1
    np.testing.assert_array_equal(second["X"], np.concatenate([X[:4], X[4:][rows]]))
    labels = np.concatenate([Y[:4], proba.argmax(1).numpy()[rows]])
    np.testing.assert_array_equal(second["y"], labels)


def test_pseudo_labels_weigh_as_much_as_labels_on_average(monkeypatch):
    weight = np.array([1.0, 2.0, 3.0, 6.0] + [9.0] * 8)
    clf = PseudoLabelClassifier(first_net()[0], threshold=1.1, random_state=0)
    second = second_fit(monkeypatch, clf, weight)
    np.testing.assert_array_equal(second["sample_weight"][:4], weight[:4])
    np.testing.assert_array_equal(second["sample_weight"][4:], 3)
    assert len(second["sample_weight"]) > 4


@pytest.mark.slow
def test_propagated_labels_have_weights_by_class(monkeypatch):
    net, _ = first_net()
    clf = LabelPropagationClassifier(net, n_neighbors=3, random_state=0)
    second = second_fit(monkeypatch, clf)
    np.testing.assert_array_equal(second["X"][:4], X[:4])
    np.testing.assert_array_equal(second["y"][:4], Y[:4])
    labels, weights = second["y"], second["sample_weight"]
    counts = np.bincount(labels)
    raw = weights * counts[labels]  # 1 for known rows, for others how sure
    np.testing.assert_allclose(raw[:4], 1)
    assert ((raw > 0) & (raw <= 1)).all()
    assert len(np.unique(raw)) > 2


@pytest.mark.slow
def test_rows_whose_signals_are_nearly_equal_get_no_label(monkeypatch):
    signals = torch.eye(3, dtype=torch.float64)[torch.arange(12) % 3] + 0.01
    signals[-2:] = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert 0.9 < float(entropy(signals[-1])) / np.log(3) < 1
    monkeypatch.setattr(_label_propagation, "spread_labels", lambda *_: signals)
    clf = LabelPropagationClassifier(first_net()[0], n_neighbors=3, random_state=0)
    assert clf.fit(X, Y).n_pseudo_labels_ == 8 - 2
