"""The learner that plays active learning through."""

import numpy as np
import pytest
import torch
from skactiveml.classifier import ParzenWindowClassifier, SklearnClassifier
from skactiveml.pool import (
    SubSamplingWrapper,
    UncertaintySampling,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from support import MAKERS, make_net

from skal_deep.evaluation import SimulatedActiveLearner, area_under_curve
from skal_deep.pool import BALD, Badge, CoreSet, MarginSampling

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def learner(estimator=None, strategy=None, **params):
    defaults = {"batch_size": 5, "n_cycles": 2, "random_state": 0, "keep_stages": True}
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


class TestCurve:
    def test_a_stage_for_the_start_and_each_query(self):
        fitted = learner(scoring=["accuracy", "balanced_accuracy"]).fit(X, y)
        curve = fitted.learning_curve_
        assert list(curve) == [
            "n_labels",
            "accuracy",
            "balanced_accuracy",
            "seconds_fit",
            "seconds_query",
            "seconds_score",
            "peak_megabytes",
        ]
        np.testing.assert_array_equal(curve["n_labels"], [10, 15, 20])
        assert (curve["seconds_fit"] > 0).all()
        assert curve["seconds_query"][0] == 0
        assert (curve["seconds_query"][1:] > 0).all()
        assert (curve["peak_megabytes"] > 1).all()
        assert [len(rows) for rows in fitted.query_indices_] == [10, 5, 5]

    def test_scores_are_those_of_rows_set_aside(self):
        fitted = learner(test_size=30).fit(X, y)
        aside = fitted.test_indices_
        assert len(aside) == 30
        assert not np.isin(np.concatenate(fitted.query_indices_), aside).any()
        np.testing.assert_array_equal(
            fitted.learning_curve_["accuracy"], fitted.staged_score(X[aside], y[aside])
        )

    def test_given_test_data_leave_all_rows_in_the_pool(self):
        fitted = learner(n_cycles=100).fit(X[::2], y[::2], X[1::2], y[1::2])
        assert len(fitted.test_indices_) == 0
        assert fitted.learning_curve_["n_labels"][-1] == 75
        np.testing.assert_array_equal(
            fitted.learning_curve_["accuracy"], fitted.staged_score(X[1::2], y[1::2])
        )

    def test_stages_are_kept_only_if_wanted(self):
        fitted = learner(keep_stages=False).fit(X, y)
        assert fitted.stages_ == []
        assert fitted.score(X, y) == learner().fit(X, y).score(X, y)
        with pytest.raises(ValueError, match="keep_stages=True"):
            fitted.staged_score(X, y)
        area = learner(keep_stages=False, score_by="area").fit(X, y)
        assert len(area.stages_) == 3

    def test_no_test_data_no_scores(self):
        fitted = learner(test_size=None).fit(X, y)
        assert np.isnan(fitted.learning_curve_["accuracy"]).all()

    def test_score_is_the_end_or_the_area(self):
        final, area = (learner(score_by=by).fit(X, y) for by in ("final", "area"))
        staged = final.staged_score(X, y)
        assert final.score(X, y) == staged[-1] == accuracy_score(y, final.predict(X))
        n_labels = area.learning_curve_["n_labels"]
        assert area.score(X, y) == area_under_curve(n_labels, staged)

    def test_scorers_of_any_kind(self):
        def mine(estimator, X, y):
            return 0.5

        scoring = [make_scorer(accuracy_score), mine, "neg_log_loss"]
        curve = learner(scoring=scoring).fit(X, y).learning_curve_
        assert {"accuracy_score", "mine", "neg_log_loss"} < set(curve)
        curve = learner(scoring={"hits": "accuracy"}).fit(X, y).learning_curve_
        assert "hits" in curve

    def test_predictions_are_those_of_the_last_classifier(self):
        fitted = learner().fit(X, y)
        np.testing.assert_array_equal(
            fitted.predict_proba(X), fitted.estimator_.predict_proba(X)
        )
        assert not hasattr(learner(make_pipeline(StandardScaler())), "predict_proba")


class TestPool:
    def test_the_pool_runs_out(self):
        fitted = learner(n_cycles=1000, batch_size=50).fit(X, y)
        n_labels = fitted.learning_curve_["n_labels"]
        np.testing.assert_array_equal(n_labels, [10, 60, 110, 112])
        rows = np.concatenate([*fitted.query_indices_, fitted.test_indices_])
        np.testing.assert_array_equal(np.sort(rows), np.arange(150))

    def test_more_first_labels_than_rows(self):
        fitted = learner(n_initial=1000).fit(X, y)
        np.testing.assert_array_equal(fitted.learning_curve_["n_labels"], [112])

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "strategy", [None, UncertaintySampling(), CoreSet(), BALD()], ids=str
    )
    def test_unknown_rows_are_never_queried(self, strategy):
        y_partly = y.copy()
        unknown = np.random.default_rng(0).permutation(150)[:90]
        y_partly[unknown] = -1
        fitted = learner(dropout_classifier(), strategy, n_cycles=100, batch_size=9)
        fitted.fit(X, y_partly)
        rows = np.concatenate([*fitted.query_indices_, fitted.test_indices_])
        assert len(np.unique(rows)) == len(rows) == 60
        assert not np.isin(rows, unknown).any()

    def test_unknown_rows_do_not_count_in_scores(self):
        y_partly = np.where(np.arange(150) % 3 == 0, -1, y)
        fitted = learner().fit(X, y)
        is_known = y_partly >= 0
        assert fitted.score(X, y_partly) == fitted.score(X[is_known], y[is_known])
        assert np.isnan(fitted.score(X, np.full(150, -1)))

    @pytest.mark.parametrize(
        ("labels", "missing_label"),
        [
            (y.astype(np.uint8), -1),
            (y, np.nan),
            (np.array(["a", "bc", "d"])[y], "missing"),
            (np.array(["a", "bc", "d"], dtype=object)[y], None),
        ],
        ids=["unsigned", "nan", "words", "none"],
    )
    def test_labels_of_any_kind(self, labels, missing_label):
        strategy = SubSamplingWrapper(UncertaintySampling(), max_candidates=30)
        params = {"missing_label": missing_label, "n_cycles": 3}
        fitted = learner(None, strategy, **params).fit(X, labels)
        assert fitted.classes_.tolist() == np.unique(labels).tolist()
        assert set(fitted.predict(X)) <= set(labels)
        assert fitted.score(X, labels) > 0.6

    @pytest.mark.slow
    def test_stratified_and_random_starts(self):
        rows = learner(n_initial=9, n_cycles=0).fit(X, y).query_indices_[0]
        np.testing.assert_array_equal(np.bincount(y[rows]), [3, 3, 3])
        starts = [
            learner(initial="random", n_cycles=0, random_state=seed).fit(X, y)
            for seed in range(20)
        ]
        counts = [np.bincount(y[s.query_indices_[0]], minlength=3) for s in starts]
        assert np.ptp(counts) > 2

    @pytest.mark.slow
    def test_a_class_without_a_label_has_its_column(self):
        fitted = learner(dropout_classifier(), n_initial=2, n_cycles=0).fit(X, y)
        assert len(np.unique(y[fitted.query_indices_[0]])) == 2
        assert fitted.predict_proba(X).shape == (150, 3)

    def test_rare_classes_need_no_stratified_split(self):
        y_rare = y.copy()
        y_rare[0] = 7
        assert 7 in learner().fit(X, y_rare).classes_

    def test_caller_keeps_what_it_gave(self):
        estimator, strategy = ParzenWindowClassifier(), UncertaintySampling()
        X_before, y_before = X.copy(), y.copy()
        before = repr((estimator.get_params(), strategy.get_params()))
        state = np.random.get_state()[1].copy()
        learner(estimator, strategy).fit(X, y)
        np.testing.assert_array_equal(X, X_before)
        np.testing.assert_array_equal(y, y_before)
        assert repr((estimator.get_params(), strategy.get_params())) == before
        assert not hasattr(estimator, "classes_")
        np.testing.assert_array_equal(np.random.get_state()[1], state)


