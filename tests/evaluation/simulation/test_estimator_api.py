"""A simulation is an estimator of scikit-learn's: searches, pipelines, copies."""

import pickle

import numpy as np
import pytest
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import (
    QueryByCommittee,
    RandomSampling,
    UncertaintySampling,
)
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from support import MAKERS, make_net

from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.pool import BALD, CoreSet

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def learner(estimator=None, strategy=None, **params):
    defaults = {"batch_size": 5, "n_cycles": 2, "random_state": 0}
    estimator = ParzenWindowClassifier() if estimator is None else estimator
    return SimulatedActiveLearner(estimator, strategy, **(defaults | params))


def dropout_classifier():
    return MAKERS["dropout"](make_net(max_epochs=3))


ESTIMATORS = {
    "scikit-activeml": ParzenWindowClassifier(),
    "ours": dropout_classifier(),
    "scikit-learn": RandomForestClassifier(5),
    "skorch": make_net(max_epochs=3, module__n_classes=3),
    "pipeline": make_pipeline(StandardScaler(), dropout_classifier()),
    "pipeline of scikit-activeml": Pipeline([("clf", ParzenWindowClassifier())]),
}


class TestScikitLearn:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_classifiers_of_any_kind(self, name):
        fitted = learner(ESTIMATORS[name], CoreSet()).fit(X, y)
        assert fitted.predict(X).shape == (150,)
        assert np.isfinite(fitted.learning_curve_["accuracy"]).all()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "strategy",
        [
            RandomSampling(),
            UncertaintySampling(method="entropy"),
            QueryByCommittee(sample_predictions_method_name="sample_proba"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("name", ["ours", "pipeline"])
    def test_strategies_of_scikit_activeml(self, name, strategy):
        fitted = learner(ESTIMATORS[name], strategy).fit(X, y)
        assert len(np.unique(np.concatenate(fitted.query_indices_))) == 20

    @pytest.mark.slow
    def test_clone_and_pickle(self):
        fitted = learner(dropout_classifier(), BALD()).fit(X, y)
        copied = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
        fresh = clone(fitted)
        assert not hasattr(fresh, "estimator_")
        np.testing.assert_array_equal(
            fresh.fit(X, y).predict_proba(X), fitted.predict_proba(X)
        )

    @pytest.mark.slow
    def test_grid_search(self):
        grid = {
            "query_strategy": [None, BALD()],
            "estimator__net__lr": [0.01, 0.03],
        }
        search = GridSearchCV(learner(dropout_classifier()), grid, cv=2).fit(X, y)
        assert search.cv_results_["mean_test_score"].shape == (4,)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        grid = {"query_strategy__method": ["entropy", "margin_sampling"]}
        inner = learner(None, UncertaintySampling(), test_size=None)
        assert GridSearchCV(inner, grid, cv=2).fit(X, y).best_score_ > 0.5

    @pytest.mark.slow
    def test_halving_grid_search(self):
        grid = {"query_strategy": [None, UncertaintySampling(), CoreSet()]}
        search = HalvingGridSearchCV(
            learner(test_size=None), grid, cv=2, min_resources=60, random_state=0
        )
        assert search.fit(X, y).best_score_ > 0.5

    def test_cross_validate_partly_labelled(self):
        y_partly = np.where(np.arange(150) % 3 == 0, -1, y)
        result = cross_validate(
            learner(), X, y_partly, cv=3, return_train_score=True, error_score="raise"
        )
        assert (result["test_score"] > 0.6).all()

    @pytest.mark.slow
    def test_around_and_inside_a_pipeline(self):
        around = learner(make_pipeline(StandardScaler(), dropout_classifier()), BALD())
        inside = make_pipeline(StandardScaler(), learner(dropout_classifier(), BALD()))
        for model in (around, inside):
            assert model.fit(X, y).score(X, y) > 0.3
        grid = {"simulatedactivelearner__batch_size": [3, 5]}
        assert (
            len(GridSearchCV(inside, grid, cv=2).fit(X, y).cv_results_["params"]) == 2
        )
