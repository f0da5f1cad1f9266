"""Columns are known by their names, as in scikit-learn, and fits without rows."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import MAKERS, POSTERIORS, make_net
from torch import nn

from skal_deep.classifier import DeepClassifier, as_model
from skal_deep.modules import MLP
from skal_deep.pool import CoreSet, MarginSampling

OTHER = {
    "order": (["z", "y", "x", "w"], "same order"),
    "unseen": (["w", "x", "y", "q"], "unseen at fit time"),
}


@pytest.fixture
def frame():
    """Named columns, and labels that hang on the first."""
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    return pd.DataFrame(X, columns=list("wxyz")), (X[:, 0] > 0).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("other", OTHER)
def test_names_are_checked(kind, other, frame):
    X, y = frame
    clf = MAKERS[kind](make_net(), classes=[0, 1], random_state=0).fit(X, y)
    assert list(clf.feature_names_in_) == list("wxyz")
    clf.predict(X), clf.embed(X), clf.score(X, y)
    columns, words = OTHER[other]
    renamed = X[columns] if other == "order" else X.set_axis(columns, axis=1)
    methods = ["predict", "predict_proba", "embed"]
    methods += ["sample_proba"] if kind in POSTERIORS else []
    methods += ["predict_evidence"] if kind == "evidential" else []
    for method in methods:
        with pytest.raises(ValueError, match=words):
            getattr(clf, method)(renamed)
    with pytest.raises(ValueError, match=words):
        clf.score(renamed, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        clf.predict(X.to_numpy())


@pytest.mark.slow
def test_names_of_an_earlier_fit_are_forgotten(frame):
    X, y = frame
    clf = DeepClassifier(make_net(), random_state=0).fit(X, y).fit(X.to_numpy(), y)
    assert not hasattr(clf, "feature_names_in_")
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        clf.predict(X)


FITTED = {
    "net": lambda: DeepClassifier(make_net(), random_state=0),
    "linear": LogisticRegression,
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FITTED)
@pytest.mark.parametrize("strategy", [MarginSampling(), CoreSet()])
def test_a_query_checks_names(kind, strategy, frame):
    X, y = frame
    clf = FITTED[kind]().fit(X, y)
    y = np.where(np.arange(60) < 12, y, -1)
    strategy = type(strategy)(random_state=0)
    picks = strategy.query(X, y, clf, fit_clf=False)
    assert picks == strategy.query(X, y, clf, fit_clf=False)
    with pytest.raises(ValueError, match="same order"):
        strategy.query(X[list("zyxw")], y, clf, fit_clf=False)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        found = strategy.query(X.to_numpy(), y, clf, fit_clf=False)
    assert found == picks
    with pytest.raises(ValueError, match="columns of candidates are named"):
        strategy.query(X, y, clf, candidates=X[list("zyxw")])
    strategy.query(X[list("zyxw")], y, clf)  # fitted anew, on these columns


def test_rows_reach_a_fitted_pipeline_under_its_names(frame):
    X, y = frame
    clf = FITTED["pipeline"]().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = as_model(clf).predict_proba(X.to_numpy())
    np.testing.assert_allclose(proba, clf.predict_proba(X))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_fit_without_rows(kind):
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0)
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    clf.fit(np.empty((0, 4), np.float32), np.empty(0, int))
    assert clf.n_features_in_ == 4
    np.testing.assert_allclose(clf.predict_proba(X).sum(-1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="features"):
        clf.predict_proba(X[:, :3])


def test_a_fit_without_rows_sees_what_is_no_posterior():
    net = make_net(module__dropout=0.0)
    for kind, words in (("dropout", "no dropout layer"), ("swag", "predict the same")):
        clf = MAKERS[kind](net, classes=[0, 1, 2], random_state=0)
        if kind == "swag":
            clf.net = make_net(MLP(4, 3))
        with pytest.raises(TypeError, match=words):
            clf.fit(np.empty((0, 4), np.float32), np.empty(0, int))


def test_a_fit_without_images_or_words():
    class Convolved(nn.Module):
        def __init__(self, n_channels, n_classes):
            super().__init__()
            self.conv = nn.Conv2d(n_channels, 4, 3)
            self.drop = nn.Dropout(0.5)
            self.head = nn.LazyLinear(n_classes)

        def forward(self, x):
            return self.head(self.drop(self.conv(x)).flatten(1))

    class Words(nn.Module):
        def __init__(self, n_classes):
            super().__init__()
            self.embedding = nn.Embedding(9, 4)
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(4, n_classes)

        def forward(self, x):
            return self.head(self.drop(self.embedding(x).mean(1)))

    for module, X in (
        (Convolved, np.ones((3, 2, 6, 6), np.float32)),
        (Words, np.ones((3, 5), int)),
    ):
        clf = MAKERS["dropout"](make_net(module), classes=[0, 1], random_state=0)
        clf.fit(X[:0], np.empty(0, int))
        assert clf.predict_proba(X).shape == (3, 2)
