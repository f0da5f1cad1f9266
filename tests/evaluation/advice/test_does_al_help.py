"""The question, answered: verdicts, the effect of tuning, the advice."""

import math
from dataclasses import replace

import numpy as np
import pytest
from comparisons import made_comparison
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from support import MAKERS, make_net

from skal_deep.evaluation import Answer, Tuning, does_al_help, paired_difference
from skal_deep.evaluation.advice._does_al_help import _sensible
from skal_deep.evaluation.statistics._wording import describe_savings
from skal_deep.pool import CoreSet

X, y = load_iris(return_X_y=True)
SMALL = {"n_cycles": 3, "batch_size": 5, "progress": False, "random_state": 0}


@pytest.fixture(scope="module")
def answer():
    return does_al_help(
        KNeighborsClassifier(3),
        X,
        y,
        param_grid={"n_neighbors": [1, 5]},
        n_repeats=6,
        **SMALL,
    )


def made(gains, tuned=None, n_repeats=8, seed=0):
    comparison = made_comparison(gains, n_repeats, seed)
    tuning = None
    if tuned is not None:
        given = np.linspace(0.6, 0.7, n_repeats)
        better = given + tuned + 0.001 * np.arange(n_repeats)
        difference = paired_difference(better, given)
        tuning = Tuning(difference, [{}, {"lr": 0.1}], [given, better])
    return Answer(comparison, tuning, X, y)


def test_strategies_suit_the_classifier():
    def names(estimator, X=X):
        return [type(strategy).__name__ for strategy in _sensible(estimator, X)]

    assert names(GaussianNB()) == ["MarginSampling", "CoreSet"]
    assert names(LogisticRegression()) == ["MarginSampling", "Badge"]
    assert names(MAKERS["dropout"](make_net())) == ["MarginSampling", "Badge"]
    assert names(RidgeClassifier()) == ["CoreSet"]
    # a model that takes gaps and words has no distances of these
    gaps, tree = np.where(X.mean() < X, np.nan, X), HistGradientBoostingClassifier()
    assert names(tree, gaps) == ["MarginSampling"]
    assert names(tree, [["a", 1], ["b", 2]]) == ["MarginSampling"]
    assert names(tree) == ["MarginSampling", "CoreSet"]
    filled = make_pipeline(SimpleImputer(), GaussianNB())
    assert names(filled, gaps) == ["MarginSampling", "CoreSet"]


@pytest.mark.slow
def test_everything_is_in_the_text(answer):
    text = str(answer)
    assert text.startswith("Does active learning help? ")
    for name in ("MarginSampling", "CoreSet", "strategy (", "tuning (", "25 labels"):
        assert name in text
    assert answer.advice()
    assert all(advice in text for advice in answer.advice())


@pytest.mark.slow
def test_verdict_is_that_of_the_best_strategy():
    answer = made({"good": 0.1, "bad": -0.1})
    assert answer.best == "good"
    assert answer.word == "better"
    assert str(answer).startswith("Does active learning help? Yes")
    assert "It needs " in answer.findings()[0]
    assert "Random sampling needs " in answer.findings()[1]
    assert "Let good choose" in answer.advice()[0]


def test_labels_saved_have_an_interval_or_are_open():
    """Repeats that agree to the last label, too."""
    row = {"labels": 50, "needs itself": 30.0, "low": 30.0, "high": 30.0}
    verdict = made({"good": 0.1}).comparison.verdicts()["good"]
    assert "needs 30 (30 to 30) labels" in describe_savings(verdict, row)
    open_row = dict.fromkeys(("needs itself", "low", "high"), math.inf) | {"labels": 50}
    assert "needs more than 50 labels" in describe_savings(verdict, open_row)


@pytest.mark.slow
def test_harm_is_said():
    answer = made({"bad": -0.1, "worse": -0.2})
    assert answer.best == "bad"
    assert answer.word == "worse"
    assert "hurts" in str(answer)
    assert answer.advice()[0] == "Label rows at random."


@pytest.mark.slow
def test_nothing_found_comes_with_what_could_be_found():
    answer = made({"same": 0.001}, seed=1)
    verdict = answer.comparison.verdicts()["same"]
    assert "a true gain below about" in answer.findings()[0]
    assert "simpler" in answer.advice()[0]
    assert "repeats are needed" in answer.advice()[0]
    assert verdict.word == answer.word == "no difference detected"
    overlapping = replace(
        answer.comparison, settings=answer.comparison.settings | {"test_is_given": 0}
    )
    assert "do not suffice" in replace(answer, comparison=overlapping).advice()[0]


