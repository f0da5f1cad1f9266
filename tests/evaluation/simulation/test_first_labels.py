"""Rare classes among the first labels, and starts that show one class only."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from skal_deep.classifier import CapabilityError
from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.evaluation.simulation._first_labels import format_counts
from skal_deep.pool import BALD, Badge, CoreSet, MarginSampling

pytestmark = pytest.mark.filterwarnings(r"ignore:97\.0% of the rows are of class")
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 4))
RARE = (np.arange(400) % 34 == 0).astype(int)  # 3 %
TINY = {"n_repeats": 2, "batch_size": 2, "progress": False, "random_state": 0}


@pytest.mark.slow
def test_a_stratified_start_beyond_chance_is_said():
    params = {**TINY, "n_initial": 20, "n_cycles": 1}
    with pytest.warns(UserWarning, match=r"takes 10 of the 20 .* class 1, .* 3\.0%"):
        compared = compare_strategies(
            [CoreSet()], LogisticRegression(), X, RARE, **params
        )
    assert compared.settings["first_labels"] == {0: 11.0, 1: 9.0}
    learner = SimulatedActiveLearner(
        LogisticRegression(), n_initial=20, n_cycles=0, random_state=0
    )
    with pytest.warns(UserWarning, match="initial='random' starts as in practice"):
        learner.fit(X, RARE)
    compare_strategies(
        [CoreSet()], LogisticRegression(), X, RARE, initial="random", **params
    )


def test_a_label_or_two_of_a_rare_class_is_what_stratified_is_for():
    learner = SimulatedActiveLearner(LogisticRegression(), n_initial=8, n_cycles=0)
    learner.fit(X, RARE)


def test_first_labels_are_counted_as_a_mean_of_the_repeats():
    compared = compare_strategies(
        [CoreSet()],
        LogisticRegression(),
        X,
        np.arange(400) % 3,
        n_initial=7,
        n_cycles=1,
        n_copies=2,
        **TINY,
    )
    counts = compared.settings["first_labels"]
    assert sum(counts.values()) == 7
    assert all(2 <= count <= 3 for count in counts.values())


def test_counts_are_listed_shortly():
    assert format_counts({"a": 1.0, "b": 2.5}) == "a: 1, b: 2.5"
    assert format_counts(dict.fromkeys(range(20), 1.0)).endswith("and 8 more classes")


ESTIMATORS = {
    "logistic": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "svc": SVC(),
    "forest": RandomForestClassifier(n_estimators=5),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_one_class_is_predicted_until_there_are_two(kind):
    """Class 1 comes last, so that starts at random of two rows do not show it."""
    strategies = [CoreSet()]
    if kind != "svc":
        strategies += [MarginSampling()]
    if kind == "forest":
        strategies += [BALD()]
    compared = compare_strategies(
        strategies,
        ESTIMATORS[kind],
        X,
        RARE,
        initial="random",
        n_initial=2,
        n_cycles=30,
        scoring=["accuracy", "balanced_accuracy"],
        **TINY,
    )
    assert compared.settings["first_labels"][1] == 0
    for strategy in compared.strategies:
        scores = compared.curve(strategy, "balanced_accuracy")
        assert (scores[:, 0] == 0.5).all()
        np.testing.assert_allclose(compared.curve(strategy)[:, 0], 0.97)
    picks = [
        [np.concatenate(stages) for stages in compared.picked(name)]
        for name in compared.strategies
    ]
    assert any(RARE[rows].any() for picked in picks for rows in picked)


def test_what_a_strategy_needs_is_checked_before_there_are_two_classes():
    with pytest.raises(CapabilityError, match=r"Badge needs embed .*Gaussian"):
        compare_strategies(
            [Badge()],
            GaussianNB(),
            X,
            RARE,
            initial="random",
            n_initial=2,
            n_cycles=1,
            **TINY,
        )


def test_words_and_truth_values_of_one_class():
    for y in (np.where(RARE, "rare", "usual"), RARE.astype(bool)):
        learner = SimulatedActiveLearner(
            LogisticRegression(),
            MarginSampling(),
            initial="random",
            n_initial=1,
            n_cycles=2,
            batch_size=2,
            missing_label=None,
            scoring=["accuracy", "neg_log_loss", "roc_auc"],
            random_state=0,
        ).fit(X, y)
        assert learner.learning_curve_["roc_auc"].tolist() == [0.5] * 3
        assert learner.predict(X[:3]).dtype == y.dtype
        assert learner.predict_proba(X[:3]).shape == (3, 2)


@pytest.mark.slow
def test_a_pipeline_with_sparse_features_is_compared():
    counts = rng.integers(0, 4, (80, 3))
    y = (counts[:, 0] > 1).astype(int)
    encoded = make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
    )
    compared = compare_strategies(
        [MarginSampling()], encoded, counts, y, n_initial=6, n_cycles=3, **TINY
    )
    assert compared.curve("MarginSampling").shape == (2, 4)
    alone = compare_strategies(
        [], LogisticRegression(), counts, y, n_initial=6, n_cycles=3, **TINY
    )
    for there, here in zip(
        compared.picked("random"), alone.picked("random"), strict=True
    ):
        np.testing.assert_array_equal(np.concatenate(there), np.concatenate(here))
