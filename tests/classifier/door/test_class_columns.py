"""Columns are found by label, whatever the labels are and whoever holds them."""

import numpy as np
import pytest
import torch
from skactiveml.classifier import SklearnClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from support import make_net

from skal_deep.classifier import CapabilityError, DeepClassifier, as_model
from skal_deep.classifier.door._model_checks import class_positions
from skal_deep.pool import BALD, AlfaMix, BatchBALD, DropQuery, VoteEntropy

SLOW = pytest.mark.slow
LABELS = {
    "from 0": [0, 1, 2],
    "from 1": [1, 2, 3],
    "tens": [10, 20, 30],
    "negative": [-7, -5, 3],
    "strings": ["ant", "bee", "cow"],
}
COMMITTEES = {
    "forest": lambda: RandomForestClassifier(4, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(4, random_state=0),
    "bagging": lambda: BaggingClassifier(
        LogisticRegression(), 4, max_features=1, max_samples=6, random_state=0
    ),
    "votes": lambda: BaggingClassifier(LinearSVC(), 4, random_state=0),
}


def missing(labels):
    return "?" if isinstance(labels[0], str) else -1


def wrapped(estimator, labels):
    return SklearnClassifier(
        estimator, classes=labels, missing_label=missing(labels), random_state=0
    )


AROUND = {
    "bare": lambda estimator, _: estimator,
    "wrapped": wrapped,
    "pipeline in the wrapper": lambda estimator, labels: wrapped(
        make_pipeline(StandardScaler(), estimator), labels
    ),
    "wrapper in a pipeline": lambda estimator, labels: make_pipeline(
        StandardScaler(), wrapped(estimator, labels)
    ),
    "search": lambda estimator, _: GridSearchCV(estimator, {"n_estimators": [4]}, cv=2),
}


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(name, marks=() if name in ("from 0", "strings") else SLOW)
        for name in LABELS
    ],
)
@pytest.mark.parametrize("committee", COMMITTEES)
@pytest.mark.parametrize("around", AROUND)
def test_members_answer_by_label(labels, committee, around, blobs):
    X, y = blobs[0], np.array(LABELS[labels])[blobs[1]]
    clf = AROUND[around](COMMITTEES[committee](), LABELS[labels]).fit(X, y)
    draws = as_model(clf).sample_proba(X, None, 0)
    assert draws.shape == (4, 60, 3)
    torch.testing.assert_close(
        draws.mean(0), torch.as_tensor(clf.predict_proba(X)), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("committee", COMMITTEES)
def test_a_class_never_seen_has_its_column(labels, committee, blobs):
    X, y = blobs[0], np.array(LABELS[labels])[blobs[1]]
    y[blobs[1] == 1] = missing(LABELS[labels])
    clf = wrapped(COMMITTEES[committee](), LABELS[labels]).fit(X, y)
    draws = as_model(clf).sample_proba(X)
    assert draws.shape == (4, 60, 3)
    assert (draws[..., 1] == 0).all()
    assert (draws[..., 0] > 0).any()
    assert (draws[..., 2] > 0).any()


@pytest.mark.parametrize("labels", ["tens", "strings"])
@pytest.mark.filterwarnings("ignore:.*could not be fitted")
@pytest.mark.filterwarnings("ignore:.* asks a model that has seen no label")
@pytest.mark.parametrize("strategy", [BALD(), BatchBALD(), VoteEntropy()])
def test_wrapped_forests_start_cold(labels, strategy, blobs):
    X, names = blobs[0], LABELS[labels]
    clf = wrapped(COMMITTEES["forest"](), names)
    strategy = type(strategy)(missing_label=missing(names), random_state=0)
    y = np.full(60, missing(names), dtype=np.array(names).dtype)
    assert len(set(strategy.query(X, y, clf, batch_size=3))) == 3
    draws = as_model(clf.fit(X, y)).sample_proba(X, 5)
    torch.testing.assert_close(draws, torch.full((5, 60, 3), 1 / 3).double())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*could not be fitted")
@pytest.mark.filterwarnings("ignore:.* asks a model that has seen no label")
@pytest.mark.filterwarnings("ignore:AlfaMix mixes in the means")
@pytest.mark.parametrize("strategy", [AlfaMix(), DropQuery()])
def test_heads_of_wrapped_linear_models(strategy, blobs):
    X, y = blobs[0], np.where(np.arange(60) < 12, blobs[1], -1)
    clf = wrapped(LogisticRegression(), [0, 1, 2])
    two = np.where(blobs[1] == 1, -1, y)
    for known in (y, two, np.full(60, -1), np.where(blobs[1] == 0, y, -1)):
        weight, bias = as_model(clf.fit(X, known)).linear_head(X)
        proba = (torch.as_tensor(X).to(weight) @ weight.T + bias).softmax(-1)
        np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-6)
        assert len(set(strategy.query(X, known, clf, batch_size=3))) == 3


