"""Classifiers that learn from rows without a label, too."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from support import make_net

from skal_deep.classifier import (
    DeepClassifier,
    EntropyMinimizingClassifier,
    FixMatchClassifier,
    LabelPropagationClassifier,
    MixMatchClassifier,
    PseudoLabelClassifier,
    WassersteinClassifier,
    _pseudo_label,
)
from skal_deep.functional import confident_labels, predictive_entropy
from skal_deep.pool import PredictiveEntropy

PARAMS = {"classes": [0, 1, 2], "random_state": 0}
# Without their term, or without such rows, they are the net by itself.
WITHOUT_TERM = {
    EntropyMinimizingClassifier: {"entropy_weight": 0},
    FixMatchClassifier: {"unlabeled_weight": 0},
    MixMatchClassifier: {"unlabeled_weight": 0},
    PseudoLabelClassifier: {"threshold": 0},
}
JOINT = [
    EntropyMinimizingClassifier,
    WassersteinClassifier,
    partial(PseudoLabelClassifier, threshold=0.5),
    partial(LabelPropagationClassifier, n_neighbors=5),
    MixMatchClassifier,
    partial(FixMatchClassifier, threshold=0.5, unlabeled_ratio=2),
]


def mean_entropy(proba):
    return predictive_entropy(torch.as_tensor(proba)[None]).mean().item()


@pytest.mark.parametrize("cls", WITHOUT_TERM)
def test_without_its_term_it_is_the_net_by_itself(cls, partly):
    X, y = partly
    plain = DeepClassifier(make_net(), **PARAMS).fit(X, y).predict_proba(X)
    same = cls(make_net(), **WITHOUT_TERM[cls], **PARAMS).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(plain, same)


@pytest.mark.slow
@pytest.mark.parametrize("cls", JOINT)
def test_without_unlabelled_rows_it_is_the_net_by_itself(cls, blobs):
    X, y = blobs
    plain = DeepClassifier(make_net(), **PARAMS).fit(X, y).predict_proba(X)
    same = cls(make_net(), **PARAMS).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(plain, same)


@pytest.mark.slow
@pytest.mark.parametrize("cls", JOINT)
def test_unlabelled_rows_count_and_their_order_does_not(cls, partly):
    X, y = partly
    clf = cls(make_net(), **PARAMS)
    proba = clf.fit(X, y).predict_proba(X)
    fewer = clf.fit(X[:30], y[:30]).predict_proba(X)
    assert np.abs(proba - fewer).max() > 1e-5
    order = np.random.default_rng(0).permutation(len(X))
    _, first = PredictiveEntropy(random_state=0).query(X, y, clf, return_utilities=True)
    _, second = PredictiveEntropy(random_state=0).query(
        X[order], y[order], clf, return_utilities=True
    )
    np.testing.assert_allclose(first[0][order], second[0], rtol=1e-4)


def test_entropy_of_unlabelled_rows_gets_smaller(partly):
    X, y = partly
    net = make_net(max_epochs=10)
    entropies = [
        mean_entropy(
            EntropyMinimizingClassifier(net, entropy_weight=weight, **PARAMS)
            .fit(X, y)
            .predict_proba(X[y == -1])
        )
        for weight in (0, 1.0)
    ]
    assert entropies[1] < 0.9 * entropies[0]


@pytest.mark.slow
def test_the_critic_finds_what_was_not_labelled(blobs):
    X, y_true = blobs
    y = np.where((y_true < 2) & (np.arange(60) % 2 == 0), y_true, -1)
    net = make_net(max_epochs=60)
    clf = WassersteinClassifier(net, critic_lr=1e-2, **PARAMS).fit(X, y)
    left = y == -1
    assert roc_auc_score(y_true[left] == 2, clf.predict_novelty(X[left])) > 0.8
    losses = [clf.predict_novelty(part) for part in (X, X[:1], X[::-1])]
    np.testing.assert_allclose(losses[0][:1], losses[1], atol=1e-6)
    np.testing.assert_allclose(losses[0][::-1], losses[2], atol=1e-6)


@pytest.mark.slow
def test_no_critic_where_there_was_nothing_to_tell_apart(blobs):
    X, y = blobs
    for labels in (y, np.full(60, -1)):
        clf = WassersteinClassifier(make_net(), **PARAMS).fit(X, labels)
        assert clf.critic_ is None
        assert not clf.predict_novelty(X).any()


@pytest.mark.slow
def test_certain_rows_get_the_label_that_is_predicted(partly):
    X, y = partly
    plain = DeepClassifier(make_net(), **PARAMS).fit(X, y)
    proba = torch.as_tensor(plain.predict_proba(X[y == -1]))
    clf = PseudoLabelClassifier(make_net(), threshold=0.8, **PARAMS).fit(X, y)
    assert clf.n_pseudo_labels_ == (predictive_entropy(proba[None]) < 0.8).sum() > 0


@pytest.mark.slow
def test_the_threshold_falls_with_each_round(partly):
    X, y = partly
    params = {"threshold": 0.8, "decay": 0.79, **PARAMS}
    counts, last = [], PseudoLabelClassifier(make_net(), **params).fit(X, y)
    for _ in range(3):
        counts.append(last.n_pseudo_labels_)
        last = PseudoLabelClassifier(make_net(), **params).fit_from(last, X, y)
    assert counts[0] > counts[1] >= counts[2] == 0  # .8, .01, 0 and no negative number


def test_the_threshold_falls_by_the_same_in_each_round(partly, monkeypatch):
    seen = []

    def noted(proba, threshold):
        seen.append(threshold)
        return confident_labels(proba, threshold)

    monkeypatch.setattr(_pseudo_label, "confident_labels", noted)
    net, params = make_net(max_epochs=1), {"threshold": 0.8, "decay": 0.1, **PARAMS}
    last = PseudoLabelClassifier(net, **params).fit(*partly)
    for _ in range(3):
        last = PseudoLabelClassifier(net, **params).fit_from(last, *partly)
    np.testing.assert_allclose(seen, [0.8, 0.7, 0.6, 0.5])


@pytest.mark.slow
def test_labels_spread_to_clusters():
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3
    X = np.eye(3)[truth] * 5 + rng.normal(size=(90, 3))
    y = np.where(np.arange(90) < 6, truth, -1)
    net = make_net(max_epochs=10)
    clf = LabelPropagationClassifier(net, n_neighbors=8, **PARAMS)
    clf.fit(X.astype(np.float32), y)
    assert clf.n_pseudo_labels_ > 60
    assert clf.score(X.astype(np.float32), truth) > 0.95


@pytest.mark.parametrize("y", [[0] * 6 + [-1] * 6, [0, 1] * 6, [-1] * 12])
def test_labels_that_cannot_spread(y):
    X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    clf = LabelPropagationClassifier(make_net(max_epochs=2), **PARAMS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert clf.fit(X, y).n_pseudo_labels_ == 0


def test_changed_rows_are_seen_in_training_alone(partly):
    X, y = partly
    seen = []

    def strong(x):
        seen.append(len(x))
        return x

    clf = FixMatchClassifier(make_net(max_epochs=2), strong=strong, **PARAMS)
    clf.fit(X, y)
    assert seen == [7 * 16] * 2  # seven times a mini-batch, drawn with replacement
    clf.predict_proba(X)
    assert len(seen) == 2


@pytest.mark.slow
def test_a_threshold_that_nothing_passes_is_the_net_by_itself(partly):
    X, y = partly
    net = make_net(module__dropout=0.0)
    plain = DeepClassifier(net, **PARAMS).fit(X, y)
    none = FixMatchClassifier(net, threshold=1.1, strong=lambda x: x, **PARAMS)
    np.testing.assert_allclose(
        none.fit(X, y).predict_proba(X), plain.predict_proba(X), atol=1e-6
    )