class TestSeeds:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda net: net,
            lambda net: make_pipeline(StandardScaler(), net),
            lambda net: SklearnClassifier(net, classes=[0, 1, 2]),
            lambda net: CalibratedClassifierCV(net, cv=2),
        ],
        ids=["net", "pipeline", "wrapper", "calibrated"],
    )
    def test_a_net_without_a_seed_is_seeded_and_moves_no_generator(self, wrap):
        net = make_net(max_epochs=1, module__n_features=4, module__n_classes=3)
        model = wrap(net)
        torch.manual_seed(0)
        state = torch.get_rng_state()
        first = learner(model, MarginSampling(), n_initial=12).fit(X, y)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(1)
        second = learner(model, MarginSampling(), n_initial=12).fit(X, y)
        np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
        for a, b in zip(first.query_indices_, second.query_indices_, strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", [None, BALD(), Badge()], ids=str)
    def test_equal_seeds_give_equal_runs(self, strategy):
        first, second = (
            learner(dropout_classifier(), strategy).fit(X, y) for _ in range(2)
        )
        for a, b in zip(first.query_indices_, second.query_indices_, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))

    def test_other_seeds_give_other_runs(self):
        first, second = (learner(random_state=seed).fit(X, y) for seed in (0, 1))
        assert set(first.test_indices_) != set(second.test_indices_)
        assert set(first.query_indices_[0]) != set(second.query_indices_[0])

    @pytest.mark.slow
    def test_strategies_share_the_start(self):
        first, second = (
            learner(dropout_classifier(), strategy).fit(X, y)
            for strategy in (None, BALD())
        )
        np.testing.assert_array_equal(first.test_indices_, second.test_indices_)
        np.testing.assert_array_equal(first.query_indices_[0], second.query_indices_[0])
        np.testing.assert_array_equal(
            first.stages_[0].predict_proba(X), second.stages_[0].predict_proba(X)
        )
        assert set(first.query_indices_[1]) != set(second.query_indices_[1])

    def test_no_seed_gives_fresh_runs(self):
        runs = [learner(random_state=None).fit(X, y) for _ in range(2)]
        assert set(runs[0].test_indices_) != set(runs[1].test_indices_)


