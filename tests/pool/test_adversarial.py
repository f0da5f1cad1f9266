"""Strategies that differentiate: what they ask, twins, words."""

import numpy as np
import pytest
import torch
from skactiveml.classifier import SkorchClassifier
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep import functional
from skal_deep.classifier import CapabilityError, DeepClassifier, as_model
from skal_deep.functional.adversarial import nearness
from skal_deep.pool import DFAL, EGL, AdversarialBIM
from skal_deep.testing._strategy_case import Case, small_classifier

CASE = Case(DFAL())
LEFT = CASE.y == -1


def scores(strategy, clf):
    _, utilities = CASE.query(strategy, clf=clf, fit_clf=False, return_utilities=True)
    return utilities[0, LEFT]


@pytest.fixture(scope="module")
def clf():
    return CASE.fitted()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "attack"),
    [
        (DFAL(), functional.deepfool),
        (
            DFAL(n_steps=3, overshoot=0.1, n_classes=2, norm="linf"),
            lambda f, x: functional.deepfool(f, x, 3, 0.1, 2, np.inf),
        ),
        (AdversarialBIM(), functional.iterated_sign_attack),
        (
            AdversarialBIM(step_size=0.5, n_steps=2),
            lambda f, x: functional.iterated_sign_attack(f, x, 0.5, 2),
        ),
    ],
)
def test_scores_are_nearness_to_the_boundary(clf, strategy, attack, monkeypatch):
    x, logits = as_model(clf).differentiable_logits(CASE.X[LEFT])
    expected = nearness(attack(logits, x)[0])
    assert expected.std() > 0
    np.testing.assert_allclose(scores(strategy, clf), expected, rtol=1e-4)
    monkeypatch.setattr("skal_deep.pool._rows._CHUNK_BYTES", 5 * CASE.X[0].nbytes)
    np.testing.assert_allclose(scores(strategy, clf), expected, rtol=1e-4)


def test_twins_are_close_and_predicted_otherwise(clf):
    twins = DFAL().adversarial_twins(CASE.X, clf)
    assert twins.shape == CASE.X.shape
    _, logits = as_model(clf).differentiable_logits(CASE.X)
    before, after = (
        logits(torch.as_tensor(rows)).argmax(-1) for rows in (CASE.X, twins)
    )
    assert (before != after).all()
    distance = np.linalg.norm(twins - CASE.X, axis=1)
    np.testing.assert_allclose(1 / (1 + distance[LEFT]), scores(DFAL(), clf), rtol=1e-3)


def test_twins_need_a_fitted_net():
    with pytest.raises(NotFittedError):
        DFAL().adversarial_twins(CASE.X, small_classifier(False))
    with pytest.raises(CapabilityError, match="DFAL needs differentiable_logits"):
        DFAL().adversarial_twins(CASE.X, GaussianNB())


@pytest.mark.slow
def test_expected_gradient_lengths(clf):
    proba, embedding = map(
        torch.as_tensor, clf.predict_proba(CASE.X[LEFT], return_embeddings=True)
    )
    lengths = functional.last_layer_gradient_lengths(proba, embedding)
    expected = functional.expected_gradient_length(proba, lengths)
    np.testing.assert_allclose(scores(EGL(), clf), expected, rtol=1e-3)
    lengths = as_model(clf).gradient_lengths(CASE.X[LEFT], False)
    expected = functional.expected_gradient_length(proba, lengths)
    np.testing.assert_allclose(scores(EGL(weights="all"), clf), expected, rtol=1e-3)


class Words(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Embedding(9, 4), nn.Flatten())
        self.last = nn.Linear(12, n_classes)

    def forward(self, x):
        return self.last(self.layers(x))


def test_expected_gradient_lengths_of_words():
    X = np.random.default_rng(0).integers(9, size=(20, 3))
    y = np.where(np.arange(20) < 8, np.arange(20) % 2, -1)
    net = NeuralNetClassifier(Words, verbose=0, train_split=None)
    clf = DeepClassifier(net, classes=[0, 1], random_state=0)
    picks, utilities = EGL(weights="words", random_state=0).query(
        X, y, clf, batch_size=2, return_utilities=True
    )
    assert (y[picks] == -1).all()
    assert utilities[0, 8:].std() > 0


class WithoutBias(nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.first = nn.Linear(n_features, 5)
        self.last = nn.Linear(5, n_classes, bias=False)

    def forward(self, x):
        return self.last(self.first(x).relu())


@pytest.mark.parametrize("wrap", ["ours", "net", "Pipeline", "scikit-activeml"])
def test_expected_gradient_lengths_of_a_head_without_bias(wrap):
    params = {
        "module__n_features": 2,
        "module__n_classes": 3,
        "verbose": 0,
        "train_split": None,
    }
    net = NeuralNetClassifier(WithoutBias, criterion=nn.CrossEntropyLoss, **params)
    clf = DeepClassifier(net, classes=[0, 1, 2], random_state=0).fit(CASE.X, CASE.y)
    [fitted] = clf.nets_
    given = {
        "ours": clf,
        "net": fitted,
        "Pipeline": make_pipeline(FunctionTransformer(), fitted),
        "scikit-activeml": SkorchClassifier(
            WithoutBias,
            criterion=nn.CrossEntropyLoss,
            forward_outputs={"proba": (0, nn.Softmax(dim=-1))},
            classes=[0, 1, 2],
            missing_label=-1,
            neural_net_param_dict=params,
        ),
    }[wrap]
    if wrap == "scikit-activeml":
        given = given.fit(CASE.X, CASE.y)
        fitted = given.neural_net_
    x = torch.as_tensor(CASE.X[LEFT])
    hidden = fitted.module_.first(x).relu().detach()
    proba = torch.as_tensor(given.predict_proba(CASE.X[LEFT]))
    weight = fitted.module_.last.weight.detach().clone().requires_grad_()
    expected = []
    for h, p in zip(hidden, proba, strict=True):
        total = 0.0
        for label in range(3):
            loss = nn.functional.cross_entropy(h @ weight.T, torch.tensor(label))
            [gradient] = torch.autograd.grad(loss, weight)
            total += float(p[label] * gradient.norm())
        expected.append(total)
    np.testing.assert_allclose(scores(EGL(), given), expected, rtol=1e-3)
