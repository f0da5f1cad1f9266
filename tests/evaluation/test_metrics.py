"""Metrics that have no value: said before training, or NaN with a warning."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, make_scorer
from sklearn.svm import LinearSVC

from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.pool import CoreSet

X, y = load_iris(return_X_y=True)
WORDS = np.array(["no", "yes"])[(y > 1).astype(int)]
FITTED = LogisticRegression(max_iter=300).fit(X, y)
RARE_OUT = y < 2  # no test row of class 2


class Untrained(LogisticRegression):
    """May not be fitted."""

    def fit(self, X, y):
        raise AssertionError("It was trained.")


@pytest.mark.parametrize(
    ("metric", "labels", "message"),
    [
        ("f1", y, "'f1'.*3 classes.*multiclass.*'f1_macro'"),
        ("precision", y, "'precision_macro'"),
        ("roc_auc", y, "'roc_auc_ovr'"),
        ("average_precision", WORDS, r"pos_label.*make_scorer.*pos_label='yes'"),
        ("f1", WORDS, r"pos_label.*make_scorer.*pos_label='yes'"),
        ("r2", WORDS, "'accuracy' or 'balanced_accuracy'"),
    ],
)
def test_a_metric_for_other_classes_is_refused_before_training(metric, labels, message):
    params = {"scoring": ["accuracy", metric], "missing_label": None}
    with pytest.raises(ValueError, match=message):
        SimulatedActiveLearner(Untrained(), **params).fit(X, labels)
    with pytest.raises(ValueError, match=message):
        compare_strategies(
            [CoreSet()], Untrained(), X, labels, progress=False, **params
        )


def test_a_metric_for_other_classifiers_is_refused_before_training():
    for metric in ("neg_log_loss", "neg_ece", "neg_brier_score"):
        with pytest.raises(ValueError, match=rf"'{metric}' cannot score LinearSVC"):
            SimulatedActiveLearner(LinearSVC(), scoring=metric).fit(X, y)


def test_what_is_asked_for_works():
    scorer = make_scorer(
        average_precision_score, response_method="predict_proba", pos_label="yes"
    )
    learner = SimulatedActiveLearner(
        LogisticRegression(max_iter=300),
        n_cycles=1,
        scoring={"precision": scorer, "mine": lambda clf, X, y: clf.coef_.sum()},
        missing_label=None,
        random_state=0,
    ).fit(X, WORDS)
    assert learner.learning_curve_["precision"][-1] > 0.5
    decided = SimulatedActiveLearner(LinearSVC(), n_cycles=1, scoring="roc_auc")
    assert decided.fit(X, (y > 0).astype(int)).learning_curve_["roc_auc"][-1] > 0.5


@pytest.mark.parametrize("metric", ["roc_auc_ovr", "roc_auc_ovo", "average_precision"])
def test_no_score_without_rows_of_a_class_is_a_warning(metric):
    with pytest.warns(UserWarning, match=f"{metric} has no score.*none is of class 2"):
        scores = scores_of(
            named_scorers(["accuracy", metric]), FITTED, X[RARE_OUT], y[RARE_OUT], -1
        )
    assert np.isnan(scores[metric])
    assert scores["accuracy"] > 0.9


@pytest.mark.parametrize(
    "metric", ["top_k_accuracy", "neg_brier_score", "d2_log_loss_score"]
)
def test_metrics_that_can_be_told_the_classes_are(metric):
    scores = scores_of(named_scorers(metric), FITTED, X[RARE_OUT], y[RARE_OUT], -1)
    assert np.isfinite(scores[metric])
    if metric == "neg_brier_score":
        proba = FITTED.predict_proba(X[RARE_OUT])
        expected = ((proba - np.eye(3)[y[RARE_OUT]]) ** 2).sum(1).mean()
        assert scores[metric] in (
            pytest.approx(-expected),
            pytest.approx(-expected / 2),
        )


def test_errors_of_the_users_own_metrics_are_not_hidden():
    def mine(clf, X, y):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        scores_of({"mine": mine}, FITTED, X[RARE_OUT], y[RARE_OUT], -1)


@pytest.mark.parametrize("score", ["0.5", 1j, None, [0.5], np.array([0.5, 0.5])])
def test_a_score_that_is_no_number_is_named(score):
    with pytest.raises(TypeError, match=r"mine returned .*one real number"):
        scores_of({"mine": lambda *_: score}, FITTED, X, y, -1)


@pytest.mark.parametrize("score", [np.float32(0.5), np.array(0.5), True])
def test_numbers_of_all_kinds_are_scores(score):
    assert scores_of({"mine": lambda *_: score}, FITTED, X, y, -1) == {"mine": score}


def test_a_default_device_changes_no_calibration_error():
    scorers = named_scorers(["neg_ece"])
    expected = scores_of(scorers, FITTED, X, y, -1)
    with torch.device("meta"):
        assert scores_of(scorers, FITTED, X, y, -1) == expected
