"""A proxy is asked in place of the classifier, and nothing else changes."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from strategies import remembered
from support import make_net

from skal_deep.classifier import CapabilityError, DeepClassifier, MCDropoutClassifier
from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.pool import (
    BALD,
    Badge,
    BatchBALD,
    MarginSampling,
    Power,
    SelectionViaProxy,
    TypiClust,
)

RNG = np.random.default_rng(0)
TRUTH = np.arange(60) % 3
X = (2 * np.eye(3)[TRUTH] + RNG.normal(size=(60, 3))).astype(np.float32)
Y = np.where(np.arange(60) < 12, TRUTH, -1)


class Forbidden(LogisticRegression):
    """A classifier that must not be touched."""

    def fit(self, X, y):
        raise AssertionError("fitted")

    def predict_proba(self, X):
        raise AssertionError("asked")


@remembered  # a proxy that is given other rows is fitted anew
def proxy(**params):
    net = make_net(max_epochs=3)
    return MCDropoutClassifier(net, n_samples=5, random_state=0, **params)


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy", [BALD(), BatchBALD(), Badge(), BALD(selection=Power()), TypiClust()]
)
@pytest.mark.parametrize("form", ["all", "rows", "inputs"])
def test_a_query_is_that_of_the_proxy(strategy, form):
    candidates = {"all": None, "rows": np.arange(20, 50), "inputs": X[30:] + 0.1}[form]
    options = {"candidates": candidates, "batch_size": 4, "return_utilities": True}
    weights = np.where(np.arange(60) % 2, 1.0, 3.0)
    options["sample_weight"] = weights
    direct = strategy.set_params(random_state=5).query(X, Y, proxy(), **options)
    via = SelectionViaProxy(strategy, proxy(), random_state=5)
    for clf in (None, Forbidden()):
        found = via.query(X, Y, clf, **options)
        np.testing.assert_array_equal(found[0], direct[0])
        np.testing.assert_array_equal(found[1], direct[1])
        again = via.query(X, Y, clf, **options | {"return_utilities": False})
        np.testing.assert_array_equal(again, direct[0])


def test_a_study_with_the_model_as_its_own_proxy_is_the_study_itself():
    model = GaussianNB()
    options = {"batch_size": 5, "n_cycles": 4, "random_state": 0}
    own = SimulatedActiveLearner(model, MarginSampling(), **options)
    via = SelectionViaProxy(MarginSampling(), model)
    other = SimulatedActiveLearner(model, via, **options)
    for curve, same in zip(
        *(learner.fit(X, TRUTH).query_indices_ for learner in (own, other)),
        strict=True,
    ):
        np.testing.assert_array_equal(curve, same)


@pytest.mark.slow
def test_one_comparison_shows_the_proxy_beside_the_model():
    comparison = compare_strategies(
        {
            "own": MarginSampling(),
            "by proxy": SelectionViaProxy(MarginSampling(), GaussianNB()),
        },
        DeepClassifier(make_net(max_epochs=2)),
        X,
        TRUTH,
        n_repeats=2,
        n_cycles=2,
        batch_size=4,
        progress=False,
        random_state=0,
    )
    assert comparison.strategies == ["random", "own", "by proxy"]


def test_rows_of_any_kind_that_the_proxy_takes():
    words = np.array(["bad", "fair", "good"])[TRUTH]
    texts = np.array([f"{word} film {i}" for i, word in enumerate(words)])
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    via = SelectionViaProxy(MarginSampling(), pipeline, random_state=0)
    assert len(via.query(texts, Y, Forbidden(), batch_size=3)) == 3


@pytest.mark.parametrize("missing_label", [np.nan, None, "no"], ids=str)
def test_labels_of_any_kind(missing_label):
    names = np.array(["a", "b", "c"], dtype=object)[TRUTH]
    y = np.where(Y == -1, missing_label, TRUTH.astype(float))
    if missing_label is not np.nan:
        y = np.where(Y == -1, missing_label, names)
    params = {"missing_label": missing_label, "random_state": 0}
    via = SelectionViaProxy(MarginSampling(), GaussianNB(), **params)
    direct = MarginSampling(**params)
    picks = via.query(X, y, batch_size=3)
    np.testing.assert_array_equal(picks, direct.query(X, y, GaussianNB(), batch_size=3))


@pytest.mark.parametrize("n_labels", [0, 1])
def test_a_proxy_that_knows_no_two_classes_is_not_asked(n_labels):
    y = np.where(np.arange(60) < n_labels, TRUTH, -1)
    via = SelectionViaProxy(MarginSampling(), GaussianNB(), random_state=0)
    with pytest.warns(UserWarning, match="fewer than two classes: it draws at random"):
        assert len(set(via.query(X, y, batch_size=3))) == 3
    picks = SelectionViaProxy(TypiClust(), GaussianNB(), random_state=0)
    direct = TypiClust(random_state=0)
    for each in (picks, direct):
        assert len(each.query(X, y, batch_size=3)) == 3


def test_errors_name_what_is_wrong():
    with pytest.raises(CapabilityError, match=r"BALD needs sample_proba.*KNeighbors"):
        SelectionViaProxy(BALD(), KNeighborsClassifier()).query(X, Y)
    with pytest.raises(ValueError, match="'strategy' parameter of SelectionViaProxy"):
        SelectionViaProxy("bald", GaussianNB()).query(X, Y)
    with pytest.raises(ValueError, match="'proxy' parameter of SelectionViaProxy"):
        SelectionViaProxy(BALD(), "forest").query(X, Y)
    with pytest.raises(TypeError, match="takes no regressor"):
        SelectionViaProxy(BALD(), GaussianNB()).query(X, Y, reg=LinearRegression())
