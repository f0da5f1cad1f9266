"""Several scores at once: weights, stages, parts of a pool, errors."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from skorch import NeuralNetClassifier
from support import make_net
from torch import nn

from skal_deep.classifier import CapabilityError, DeepClassifier
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.modules import MLP
from skal_deep.pool import (
    BALD,
    EGL,
    EPIG,
    CoreSet,
    LeastConfidence,
    MarginSampling,
    MixedScore,
    PredictiveEntropy,
)
from skal_deep.testing._strategy_case import Case

CASE = Case(BALD())
LEFT = CASE.y == -1
PAIR = [BALD(), MarginSampling()]


def scores(strategy, **change):
    strategy.set_params(random_state=0)
    _, utilities = CASE.query(strategy, return_utilities=True, **change)
    return utilities[0, LEFT]


def unit(values):
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.slow
def test_scores_are_mixed_on_one_scale():
    first, second = unit(scores(BALD())), unit(scores(MarginSampling()))
    for weights, expected in (
        (None, (first + second) / 2),
        ([1, 3], first / 4 + 3 * second / 4),
        ([2, 0], first),
        ([0, 1], second),
    ):
        mixed = scores(MixedScore(PAIR, weights))
        np.testing.assert_allclose(mixed, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_weights_change_with_the_number_of_labels():
    path = {"weights": [1, 0], "late_weights": [0, 1]}
    early, late = (scores(MixedScore(PAIR, path[name])) for name in path)
    n_labels = int((CASE.y != -1).sum())
    for n_late, share in ((n_labels, 1), (4 * n_labels, 0.25), (1, 1)):
        mixed = scores(MixedScore(PAIR, **path, n_late=n_late))
        expected = (1 - share) * early + share * late
        np.testing.assert_allclose(mixed, expected, rtol=1e-4, atol=1e-5)


class MeanOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, tokens):
        return self.last(self.words(tokens).tanh().mean(1))


def test_texts_go_from_gradients_of_words_to_entropy():
    tokens = np.random.default_rng(0).integers(0, 9, size=(20, 5))
    y = np.where(np.arange(20) < 5, np.arange(20) % 3, -1)
    clf = DeepClassifier(make_net(MeanOfWords), classes=[0, 1, 2], random_state=0)
    clf.fit(tokens, y)

    def asked(strategy):
        _, utilities = strategy.query(
            tokens, y, clf, fit_clf=False, return_utilities=True
        )
        return utilities[0, 5:]

    pair = [EGL("words", random_state=0), PredictiveEntropy(random_state=0)]
    words, entropy = (unit(asked(strategy)) for strategy in pair)
    mixed = MixedScore(pair, [1, 0], [0, 1], n_late=20, random_state=0)
    expected = 0.75 * words + 0.25 * entropy
    np.testing.assert_allclose(asked(mixed), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_inputs_are_compared_with_the_unlabelled_rows():
    strategy = MixedScore([EPIG(n_targets=7), MarginSampling()], random_state=0)
    whole = scores(strategy)
    rows = np.flatnonzero(LEFT)[:5]
    _, part = CASE.query(strategy, candidates=CASE.X[rows], return_utilities=True)
    np.testing.assert_allclose(part[0], whole[:5], rtol=1e-4, atol=1e-6)


def test_needs_are_those_of_the_scores():
    with pytest.raises(CapabilityError, match="MixedScore needs sample_proba of clf"):
        CASE.query(MixedScore(PAIR), clf=GaussianNB())
    entropy = MixedScore([PredictiveEntropy(), LeastConfidence()])
    assert len(CASE.query(entropy, clf=GaussianNB())) == 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scores": []}, "'scores' parameter of MixedScore must be a list"),
        ({"scores": [CoreSet()]}, "score each candidate by itself"),
        ({"scores": [BALD(n_samples=0)]}, "'n_samples' parameter of BALD"),
        ({"weights": [1]}, "'weights' parameter of MixedScore must hold 2 numbers"),
        ({"weights": [1, -1]}, "none below and some above 0"),
        ({"late_weights": [0, 0]}, "'late_weights' parameter"),
        ({"n_late": 0}, "'n_late' parameter"),
    ],
)
def test_wrong_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        CASE.query(MixedScore(**({"scores": PAIR} | params)))


@pytest.mark.slow
def test_a_grid_search_reaches_the_weights():
    net = NeuralNetClassifier(MLP, max_epochs=1, train_split=None, verbose=0)
    learner = SimulatedActiveLearner(
        DeepClassifier(net, random_state=0),
        MixedScore([MarginSampling(), PredictiveEntropy()], random_state=0),
        n_initial=4,
        batch_size=4,
        n_cycles=1,
        random_state=0,
    )
    grid = {"query_strategy__weights": [[1, 0], [0, 1]]}
    search = GridSearchCV(learner, grid, cv=2).fit(CASE.X, CASE.y_true)
    assert len(search.cv_results_["params"]) == 2
