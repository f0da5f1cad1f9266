"""scikit-learn's searches over whole active learning, and over partly labelled data."""

import pickle

import numpy as np
import pytest
from scipy.stats import loguniform
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from support import MAKERS, make_net

from skal_deep.evaluation import SimulatedActiveLearner, make_labeled_scorer
from skal_deep.pool import BALD, CoreSet, Power, TopK

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
NET = make_net(max_epochs=2)
FAST = {"cv": 2, "error_score": "raise"}


def learner(**params):
    defaults = {"batch_size": 5, "n_cycles": 1, "test_size": None, "random_state": 0}
    return SimulatedActiveLearner(MAKERS["dropout"](NET), BALD(), **(defaults | params))


GRIDS = {
    "strategy": {"query_strategy": [None, BALD(), CoreSet(), UncertaintySampling()]},
    "selection": {"query_strategy__selection": [TopK(), Power()]},
    "coldness": {
        "query_strategy": [BALD(selection=Power())],
        "query_strategy__selection__coldness": [0.5, 2.0],
    },
    "posterior": {"estimator": [MAKERS["dropout"](NET), MAKERS["ensemble"](NET)]},
    "net": {"estimator__net__lr": [0.01, 0.03]},
    "module": {"estimator__net__module__n_hidden": [4, 8]},
    "batch size": {"batch_size": [5, 10]},
    "retraining": {"retrain": ["scratch", "warm", "shrink_perturb"]},
    "noise": {"label_noise": [0.0, 0.3], "n_copies": [1, 2]},
}


class TestGridSearch:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", GRIDS)
    def test_over_each_part(self, name):
        search = GridSearchCV(learner(), GRIDS[name], **FAST).fit(X, y)
        scores = search.cv_results_["mean_test_score"]
        assert len(scores) == np.prod([len(values) for values in GRIDS[name].values()])
        assert np.isfinite(scores).all()
        assert search.best_estimator_.score(X, y) > 0.2

    @pytest.mark.slow
    def test_the_choice_matters_and_is_reproducible(self):
        grid = {"estimator__net__max_epochs": [1, 30], "score_by": ["final", "area"]}
        last = {name: values[-1:] for name, values in grid.items()}
        scores, again = (
            GridSearchCV(learner(n_cycles=2), each, refit=False, **FAST)
            .fit(X, y)
            .cv_results_["mean_test_score"]
            for each in (grid, last)
        )
        assert again == scores[-1]
        by_epochs = scores.reshape(2, 2)
        assert (by_epochs[1] > by_epochs[0]).all()

    @pytest.mark.slow
    def test_random_search(self):
        search = RandomizedSearchCV(
            learner(),
            {
                "estimator__net__lr": loguniform(1e-3, 1e-1),
                "query_strategy": [None, BALD(), CoreSet()],
                "batch_size": [4, 5, 6],
            },
            n_iter=3,
            random_state=0,
            **FAST,
        )
        assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()

    @pytest.mark.slow
    @pytest.mark.parametrize("resource", ["n_samples", "n_cycles"])
    def test_halving(self, resource):
        limits = {"n_cycles": {"min_resources": 1, "max_resources": 3}}
        search = HalvingGridSearchCV(
            learner(),
            {"query_strategy": [None, BALD(), CoreSet()]},
            resource=resource,
            random_state=0,
            **limits.get(resource, {"min_resources": 50}),
            **FAST,
        ).fit(X, y)
        assert search.n_candidates_ == [3, 1]

    @pytest.mark.slow
    def test_by_several_metrics(self):
        search = GridSearchCV(
            learner(),
            {"batch_size": [5, 10]},
            scoring={
                name: make_labeled_scorer(name) for name in ("accuracy", "neg_ece")
            },
            refit="accuracy",
            **FAST,
        ).fit(X, y)
        assert (search.cv_results_["mean_test_neg_ece"] <= 0).all()


class TestPartlyLabelled:
    y_partly = np.where(np.arange(150) % 4, -1, y)

    def test_only_rows_with_a_label_are_scored(self):
        clf = ParzenWindowClassifier(missing_label=-1).fit(X, self.y_partly)
        known = self.y_partly >= 0
        expected = accuracy_score(y[known], clf.predict(X[known]))
        scorer = make_labeled_scorer("accuracy")
        assert scorer(clf, X, self.y_partly) == expected
        assert scorer(clf, X.tolist(), self.y_partly.tolist()) == expected
        assert np.isnan(scorer(clf, X, np.full(150, -1)))

    @pytest.mark.parametrize(
        "metric",
        ["balanced_accuracy", "neg_log_loss", "neg_ece", make_scorer(accuracy_score)],
        ids=str,
    )
    def test_any_metric(self, metric):
        clf = LogisticRegression(max_iter=1000).fit(X, y)
        known = self.y_partly >= 0
        scorer = make_labeled_scorer(metric)
        assert scorer(clf, X, self.y_partly) == scorer(clf, X[known], y[known])

    def test_other_marks(self):
        clf = LogisticRegression(max_iter=1000).fit(X, y)
        expected = make_labeled_scorer("accuracy")(clf, X, self.y_partly)
        y_nan = np.where(self.y_partly < 0, np.nan, self.y_partly)
        assert make_labeled_scorer("accuracy", np.nan)(clf, X, y_nan) == expected

    @pytest.mark.slow
    def test_an_ordinary_grid_search(self):
        scorer = pickle.loads(pickle.dumps(make_labeled_scorer("accuracy")))
        clf = MAKERS["deep"](make_net(), classes=[0, 1, 2], random_state=0)
        grid = {"net__max_epochs": [1, 30]}
        search = GridSearchCV(clf, grid, scoring=scorer, **FAST)
        search.fit(X, self.y_partly)
        assert search.best_params_ == {"net__max_epochs": 30}
        assert search.best_score_ > 0.8  # a fourth of it, if all rows counted
        naive = cross_val_score(
            search.best_estimator_, X, self.y_partly, scoring="accuracy", cv=2
        )
        assert naive.max() < 0.3

    def test_an_unknown_metric_is_named(self):
        with pytest.raises(ValueError, match="acuracy"):
            make_labeled_scorer("acuracy")
