"""Each strategy asks its model and its kernel for the right thing."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from strategies import laplace
from support import squared_gradient_norms

from skal_deep import functional
from skal_deep.pool import (
    BALD,
    Badge,
    BatchBALD,
    ConsensusKL,
    CoreSet,
    LeastConfidence,
    MarginSampling,
    MeanStd,
    Power,
    PredictiveEntropy,
    VariationRatio,
    VoteEntropy,
)
from skal_deep.testing._strategy_case import Case


@pytest.fixture
def case():
    return Case(BALD())


@pytest.mark.parametrize(
    ("strategy", "score"),
    [
        (PredictiveEntropy(), lambda p: functional.entropy(p)),
        (LeastConfidence(), lambda p: 1 - p.amax(-1)),
        (MarginSampling(), lambda p: 1 - p.topk(2).values @ torch.tensor([1.0, -1.0])),
    ],
)
def test_scores_of_the_prediction(case, strategy, score):
    clf = case.fitted()
    _, utilities = case.query(strategy, clf=clf, fit_clf=False, return_utilities=True)
    expected = score(torch.as_tensor(clf.predict_proba(case.X))).numpy()
    left = case.y == -1
    np.testing.assert_allclose(utilities[0, left], expected[left], atol=1e-5)


MANY = 10_000  # votes of 2,000 are off by a third of the spread of rows now and then


@pytest.fixture(scope="module")
def drawn():
    """Who draws fastest, and many draws: those of a strategy are left to chance."""
    case = Case(BALD(), make_classifier=laplace)
    clf = case.fitted()
    return clf, torch.as_tensor(clf.sample_proba(case.X, 20_000, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "score"),
    [
        (BALD(n_samples=MANY), functional.bald),
        (MeanStd(n_samples=MANY), functional.mean_std),
        (
            VariationRatio(n_samples=MANY),
            lambda s: functional.variation_ratio(s, "votes"),
        ),
        (VariationRatio(n_samples=MANY, kind="proba"), functional.least_confidence),
        (BatchBALD(n_samples=MANY), functional.bald),
        (VoteEntropy(n_samples=MANY), functional.vote_entropy),
        (ConsensusKL(n_samples=MANY), functional.consensus_kl),
    ],
)
def test_scores_of_the_draws(case, drawn, strategy, score):
    clf, many_draws = drawn
    strategy.set_params(random_state=0)
    _, utilities = case.query(strategy, clf=clf, fit_clf=False, return_utilities=True)
    expected = score(many_draws).numpy()
    left = case.y == -1
    spread = expected[left].std()
    np.testing.assert_allclose(utilities[0, left], expected[left], atol=0.2 * spread)
    assert spread > 0.005


@pytest.mark.slow
def test_number_of_draws_is_the_classifiers_own_by_default(case, monkeypatch):
    asked = []
    clf = case.fitted()
    draw = type(clf)._draw

    def recorded(self, X, n_samples, seed):
        answer = draw(self, X, n_samples, seed)
        asked.append(len(answer))
        return answer

    monkeypatch.setattr(type(clf), "_draw", recorded)
    case.query(BALD(), clf=clf, fit_clf=False)
    case.query(BALD(n_samples=5), clf=clf, fit_clf=False)
    assert asked == [8, 5]


@pytest.mark.slow
def test_selection_rules_compose(case):
    _, utilities = case.query(
        BALD(selection=Power(coldness=2.0), random_state=0),
        batch_size=3,
        return_utilities=True,
    )
    _, scores = case.query(BALD(random_state=0), return_utilities=True)
    left = case.y == -1
    expected = scores[0, left] ** 2 / (scores[0, left] ** 2).sum()
    np.testing.assert_allclose(utilities[0, left], expected, rtol=1e-4)
    nested = BALD(selection=Power()).set_params(selection__coldness=3.0)
    assert nested.selection.coldness == 3.0
    with pytest.raises(ValueError, match="'coldness' parameter"):
        case.query(BALD(selection=Power(coldness=-1.0)))


@pytest.mark.slow
def test_core_set_measures_distances_of_embeddings(case):
    clf = case.fitted()
    _, utilities = case.query(CoreSet(), clf=clf, fit_clf=False, return_utilities=True)
    embedding = torch.as_tensor(clf.embed(case.X))
    left = case.y == -1
    expected = torch.cdist(embedding[left], embedding[~left]).amin(1)
    np.testing.assert_allclose(utilities[0, left], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_badge_uses_probabilities_and_embeddings(case):
    clf = case.fitted()
    _, utilities = case.query(
        Badge(), clf=clf, fit_clf=False, batch_size=3, return_utilities=True
    )
    norm = squared_gradient_norms(
        *map(torch.as_tensor, clf.predict_proba(case.X, return_embeddings=True))
    ).numpy()
    left = case.y == -1
    np.testing.assert_allclose(
        utilities[0, left], norm[left] / norm[left].sum(), rtol=1e-3
    )
    np.testing.assert_allclose(np.nansum(utilities, axis=1), 1, rtol=1e-6)


class Certain(ClassifierMixin, BaseEstimator):
    """Two draws that are sure of different classes: one row tells all."""

    def fit(self, X, y):
        self.classes_ = [0, 1]
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def sample_proba(self, X, n_samples, random_state):
        return np.broadcast_to(np.eye(2)[:, None], (2, len(X), 2))


def test_batch_bald_says_when_the_draws_are_used_up(case):
    with pytest.warns(UserWarning, match="2 posterior draws are used up after 1 of 3"):
        case.loud_query(BatchBALD(random_state=0), clf=Certain(), batch_size=3)
