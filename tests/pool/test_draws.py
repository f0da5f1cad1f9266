"""Scores of posterior draws: large pools, targets, evidence."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from strategies import STRATEGIES, evidential

from skal_deep import functional
from skal_deep.classifier import BayesianLinearClassifier, SamplesProba
from skal_deep.functional.prediction_information import class_weights
from skal_deep.pool import BALD, DEAL, EPIG, BatchBALD, BatchEPIG, ScoreQueryStrategy
from skal_deep.testing._strategy_case import Case

LEFT = Case(BALD()).y == -1


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, strategy in STRATEGIES.items()
        if SamplesProba in strategy._needs and isinstance(strategy, ScoreQueryStrategy)
    ],
)
def test_a_large_pool_is_scored_without_holding_its_draws(name, monkeypatch):
    case = Case(STRATEGIES[name])
    clf, sizes = case.fitted(), []
    query = {"clf": clf, "fit_clf": False, "batch_size": 4, "return_utilities": True}
    expected = case.query(**query)
    draw = type(clf)._draw

    def recorded(self, X, n_samples, seed):
        sizes.append(len(X))
        return draw(self, X, n_samples, seed)

    monkeypatch.setattr(type(clf), "_draw", recorded)
    monkeypatch.setattr("skal_deep.pool._rows._KEPT_DRAWS", 7 * 8 * 3)
    monkeypatch.setattr("skal_deep.pool._rows._KEPT_ROWS", 7)
    monkeypatch.setattr("skal_deep.classifier._posterior._NUMBERS_OF_A_DRAW", 7 * 3)
    chunked = case.query(**query)
    keeps_targets = name in ("EPIG", "CoreMSE")
    assert max(sizes) <= (LEFT.sum() if keeps_targets else 7)
    assert sizes.count(7) >= LEFT.sum() // 7
    np.testing.assert_array_equal(expected[0], chunked[0])
    np.testing.assert_allclose(expected[1], chunked[1], rtol=1e-4, atol=1e-6)


def scores(strategy, case, clf):
    _, utilities = case.query(strategy, clf=clf, fit_clf=False, return_utilities=True)
    return utilities[0, LEFT]


def unsure(*_, **__):
    """A model whose draws differ so much that a score is far above its bounds."""
    return BayesianLinearClassifier(
        classes=[0, 1, 2], prior_precision=0.01, random_state=0
    )


def test_batches_score_all_rows_exactly_where_that_is_quick(monkeypatch):
    """Else as many as was said, and utilities of the others are estimates."""
    case, n_left = Case(BatchEPIG(), make_classifier=unsure), int(LEFT.sum())
    clf = case.fitted()
    whole = scores(BatchEPIG(random_state=0), case, clf)
    n_pairs = n_left * n_left * 3 * 3 * 100
    for most, n_exact, n_same in (
        (n_pairs, 4, n_left),
        (n_pairs - 1, 4, 4),
        (0, n_left, n_left),
    ):
        monkeypatch.setattr("skal_deep.pool._batch_epig._MOST_PAIRS", most)
        found = scores(BatchEPIG(n_exact=n_exact, random_state=0), case, clf)
        assert np.isclose(found, whole, rtol=1e-4).sum() == n_same
        assert found.argmax() == whole.argmax()
    args = {"clf": clf, "fit_clf": False, "batch_size": 2, "return_utilities": True}
    whole = case.query(BatchBALD(random_state=0), **args)[1][1, LEFT]
    some = case.query(BatchBALD(n_exact=5, random_state=0), **args)[1][1, LEFT]
    assert np.isclose(some, whole, rtol=2e-6).sum() == 5
    assert np.nanargmax(some) == np.nanargmax(whole)


def test_epig_draws_its_targets_from_the_unlabelled_rows():
    case = Case(EPIG(), make_classifier=unsure)
    clf = case.fitted()
    all_of_them = EPIG(n_samples=2_000, random_state=0)
    given = EPIG(n_samples=2_000, X_target=case.X[LEFT], random_state=0)
    np.testing.assert_allclose(
        scores(all_of_them, case, clf), scores(given, case, clf), atol=1e-6
    )
    samples = torch.as_tensor(clf.sample_proba(case.X[LEFT], 2_000, 1))
    expected = functional.epig(samples, samples)
    assert expected.min() > 0.08
    np.testing.assert_allclose(scores(all_of_them, case, clf), expected, atol=0.02)
    few = EPIG(n_samples=2_000, n_targets=2, random_state=0)
    assert not np.allclose(scores(few, case, clf), scores(all_of_them, case, clf))


def test_epig_weighs_targets_by_the_classes_they_should_have():
    case = Case(EPIG(), make_classifier=unsure)
    clf = case.fitted()
    one_class = EPIG(n_samples=2_000, target_classes=[1, 0, 0], random_state=0)
    samples = torch.as_tensor(clf.sample_proba(case.X[LEFT], 2_000, 1))
    weights = class_weights(samples.mean(0), torch.tensor([1.0, 0.0, 0.0]))
    expected = functional.epig(samples, samples, weights)
    assert (expected - functional.epig(samples, samples)).abs().max() > 0.1
    np.testing.assert_allclose(scores(one_class, case, clf), expected, atol=0.02)


@pytest.mark.slow
def test_epig_refuses_targets_of_another_shape():
    case = Case(EPIG())
    with pytest.raises(ValueError, match=r"X_target holds rows of shape \(3,\)"):
        case.query(EPIG(X_target=np.ones((5, 3))))


@pytest.mark.parametrize(
    ("kind", "score"),
    [
        ("margin", lambda e: functional.margin(functional.dirichlet_mean(e)[None])),
        ("vacuity", functional.vacuity),
        ("information", functional.dirichlet_information),
    ],
)
def test_deal_reads_the_evidence(kind, score):
    case = Case(DEAL(), make_classifier=evidential)
    clf = case.fitted()
    expected = score(torch.as_tensor(clf.predict_evidence(case.X[LEFT])))
    np.testing.assert_allclose(
        scores(DEAL(kind=kind), case, clf), expected, rtol=1e-4, atol=1e-6
    )


class ManyClasses(ClassifierMixin, BaseEstimator):
    """A linear model with given weights, (S, D, C), and no need of labels."""

    def __init__(self, n_classes=200):
        self.n_classes = n_classes

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.arange(self.n_classes)
        return self

    def sample_proba(self, X, n_samples, random_state):
        weights = np.random.default_rng(0).normal(size=(20, 3, self.n_classes))
        logits = np.asarray(X) @ (weights[:1] + 0.5 * weights)
        proba = np.exp(logits - logits.max(-1, keepdims=True))
        return proba / proba.sum(-1, keepdims=True)

    def predict_proba(self, X):
        return self.sample_proba(X, None, None).mean(0)

    def predict(self, X):
        return self.predict_proba(X).argmax(1)


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [200, 3])
def test_where_scores_take_long_the_best_rows_are_scored_exactly(
    n_classes, monkeypatch
):
    n_pairs = 58 * 10 * n_classes**2
    if n_classes == 3:  # a pool that is too large by one pair
        monkeypatch.setattr("skal_deep.pool._epig._MOST_PAIRS", n_pairs - 1)
    rng = np.random.default_rng(1)
    X, targets = rng.normal(size=(60, 3)), rng.normal(size=(10, 3))
    y = np.full(60, -1)
    y[:2] = 0, 1

    def scores(n_exact):
        strategy = EPIG(X_target=targets, n_exact=n_exact, random_state=0)
        picks, utilities = strategy.query(
            X, y, ManyClasses(n_classes), batch_size=5, return_utilities=True
        )
        return picks, utilities[0, 2:]

    picks, exact = scores(60)
    same, some = scores(15)
    assert picks.tolist() == same.tolist()
    best = np.argsort(exact)[-5:]
    np.testing.assert_allclose(some[best], exact[best], rtol=1e-9)
    is_exact = np.isclose(some, exact, rtol=1e-9, atol=0)
    assert is_exact.sum() == 15
    assert some[~is_exact].max() <= some[is_exact].min()
    if n_classes == 3:  # and one that is not
        monkeypatch.setattr("skal_deep.pool._epig._MOST_PAIRS", n_pairs)
        np.testing.assert_array_equal(scores(15)[1], exact)