@pytest.mark.parametrize("labels", LABELS)
def test_positions_of_labels(labels, blobs):
    names = np.array(LABELS[labels])
    clf = DeepClassifier(make_net(), classes=names, missing_label=missing(names))
    clf.fit(blobs[0], names[blobs[1]])
    np.testing.assert_array_equal(class_positions(clf, names[blobs[1]]), blobs[1])
    for unknown in (names[0] * 2 if labels != "from 0" else 5, names[-1] * 9):
        if unknown in names:
            continue
        with pytest.raises(ValueError, match="does not know the labels"):
            class_positions(clf, np.array([names[0], unknown]))


def test_columns_of_a_plain_net():
    net = make_net()
    np.testing.assert_array_equal(class_positions(net, np.array([2.0, 0.0])), [2, 0])
    for labels in ([0.5], [-2], [np.nan]):
        with pytest.raises(ValueError, match="plain skorch net has columns"):
            class_positions(net, np.array(labels))


class Shuffled(ClassifierMixin, BaseEstimator):
    """A classifier from elsewhere that holds its classes in an order of its own."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)[::-1]
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def sample_proba(self, X, n_samples=None, random_state=0):
        proba = np.random.default_rng(random_state).dirichlet(
            np.arange(1, len(self.classes_) + 1), size=(n_samples, 1)
        )
        return proba.repeat(len(X), axis=1)


def test_foreign_classes_in_any_order(blobs):
    X, y = blobs[0], np.array(["a", "b", "c"])[blobs[1]]
    clf = Shuffled().fit(X, y)
    np.testing.assert_array_equal(class_positions(clf, np.array(["a", "c"])), [2, 0])
    outer = wrapped(Shuffled(), ["a", "b", "c", "d"]).fit(X, y)
    outer_draws = as_model(outer).sample_proba(X, 7, 1)
    draws = as_model(clf).sample_proba(X, 7, 1)
    torch.testing.assert_close(outer_draws[..., [2, 1, 0]], draws)
    assert (outer_draws[..., 3] == 0).all()


def test_foreign_answers_are_checked(blobs):
    class Wrong(Shuffled):
        def predict_proba(self, X):
            return np.full((len(X), 3), 0.5)

        def sample_proba(self, X, n_samples=None, random_state=0):
            return super().sample_proba(X, n_samples, random_state)[..., :2]

    model = as_model(Wrong().fit(*blobs))
    with pytest.raises(ValueError, match=r"Wrong\.predict_proba predicts no prob"):
        model.predict_proba(blobs[0])
    with pytest.raises(ValueError, match=r"Wrong\.sample_proba"):
        model.sample_proba(blobs[0], 5, 0)


@pytest.mark.parametrize("strategy", [AlfaMix(), DropQuery()])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_one_classifier_against_the_rest_is_no_head(strategy, loss, partly):
    clf = SGDClassifier(loss=loss, random_state=0)
    for model in (clf, make_pipeline(StandardScaler(), clf), wrapped(clf, [0, 1, 2])):
        with pytest.raises(CapabilityError, match="one classifier a class against"):
            strategy.query(*partly, model, batch_size=2)


@pytest.mark.parametrize(
    "clf",
    [
        LogisticRegression(),
        LinearDiscriminantAnalysis(),
        SGDClassifier(loss="log_loss", random_state=0),
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_heads_are_those_of_the_prediction(clf, n_classes, blobs):
    X, y = (part[blobs[1] < n_classes] for part in blobs)
    model = as_model(clf.fit(X, y))
    if isinstance(clf, SGDClassifier) and n_classes == 3:
        with pytest.raises(CapabilityError):
            model.linear_head(X)
        return
    weight, bias = model.linear_head(X)
    proba = (torch.as_tensor(X).to(weight) @ weight.T + bias).softmax(-1)
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-5)


@pytest.mark.slow
def test_a_calibrated_head_is_none(blobs):
    clf = CalibratedClassifierCV(LogisticRegression(), cv=2, ensemble=False)
    assert not hasattr(as_model(clf.fit(*blobs)), "linear_head")