class TestWarm:
    @pytest.mark.slow
    def test_weights_are_carried_on(self):
        X, y = make_blobs(100, random_state=0)
        X = X.astype(np.float32)
        net = make_net(max_epochs=1, lr=1e-9)  # weights hardly move
        params = {"n_initial": 3, "n_cycles": 3}
        scratch, warm = (
            learner(MAKERS["deep"](net), retrain=retrain, **params).fit(X, y)
            for retrain in ("scratch", "warm")
        )
        for fitted, is_same in ((scratch, False), (warm, True)):
            first, *_, last = (stage.predict_proba(X) for stage in fitted.stages_)
            assert np.allclose(first, last, atol=1e-4) == is_same

    def test_a_pipeline_carries_on_its_last_step(self):
        net = make_net(max_epochs=1, lr=1e-9)
        pipe = make_pipeline(StandardScaler(), MAKERS["deep"](net))
        fitted = learner(pipe, CoreSet(), retrain="warm").fit(X, y)
        first, *_, last = (stage.predict_proba(X) for stage in fitted.stages_)
        np.testing.assert_allclose(first, last, atol=1e-4)
        assert fitted.stages_[0][0] is not fitted.stages_[1][0]

    @pytest.mark.parametrize(
        "estimator",
        [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())],
        ids=["classifier", "pipeline"],
    )
    def test_what_cannot_be_warm_is_refused(self, estimator):
        with pytest.raises(ValueError, match=r"fit_from.*LogisticRegression"):
            learner(estimator, retrain="warm").fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_initial": 0}, "n_initial"),
        ({"batch_size": 0}, "batch_size"),
        ({"n_cycles": -1}, "n_cycles"),
        ({"initial": "kmeans"}, "initial"),
        ({"retrain": "hot"}, "retrain"),
        ({"score_by": "best"}, "score_by"),
        ({"test_size": 1.5}, "test_size"),
        ({"strategy": "bald"}, "query_strategy"),
        ({"scoring": "acuracy"}, "acuracy"),
        ({"scoring": []}, "at least one metric"),
        ({"scoring": {"n_labels": "accuracy"}}, "n_labels"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        learner(**params).fit(X, y)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, y[:-1]), "inconsistent"),
        ((X, np.full(150, -1)), "unknown"),
        ((np.where(X > 7, np.nan, X), y), "NaN"),
        ((X, y, X), "together"),
    ],
    ids=["lengths", "no label", "nan", "test data"],
)
def test_bad_data_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        learner().fit(*data)
