"""Our models are given the labelled rows of a pool, and learn as from all rows."""

import functools

import numpy as np
import pytest
from skorch import NeuralNetRegressor
from support import ALL_MAKERS, make_net

from skal_deep.classifier import (
    BayesianLinearClassifier,
    BayesianLinearRegressor,
    LaplaceRegressor,
    MCDropoutRegressor,
    PrecomputedClassifier,
    fit_on_labeled,
)
from skal_deep.classifier.door import _fitting
from skal_deep.classifier.net._batches import N_SHOWN_ROWS
from skal_deep.modules import MLP

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
T = X[:, 0] - X[:, 1]
Y = np.where(np.arange(200) % 8 == 0, (T > 0).astype(int), -1)
TARGETS = np.where(np.arange(200) % 8 == 0, T, np.nan)


def classifier(kind):
    if kind == "linear":
        return BayesianLinearClassifier(classes=[0, 1], random_state=0)
    if kind == "precomputed":
        proba = np.column_stack([1 - (T > 0), T > 0]).astype(float)
        return PrecomputedClassifier(proba=proba, rows=X, classes=[0, 1])
    net = make_net(max_epochs=3)
    return ALL_MAKERS[kind](net, classes=[0, 1], random_state=0)


def regressor(kind):
    if kind == "linear":
        return BayesianLinearRegressor(random_state=0)
    net = NeuralNetRegressor(
        MLP, module__n_classes=1, max_epochs=2, train_split=None, verbose=0
    )
    maker = {"dropout": MCDropoutRegressor, "laplace": LaplaceRegressor}[kind]
    return maker(net, random_state=0)


def both_ways(monkeypatch, model, y, missing_label, weight=None):
    """Return what a model predicts that was given few rows, and all of them."""
    ours = fit_on_labeled(model, X, y, missing_label, weight)
    with monkeypatch.context() as patch:
        patch.setattr(_fitting, "_learns_labeled_alone", lambda clf: False)
        plain = fit_on_labeled(model, X, y, missing_label, weight)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict_variance"
    return (np.asarray(getattr(each, method)(X)) for each in (ours, plain))


CASES = [(kind, 25) for kind in (*ALL_MAKERS, "linear", "precomputed")]
CASES += [(kind, n) for kind in ("deep", "linear", "dropout") for n in (0, 1, 2)]


@pytest.mark.parametrize(("kind", "n_labels"), CASES)
def test_a_classifier_learns_the_same(kind, n_labels, monkeypatch):
    y = np.where(np.cumsum(Y >= 0) <= n_labels, Y, -1)
    ours, plain = both_ways(monkeypatch, classifier(kind), y, -1)
    np.testing.assert_array_equal(ours, plain)


@pytest.mark.parametrize("kind", ["linear", "dropout", "laplace"])
@pytest.mark.parametrize("n_labels", [1, 2, 25])
def test_a_regressor_learns_the_same(kind, n_labels, monkeypatch):
    is_first = np.cumsum(~np.isnan(TARGETS)) <= n_labels
    targets = np.where(is_first, TARGETS, np.nan)
    ours, plain = both_ways(monkeypatch, regressor(kind), targets, np.nan)
    np.testing.assert_array_equal(ours, plain)


@pytest.mark.parametrize("n_weights", [1, 2, 25])
@pytest.mark.parametrize(
    "model",
    [*map(regressor, ("linear", "dropout")), *map(classifier, ("linear", "deep"))],
    ids=lambda model: type(model).__name__,
)
def test_labels_without_weight_are_none(model, n_weights, monkeypatch):
    has_label = Y >= 0
    weight = (~has_label | (np.cumsum(has_label) <= n_weights)).astype(float)
    y, mark = (Y, -1) if hasattr(model, "predict_proba") else (TARGETS, np.nan)
    ours, plain = both_ways(monkeypatch, model, y, mark, weight)
    np.testing.assert_array_equal(ours, plain)


def given_rows(monkeypatch, model, y=Y):
    """Return how many rows a model was given."""
    seen = []

    def fit(self, X, y, sample_weight=None):
        seen.append(len(X))
        return plain(self, X, y, sample_weight)

    plain = type(model).fit
    fit.__module__ = plain.__module__
    monkeypatch.setattr(type(model), "fit", fit)
    fit_on_labeled(model, X, y)
    return seen


@pytest.mark.parametrize("kind", ["deep", "linear"])
def test_few_rows_are_copied(kind, monkeypatch):
    assert given_rows(monkeypatch, classifier(kind)) == [25 + N_SHOWN_ROWS]


@pytest.mark.parametrize("kind", ["pseudo", "fixmatch"])
def test_who_learns_from_all_rows_gets_them(kind, monkeypatch):
    assert given_rows(monkeypatch, classifier(kind)) == [200]


@pytest.mark.parametrize(
    "mark", [lambda fit: fit, functools.wraps(BayesianLinearClassifier.fit)]
)
def test_a_fit_of_the_user_gets_all_rows(mark):
    class Pretrained(BayesianLinearClassifier):
        @mark
        def fit(self, X, y, sample_weight=None):
            self.n_seen_ = len(X)
            return super().fit(X, y, sample_weight)

    clf = Pretrained(classes=[0, 1], random_state=0)
    assert fit_on_labeled(clf, X, Y).n_seen_ == 200