def test_a_gain_on_these_rows_is_told_from_one_on_others():
    """Splits that overlap: the gain is no chance here, but may be one elsewhere."""
    answer = made({"good": 0.01}, seed=1)
    settings = answer.comparison.settings | {"test_is_given": False}
    overlapping = replace(
        answer, comparison=replace(answer.comparison, settings=settings)
    )
    assert answer.word == "better"
    assert overlapping.word == "no difference detected"
    advice = overlapping.advice()[0]
    assert "on these very rows" in advice
    assert advice.startswith("Label rows at random")
    assert "Try " not in advice


@pytest.mark.parametrize(
    ("tuned", "words"),
    [(0.3, "Tune the model first (lr=0.1)"), (0.01, "Tune the model, too"), (-0.1, "")],
)
def test_tuning_is_weighed_against_the_strategy(tuned, words):
    advice = " ".join(made({"good": 0.1}, tuned).advice())
    assert (words or "brings nothing that can be told from chance") in advice


def test_without_a_grid_one_is_asked_for():
    assert "param_grid" in " ".join(made({"good": 0.1}).advice())


def test_a_budget_past_saturation_is_pointed_out():
    comparison = made_comparison({"same": 0.0})
    for row in comparison.curves:
        row["accuracy"] = 0.9 + 0.01 * min(row["stage"], 1) + 0.001 * row["stage"]
    text = " ".join(Answer(comparison, None, X, y).advice())
    assert "within 1 % of its final score after 20 of 40 labels" in text


@pytest.mark.parametrize("slope", [0.0, -0.1])
def test_a_curve_that_does_not_rise_is_not_called_saturated(slope):
    comparison = made_comparison({"same": 0.0})
    for row in comparison.curves:
        row["accuracy"] = 0.6 + slope * row["stage"]
    text = " ".join(Answer(comparison, None, X, y).advice())
    assert f"is 0.60 with 10 and {0.6 + 3 * slope:.2f} with 40" in text
    assert "more epochs" in text
    assert "little for any strategy" not in text


@pytest.mark.slow
def test_an_interval_beside_zero_without_a_verdict_is_explained():
    answer = made({"good": 0.008, "same": 0.0}, n_repeats=7, seed=1)
    verdict = answer.comparison.verdicts()["good"]
    assert verdict.difference.p_value < 0.05 < verdict.p_value
    alone = f"({verdict.difference.p_value:.2g} alone)"
    assert f"which allows for several strategies {alone}" in answer.findings()[0]
    assert "alone" not in answer.findings()[1]


@pytest.mark.slow
def test_the_answer_shows_itself(answer):
    assert repr(answer) == str(answer)
    assert len(repr(answer.comparison)) < 1500


@pytest.mark.slow
def test_there_is_no_bar_without_a_job(capsys):
    options = SMALL | {"progress": True}
    does_al_help(GaussianNB(), X, y, strategies=[CoreSet()], n_repeats=2, **options)
    assert " 0it " not in capsys.readouterr().err


@pytest.mark.slow
def test_tuning_is_judged_on_repeats_it_was_not_chosen_on(answer):
    tuning = answer.tuning
    scores = np.array(tuning.scores)
    assert tuning.settings == [{}, {"n_neighbors": 1}, {"n_neighbors": 5}]
    assert scores.shape == (3, 6)
    gains = []
    for repeat in range(6):
        others = np.delete(scores, repeat, axis=1).mean(axis=1)
        gains.append(scores[others.argmax(), repeat] - scores[0, repeat])
    assert tuning.difference.mean == pytest.approx(np.mean(gains))
    assert tuning.best == tuning.settings[scores.mean(axis=1).argmax()]
    assert tuning.difference.overlap == answer.comparison.overlap > 0


@pytest.mark.slow
def test_settings_that_do_nothing_gain_nothing():
    answer = does_al_help(
        GaussianNB(),
        X,
        y,
        strategies=[CoreSet()],
        param_grid={"priors": [None]},
        n_repeats=2,
        **SMALL,
    )
    assert answer.tuning.difference.mean == 0
    np.testing.assert_array_equal(*answer.tuning.scores)


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="at least two repeats"):
        does_al_help(GaussianNB(), X, y, n_repeats=1)
    with pytest.raises(ValueError, match="beside random"):
        does_al_help(GaussianNB(), X, y, strategies={}, n_repeats=2, **SMALL)
