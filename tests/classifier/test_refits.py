"""What a fit leaves if it fails, and what it may start from."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from support import MAKERS, make_net

from skal_deep.classifier import DeepEnsembleClassifier, MultiHeadClassifier
from skal_deep.classifier._base import as_seed
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.modules import MLP
from skal_deep.pool import MarginSampling


class Breaks(MLP):
    """Fails in training when told so."""

    breaks = False

    def forward(self, x):
        if self.training and Breaks.breaks:
            raise RuntimeError("broken")
        return super().forward(x)


@pytest.fixture
def breaking():
    yield lambda: setattr(Breaks, "breaks", True)
    Breaks.breaks = False


@pytest.mark.slow
def test_a_failed_fit_leaves_what_there_was(make, blobs, breaking):
    X, y = blobs
    clf = make(make_net(Breaks), classes=None).fit(X[y < 2], y[y < 2])
    before, expected = dict(vars(clf)), clf.predict_proba(X)
    with pytest.raises(ValueError, match="sample_weight"):
        clf.fit(X, y, np.ones(3))
    breaking()
    with pytest.raises(RuntimeError, match="broken"):
        clf.fit(X, y)
    assert vars(clf) == before
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    fresh = make(make_net(Breaks), classes=None)
    with pytest.raises(RuntimeError, match="broken"):
        fresh.fit(X, y)
    with pytest.raises(NotFittedError):
        fresh.predict(X)


def test_a_failed_simulation_leaves_what_there_was(blobs, breaking):
    X, y = blobs
    clf = MAKERS["deep"](make_net(Breaks, max_epochs=2))
    learner = SimulatedActiveLearner(
        clf, MarginSampling(), n_initial=6, batch_size=3, n_cycles=2, random_state=0
    ).fit(X[y < 2], y[y < 2])
    before, expected = dict(vars(learner)), learner.predict(X)
    breaking()
    with pytest.raises(RuntimeError, match="broken"):
        learner.fit(X, y)
    assert vars(learner) == before
    np.testing.assert_array_equal(learner.predict(X), expected)


def test_another_kind_of_classifier_is_refused(make, partly):
    other = "deep" if make.kind != "deep" else "dropout"
    previous = MAKERS[other](make_net(), classes=[0, 1, 2]).fit(*partly)
    with pytest.raises(TypeError, match=f"not {type(previous).__name__}"):
        make().fit_from(previous, *partly)
    for nothing in (None, make_net(), previous.nets_[0], type(previous)):
        with pytest.raises(TypeError, match="fit_from needs a fitted"):
            make().fit_from(nothing, *partly)
    with pytest.raises(NotFittedError):
        make().fit_from(make(), *partly)


@pytest.mark.parametrize("kind", [DeepEnsembleClassifier, MultiHeadClassifier])
@pytest.mark.parametrize("number", [2, 4])
def test_another_number_of_members_is_refused(kind, number, partly):
    classes = [0, 1, 2]
    previous = kind(make_net(), number, classes=classes).fit(*partly)
    with pytest.raises(ValueError, match=f"n_estimators=3 here, {number} there"):
        kind(make_net(), 3, classes=classes).fit_from(previous, *partly)


@pytest.mark.parametrize("seen", [[0, 1], [1, 2], [0, 1, 2, 3], [5, 6, 7]])
def test_other_classes_are_refused(make, blobs, seen):
    X, y = blobs
    before = make(classes=seen).fit(X, np.take(seen, y % len(seen)))
    clf = make()
    with pytest.raises(ValueError, match=r"goes on from columns for the classes \["):
        clf.fit_from(before, X, y)
    with pytest.raises(NotFittedError):
        clf.predict(X)


@pytest.mark.slow
def test_classes_are_matched_by_label(make, blobs):
    """The order in which they are given does not matter."""
    X, y = blobs
    names = np.array(["cat", "ant", "bee"])
    given = {"missing_label": "", "random_state": 0}
    before = make(classes=["cat", "ant", "bee"], **given).fit(X, names[y])
    still = make(make_net(lr=1e-6), classes=["bee", "cat", "ant"], **given)
    still.fit_from(before, X, names[y])
    agree = still.predict(X) == before.predict(X)
    assert agree.mean() > 0.9


def test_another_module_is_refused(make, partly):
    before = make(make_net(MLP, module__n_hidden=8)).fit(*partly)
    with pytest.raises(ValueError, match=r"has the same weights\. What is given"):
        make().fit_from(before, *partly)


GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("seed", [1.7, "0", -1, True, GENERATOR, np.random])
def test_seeds_that_are_none(make, partly, seed):
    with pytest.raises(ValueError, match="random_state"):
        make(random_state=seed).fit(*partly)
    with pytest.raises(ValueError, match="random_state must be an integer"):
        as_seed(seed)
    fitted = make().fit(*partly)
    if hasattr(fitted, "sample_proba"):
        with pytest.raises(ValueError, match="random_state must be an integer"):
            fitted.sample_proba(partly[0], random_state=seed)


def test_a_generator_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"draw a seed: int\(generator"):
        as_seed(GENERATOR)
    assert as_seed(np.int64(3)) == 3
