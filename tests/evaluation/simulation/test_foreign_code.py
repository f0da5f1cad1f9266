"""Code of others that writes into what it is given changes nothing for those after."""

import numpy as np
import pytest
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import MAKERS, make_net
from torch import nn

from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.evaluation._metrics import MEASURED, named_scorers, scores_of
from skal_deep.pool import Badge, CoreSet, MarginSampling
from skal_deep.rows._lent import lent

X, y = load_wine(return_X_y=True)


def scaled(copy, last=None):
    last = LogisticRegression(max_iter=500) if last is None else last
    return make_pipeline(StandardScaler(copy=copy), last)


def results(comparison):
    curves = [
        {key: value for key, value in row.items() if key not in MEASURED}
        for row in comparison.curves
    ]
    return curves, comparison.picks


def compare(estimator, X=X, **params):
    defaults = {"n_repeats": 2, "n_cycles": 2, "batch_size": 5, "random_state": 0}
    return compare_strategies(
        [MarginSampling(), CoreSet()],
        estimator,
        X,
        y,
        progress=False,
        **(defaults | params),
    )


def spoils(clf, X, y):
    """A metric that leaves nothing as it was."""
    score = clf.score(X, y)
    proba = clf.predict_proba(X)
    proba[:] = 0
    X[:], y[:] = 0, 0
    return score


@pytest.mark.slow
@pytest.mark.parametrize("is_given", [False, True])
def test_a_scaler_without_copy(is_given):
    data = {"X_test": X[::2].copy(), "y_test": y[::2].copy()} if is_given else {}
    mine, before = X.copy(), {name: values.copy() for name, values in data.items()}
    wanted = compare(scaled(True), mine, **data)
    got = compare(scaled(False), mine, **data)
    assert results(got) == results(wanted)
    np.testing.assert_array_equal(mine, X)
    for name, values in data.items():
        np.testing.assert_array_equal(values, before[name])


@pytest.mark.slow
@pytest.mark.parametrize("retrain", ["scratch", "warm"])
def test_in_front_of_a_net(retrain):
    inputs = X.astype(np.float32)

    def run(copy):
        clf = MAKERS["dropout"](make_net(max_epochs=2))
        return compare_strategies(
            [Badge()],
            scaled(copy, clf),
            inputs,
            y,
            X_test=inputs,
            y_test=y,
            n_repeats=1,
            n_cycles=1,
            retrain=retrain,
            progress=False,
            random_state=0,
        )

    assert results(run(False)) == results(run(True))
    np.testing.assert_array_equal(inputs, X.astype(np.float32))


@pytest.mark.slow
def test_metrics_that_write():
    clf, scoring = GaussianNB(), {"spoils": spoils}
    scoring |= {"accuracy": "accuracy", "neg_log_loss": "neg_log_loss"}
    mine, labels = X.copy(), y.copy()
    got = compare(clf, mine, scoring=scoring, X_test=mine, y_test=labels)
    wanted = compare(clf, scoring=["accuracy", "neg_log_loss"], X_test=X, y_test=y)
    for name in wanted.strategies:
        for metric in wanted.metrics:
            expected = wanted.curve(name, metric)
            np.testing.assert_array_equal(got.curve(name, metric), expected)
        accuracy = wanted.curve(name, "accuracy")
        np.testing.assert_array_equal(got.curve(name, "spoils"), accuracy)
    np.testing.assert_array_equal(mine, X)
    np.testing.assert_array_equal(labels, y)


def test_a_metric_that_asks_about_what_it_changed():
    clf = GaussianNB().fit(X, y)

    def shifted(clf, X, y):
        before = clf.predict_proba(X)
        X += 100
        return float(np.abs(clf.predict_proba(X) - before).max())

    scores = scores_of(named_scorers({"a": shifted, "b": shifted}), clf, X, y, -1)
    assert scores["a"] == scores["b"] > 0.01


