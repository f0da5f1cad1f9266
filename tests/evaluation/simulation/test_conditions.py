"""Streams, metrics, retraining, redundancy, noise, costs, reference lines."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from support import MAKERS, make_net

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.net._shrink import shrink_weights
from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    cut_saturated,
)
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation.simulation._conditions import add_copies, add_label_noise
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.pool import BALD, CoreSet

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def learner(estimator=None, strategy=None, **params):
    defaults = {"batch_size": 5, "n_cycles": 3, "random_state": 0}
    estimator = ParzenWindowClassifier() if estimator is None else estimator
    return SimulatedActiveLearner(estimator, strategy, **(defaults | params))


def compare(strategies=(), estimator=None, **params):
    defaults = {"n_repeats": 2, "n_cycles": 3, "batch_size": 5, "random_state": 0}
    return compare_strategies(
        strategies,
        ParzenWindowClassifier() if estimator is None else estimator,
        X,
        y,
        progress=False,
        **(defaults | params),
    )


class TestStreams:
    def test_every_repeat_purpose_and_cycle_has_its_own(self):
        keys = itertools.product(range(20), Purpose, range(20))
        seeds = {
            derived_seed(derived_seed(0, repeat), purpose, cycle)
            for repeat, purpose, cycle in keys
        }
        assert len(seeds) == 20 * len(Purpose) * 20

    @pytest.mark.slow
    def test_what_a_strategy_draws_moves_no_other_stream(self):
        class Greedy(UncertaintySampling):
            """Draws more random numbers than it needs."""

            def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1):
                np.random.default_rng(self.random_state).random(1000)
                return super().query(
                    X,
                    y,
                    clf,
                    fit_clf=fit_clf,
                    candidates=candidates,
                    batch_size=batch_size,
                )

        net = MAKERS["dropout"](make_net(max_epochs=2))
        plain, greedy = (
            compare({"it": strategy()}, net, n_repeats=1)
            for strategy in (UncertaintySampling, Greedy)
        )
        np.testing.assert_array_equal(plain.curve("it"), greedy.curve("it"))


class TestMetrics:
    def test_of_a_calibrated_and_a_boastful_classifier(self):
        prior = DummyClassifier(strategy="prior").fit(X, y)
        boastful = DummyClassifier(strategy="constant", constant=0).fit(X, y)
        ece = named_scorers("neg_ece")["neg_ece"]
        assert ece(prior, X, y) == pytest.approx(0)
        assert ece(boastful, X, y) == pytest.approx(-2 / 3)

    def test_log_loss_is_scikit_learns(self):
        clf = LogisticRegression().fit(X[:, :2], y)
        ours = named_scorers("neg_log_loss")["neg_log_loss"]
        expected = get_scorer("neg_log_loss")(clf, X[:, :2], y)
        assert ours(clf, X[:, :2], y) == pytest.approx(expected)

    def test_log_loss_with_classes_that_are_missing(self):
        ours = named_scorers("neg_log_loss")["neg_log_loss"]
        clf = LogisticRegression().fit(X, y)
        proba = clf.predict_proba(X[:50])[:, 0]
        assert ours(clf, X[:50], y[:50]) == pytest.approx(np.log(proba).mean())
        clf = LogisticRegression().fit(X[:100], y[:100])
        assert ours(clf, X[100:], y[100:]) == pytest.approx(np.log(2.0**-23))  # float32

    def test_several_metrics_ask_once(self):
        class Counted(ParzenWindowClassifier):
            asked = 0

            def predict_proba(self, X):
                Counted.asked += 1
                return super().predict_proba(X)

        names = [
            "neg_ece",
            "accuracy",
            "neg_log_loss",
            "roc_auc_ovr",
            "balanced_accuracy",
        ]
        fitted = Counted().fit(X[::2], y[::2])
        together = scores_of(named_scorers(names), fitted, X, y, -1)
        assert Counted.asked == 1
        assert list(together) == names
        assert "predict" not in vars(fitted)
        for name, metric in named_scorers(names).items():
            assert together[name] == scores_of({name: metric}, fitted, X, y, -1)[name]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "estimator",
        [
            make_net(max_epochs=1, module__n_features=4, module__n_classes=3),
            make_pipeline(StandardScaler(), MAKERS["dropout"](make_net(max_epochs=1))),
            MAKERS["ensemble"](make_net(max_epochs=1)),
            LogisticRegression(max_iter=1000),
        ],
        ids=["skorch", "pipeline", "ensemble", "scikit-learn"],
    )
    def test_several_metrics_of_classifiers_of_any_kind(self, estimator):
        fitted = learner(estimator, n_cycles=1).fit(X, y).estimator_
        metrics = named_scorers(["neg_log_loss", "accuracy", "neg_ece"])
        together = scores_of(metrics, fitted, X, y, -1)
        for name, metric in metrics.items():
            assert together[name] == metric(fitted, X, y)

    def test_all_are_columns_of_the_curves(self):
        names = ["accuracy", "balanced_accuracy", "neg_log_loss", "neg_ece"]
        result = compare(scoring=names)
        assert result.metrics == tuple(names)
        for name in names:
            assert np.isfinite(result.curve("random", name)).all()


class TestRetrain:
    @pytest.mark.slow
    def test_shrunk_weights(self):
        clf = MAKERS["ensemble"](make_net(), random_state=0).fit(X, y)
        before = [p.detach().clone() for n in clf.nets_ for p in n.module_.parameters()]
        half = shrink_weights(clf, 0)
        after = [p.detach() for n in half.nets_ for p in n.module_.parameters()]
        noise = np.concatenate(
            [(b - 0.6 * a).numpy().ravel() for a, b in zip(before, after, strict=True)]
        )
        assert noise.std() == pytest.approx(0.01, rel=0.15)
        assert abs(noise.mean()) < 0.002
        again = [p.detach() for n in clf.nets_ for p in n.module_.parameters()]
        assert all((a == b).all() for a, b in zip(before, again, strict=True))

    @pytest.mark.slow
    def test_training_goes_on_from_shrunk_weights(self):
        net = make_net(max_epochs=1, lr=1e-9)  # weights hardly move
        for pipe in (
            MAKERS["deep"](net),
            make_pipeline(StandardScaler(), MAKERS["deep"](net)),
        ):
            first, second = (
                stage[-1] if hasattr(stage, "steps") else stage
                for stage in learner(
                    pipe, retrain="shrink_perturb", n_cycles=1, keep_stages=True
                )
                .fit(X, y)
                .stages_
            )
            for a, b in zip(
                first.nets_[0].module_.parameters(),
                second.nets_[0].module_.parameters(),
                strict=True,
            ):
                np.testing.assert_allclose(b.detach(), 0.6 * a.detach(), atol=0.06)

    @pytest.mark.slow
    def test_it_is_reproducible_and_another_thing(self):
        net = MAKERS["dropout"](make_net(max_epochs=3))
        curves = [
            compare(
                [BALD()], net, retrain=retrain, scoring="neg_log_loss", n_repeats=1
            ).curve("BALD")
            for retrain in ("shrink_perturb", "shrink_perturb", "warm", "scratch")
        ]
        np.testing.assert_array_equal(curves[0], curves[1])
        assert len({curve.tobytes() for curve in curves}) == 3
        with pytest.raises(ValueError, match="retrain='shrink_perturb' needs"):
            learner(LogisticRegression(), retrain="shrink_perturb").fit(X, y)


class TestCopies:
    def test_copies_are_near_the_rows(self):
        many = add_copies(X, 3, 0.1, 0)
        assert many.shape == (450, 4)
        np.testing.assert_array_equal(many[:150], X)
        noise = many[150:] - np.concatenate([X, X])
        assert noise.std() == pytest.approx(0.1 * X.std(), rel=0.1)
        assert many.dtype == X.dtype
        np.testing.assert_array_equal(add_copies(X, 2, 0, 0), np.concatenate([X, X]))

    def test_copies_of_rows_set_aside_are_never_queried(self):
        fitted = learner(n_copies=3, n_cycles=1000, batch_size=50).fit(X, y)
        assert fitted.learning_curve_["n_labels"][-1] == 3 * 112
        rows = np.concatenate(fitted.query_indices_)
        assert len(set(rows)) == len(rows)
        assert not np.isin(rows % 150, fitted.test_indices_).any()
        np.testing.assert_array_equal(np.bincount(rows % 150).max(), 3)

    @pytest.mark.slow
    def test_top_k_buys_copies_and_diversity_does_not(self):
        def n_distinct(strategy):
            rows = learner(
                MAKERS["dropout"](make_net()), strategy, n_copies=4, copy_noise=0
            ).fit(X, y)
            return len({row % 150 for row in np.concatenate(rows.query_indices_[1:])})

        assert n_distinct(CoreSet()) > n_distinct(UncertaintySampling())

    def test_whole_numbers_have_no_noise(self):
        positions = np.arange(150).reshape(-1, 1)
        with pytest.raises(ValueError, match="copy_noise=0"):
            learner(n_copies=2).fit(positions, y)
        learner(n_copies=2, copy_noise=0).fit(positions, y)


class TestLabelNoise:
    @given(st.floats(0.01, 0.99), st.integers(2, 6))
    def test_wrong_labels_are_other_classes(self, share, n_classes):
        classes = np.array(list("abcdef"))[:n_classes]
        labels = classes[np.arange(1000) % n_classes]
        pool = np.arange(0, 1000, 2)
        said = add_label_noise(labels, pool, classes, share, 0)
        wrong = said != labels
        assert not wrong[1::2].any()
        assert set(said) <= set(classes)
        assert abs(wrong[pool].mean() - share) < 5 * np.sqrt(share * (1 - share) / 500)

    @pytest.mark.slow
    def test_scores_stay_clean_and_strategies_share_the_errors(self):
        clf = ParzenWindowClassifier()
        result = compare([CoreSet()], clf, label_noise=0.4, n_cycles=30)
        clean = compare([CoreSet()], clf, n_cycles=30)
        assert (
            result.curve("random")[:, -1].mean() < clean.curve("random")[:, -1].mean()
        )
        # with the whole pool labelled the order does not matter
        np.testing.assert_array_equal(
            result.curve("random")[:, -1], result.curve("CoreSet")[:, -1]
        )


class TestCost:
    @pytest.mark.slow
    def test_what_was_spent_is_a_column(self):
        cost = np.arange(1, 151)
        result = compare([CoreSet()], cost=cost)
        for row, pick in zip(result.curves, result.picks, strict=True):
            if row["stage"] == 0:
                spent = 0
            spent += cost[pick["indices"]].sum()
            assert row["cost"] == spent
        assert "cost" not in compare().curves[0]

    def test_copies_cost_what_rows_cost(self):
        fitted = learner(n_copies=2).fit(X, y, cost=np.full(150, 2.0))
        curve = fitted.learning_curve_
        np.testing.assert_array_equal(curve["cost"], 2 * curve["n_labels"])

    @pytest.mark.parametrize("cost", [np.ones(149), np.zeros(150)])
    def test_bad_costs_are_refused(self, cost):
        with pytest.raises(ValueError, match="positive number for each of the 150"):
            compare(cost=cost)


REFERENCES = {
    "all labels": None,
    "linear probe": LogisticRegression(max_iter=1000),
    "self-training": SelfTrainingClassifier(LogisticRegression(max_iter=1000)),
    "spreading": make_pipeline(StandardScaler(), LabelSpreading()),
}


@pytest.fixture(scope="module")
def result():
    """A comparison with reference lines."""
    return compare([CoreSet()], references=REFERENCES)


class TestReferences:
    @staticmethod
    def line(result, name, repeat):
        return [
            row
            for row in result.references
            if (row["strategy"], row["repeat"]) == (name, repeat)
        ]

    def test_a_line_of_each_repeat(self, result):
        assert len(result.references) == 2 * (1 + 3 * 4)
        assert result.strategies == ["random", "CoreSet"]
        assert set(result.settings["references"]) == set(REFERENCES)

    @pytest.mark.slow
    def test_the_whole_pool(self, result):
        for repeat in range(2):
            [row] = self.line(result, "all labels", repeat)
            assert row["n_labels"] == 112
            last = compare(n_cycles=100).curve("random")[repeat, -1]
            assert row["accuracy"] == last

    @pytest.mark.slow
    def test_fitted_to_the_labels_of_random_sampling(self, result):
        picks = [p["indices"] for p in result.picks if p["strategy"] == "random"][:4]
        seen = learner(n_cycles=0, random_state=derived_seed(0, 0)).fit(X, y)
        aside = seen.test_indices_
        for stage, row in enumerate(self.line(result, "linear probe", 0)):
            rows = np.concatenate(picks[: stage + 1])
            clf = LogisticRegression(max_iter=1000).fit(X[rows], y[rows])
            assert row["accuracy"] == clf.score(X[aside], y[aside])

    def test_the_rows_without_a_label_are_learned_from(self, result):
        picks = [p["indices"] for p in result.picks if p["strategy"] == "random"][:1]
        aside = (
            learner(n_cycles=0, random_state=derived_seed(0, 0)).fit(X, y).test_indices_
        )
        visible = np.setdiff1d(np.arange(150), aside)
        shown = np.full(150, -1)
        shown[picks[0]] = y[picks[0]]
        clf = make_pipeline(StandardScaler(), LabelSpreading())
        clf.fit(X[visible], shown[visible])
        expected = clf.score(X[aside], y[aside])
        assert self.line(result, "spreading", 0)[0]["accuracy"] == expected

    @pytest.mark.slow
    def test_they_are_kept_and_continued(self, result, tmp_path):
        params = {"references": REFERENCES, "run_dir": tmp_path}
        lines = [
            [
                (r["strategy"], r["repeat"], r["stage"], r["accuracy"])
                for r in c.references
            ]
            for c in (
                result,
                compare([CoreSet()], **params),
                compare([CoreSet()], **params),
            )
        ]
        assert lines[0] == lines[1] == lines[2]
        assert len(list(tmp_path.glob("references/*/*.jsonl"))) == 8


class TestSaturation:
    @pytest.mark.slow
    def test_stages_after_it_are_left_out(self):
        result = compare([CoreSet()], n_repeats=3, n_cycles=15)
        mean = result.curve("random").mean(0)
        short = cut_saturated(result, 0.95)
        n_stages = short.curve("random").shape[1]
        assert 2 <= n_stages < 16
        assert mean[n_stages - 1] >= 0.95 * mean[-1]
        assert (mean[1 : n_stages - 1] < 0.95 * mean[-1]).all()
        assert len(short.curves) == len(short.picks) == 2 * 3 * n_stages
        np.testing.assert_array_equal(
            short.curve("CoreSet"), result.curve("CoreSet")[:, :n_stages]
        )

    @pytest.mark.slow
    def test_negative_metrics(self):
        result = compare(scoring="neg_log_loss", n_repeats=3, n_cycles=15)
        mean = result.curve("random").mean(0)
        n_stages = cut_saturated(result, 0.9).curve("random").shape[1]
        assert n_stages == max(2, 1 + np.argmax(mean >= 1.1 * mean[-1]))

    def test_nonsense_is_refused(self):
        with pytest.raises(ValueError, match="share"):
            cut_saturated(compare(), 1.5)
