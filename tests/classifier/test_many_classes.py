"""Few labels of many classes, and labels in a list."""

import warnings

import numpy as np
import pytest
from skactiveml.classifier import SklearnClassifier
from sklearn.linear_model import LogisticRegression
from support import MAKERS, make_net

from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    make_labeled_scorer,
)
from skal_deep.pool import MarginSampling

N_CLASSES = 40
rng = np.random.default_rng(0)
CLASS = np.tile(np.arange(N_CLASSES), 8)
X = (np.eye(N_CLASSES)[CLASS] + 0.3 * rng.normal(size=(320, 40))).astype(np.float32)
Y = np.where(np.arange(320) < N_CLASSES, CLASS, -1)  # one label a class


def net():
    return make_net(module__n_features=N_CLASSES, module__n_classes=N_CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deep", "dropout", "ensemble", "heads"])
def test_known_classes_are_not_guessed_to_be_targets(kind):
    """Warnings are errors in these tests."""
    clf = MAKERS[kind](net(), classes=range(N_CLASSES), random_state=0)
    clf.fit(X, Y)
    MarginSampling(random_state=0).query(X, Y, clf)


def test_classes_that_nobody_gave_are():
    with pytest.warns(UserWarning, match="could represent a regression problem"):
        MAKERS["deep"](net(), random_state=0).fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=500),
        SklearnClassifier(LogisticRegression(max_iter=500), missing_label=-1),
        MAKERS["deep"](net()),
    ],
)
def test_a_comparison_knows_its_classes(estimator):
    compare_strategies(
        [MarginSampling()],
        estimator,
        X,
        CLASS,
        test_size=60,
        n_initial=60,
        n_cycles=1,
        n_repeats=1,
        scoring=["accuracy", "f1_macro"],
        progress=False,
        random_state=0,
    )


def test_other_warnings_are_still_heard():
    from skal_deep.rows._labels import known_classes

    before = list(warnings.filters)
    with pytest.warns(UserWarning, match="of mine"), known_classes():
        warnings.warn("of mine", UserWarning, stacklevel=1)
    assert warnings.filters == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [int, np.int64, np.int32, np.uint8, np.float64, np.str_]
)
def test_a_list_of_labels_is_scored_as_an_array(kind):
    y = [kind(label % 4) for label in CLASS[:80]]
    rows = X[:80]
    missing = "nobody" if kind is np.str_ else -1
    model = MAKERS["deep"](
        make_net(module__n_features=N_CLASSES, module__n_classes=4),
        missing_label=missing,
        random_state=0,
    ).fit(rows, np.array(y))
    assert model.score(rows, y) == model.score(rows, np.array(y))
    plain = LogisticRegression().fit(rows, y)
    scorer = make_labeled_scorer("accuracy", missing)
    assert scorer(plain, rows, y) == plain.score(rows, y)
    learner = SimulatedActiveLearner(
        LogisticRegression(),
        n_cycles=1,
        test_size=None,
        missing_label=missing,
        random_state=0,
    ).fit(rows, y)
    assert learner.score(rows, y) == learner.score(rows, np.array(y))