def test_strategies_that_write():
    class Spoils(UncertaintySampling):
        def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1):
            rows = {"candidates": candidates, "batch_size": batch_size}
            picks = super().query(X, y, clf, fit_clf=fit_clf, **rows)
            X[:], y[:] = 0, 0
            return picks

    def run(strategy):
        learner = SimulatedActiveLearner(
            ParzenWindowClassifier(), strategy, n_cycles=3, test_size=None
        )
        learner.set_params(random_state=0).fit(mine, labels, X_test=X, y_test=y)
        return learner.query_indices_, learner.learning_curve_["accuracy"]

    mine, labels = X.copy(), y.copy()
    picks, scores = run(UncertaintySampling())
    got_picks, got_scores = run(Spoils())
    np.testing.assert_array_equal(got_picks, picks)
    np.testing.assert_array_equal(got_scores, scores)
    np.testing.assert_array_equal(mine, X)
    np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize(
    "picks", [[0, 0], [-1], [10**6], [0.5], [], [[1], [2]], "labelled"]
)
def test_strategies_that_ask_for_what_cannot_be_labelled(picks):
    class Asks(UncertaintySampling):
        def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1):
            return np.flatnonzero(y >= 0)[:1] if picks == "labelled" else picks

    learner = SimulatedActiveLearner(ParzenWindowClassifier(), Asks(), n_cycles=1)
    with pytest.raises(ValueError, match="Asks should have returned distinct"):
        learner.fit(X, y)


@pytest.mark.slow
def test_a_net_that_writes_into_its_input():
    class Writes(nn.Module):
        def __init__(self, n_features=13):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(n_features, 3), nn.Softmax(1))

        def forward(self, x):
            x -= 1
            x *= 0.5
            return self.layers(x)

    class Reads(Writes):
        def forward(self, x):
            return self.layers((x - 1) * 0.5)

    inputs = X.astype(np.float32)

    def run(module):
        net = make_net(module, max_epochs=2, criterion=nn.NLLLoss, lr=0.01)
        return compare_strategies(
            [MarginSampling()],
            MAKERS["deep"](net),
            inputs,
            y,
            X_test=inputs,
            y_test=y,
            n_repeats=1,
            n_cycles=1,
            progress=False,
            random_state=0,
        )

    assert results(run(Writes)) == results(run(Reads))
    np.testing.assert_array_equal(inputs, X.astype(np.float32))


@pytest.mark.parametrize("fit_clf", [True, False])
@pytest.mark.parametrize("strategy", [MarginSampling(), CoreSet()])
def test_a_query(strategy, fit_clf):
    mine, shown = X.copy(), np.where(np.arange(len(y)) % 9, -1, y)
    picks = []
    for copy in (True, False):
        clf = scaled(copy).fit(X[::9].copy(), y[::9])
        picks.append(strategy.query(mine, shown, clf, fit_clf=fit_clf, batch_size=5))
        np.testing.assert_array_equal(mine, X)
    np.testing.assert_array_equal(*picks)


def test_predictions_of_the_learner_leave_the_callers_data():
    learner = SimulatedActiveLearner(scaled(False), n_cycles=1, random_state=0)
    learner.fit(X, y)
    mine = X.copy()
    proba = learner.predict_proba(mine)
    np.testing.assert_array_equal(learner.predict_proba(mine), proba)
    np.testing.assert_array_equal(learner.predict(mine), proba.argmax(1))
    np.testing.assert_array_equal(mine, X)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps_are_lent_without_being_read(tmp_path, mode):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    for view in (mapped, np.asarray(mapped), mapped[20:60], mapped[10:][5:]):
        loan = lent(view)
        np.testing.assert_array_equal(loan, view)
        loan[:] = 0
        assert (np.asarray(view) != 0).any()
    np.testing.assert_array_equal(lent(mapped[:, 1]), mapped[:, 1])
    np.testing.assert_array_equal(lent(mapped.T), mapped.T)
    if mode == "c":  # its changes are in no file
        mapped[0] = 7
        assert (lent(mapped)[0] == 7).all()
    got = compare(scaled(False), mapped, X_test=mapped, y_test=y)
    assert (np.load(tmp_path / "X.npy") == X).all()
    if mode != "c":
        assert results(got) == results(compare(scaled(True), X_test=X, y_test=y))


def test_lists_and_objects_are_lent():
    words = np.array([["a"], ["b"]], dtype=object)
    words[0, 0] = ["a"]
    loan = lent(words)
    loan[0, 0].append("b")
    assert words[0, 0] == ["a"]
    assert lent(None) is None
