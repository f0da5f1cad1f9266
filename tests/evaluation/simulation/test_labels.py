"""Labels as users have them: words with gaps, columns of pandas, large numbers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import make_net

from skal_deep.classifier import DeepClassifier, fit_on_labeled
from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.pool import CoreSet, MarginSampling
from skal_deep.rows._label_array import label_array

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype(np.float32)
IS_HIGH = X[:, 0] > 0
WORDS = np.where(IS_HIGH, "high", "low")
GAPS = np.arange(60) % 6 == 0


def simulated(y, missing_label=-1, estimator=None, **params):
    learner = SimulatedActiveLearner(
        LogisticRegression() if estimator is None else estimator,
        MarginSampling(),
        n_initial=5,
        batch_size=3,
        n_cycles=2,
        missing_label=missing_label,
        random_state=0,
        **params,
    )
    return learner.fit(X, y)


def with_gaps(labels, gap, dtype=object):
    y = np.array(labels, dtype=dtype)
    y[GAPS] = gap
    return y


WORD_COLUMNS = {
    "NaN": with_gaps(WORDS, np.nan),
    "None": with_gaps(WORDS, None),
    "list": with_gaps(WORDS, np.nan).tolist(),
    "categories": pd.Categorical(with_gaps(WORDS, None)),
    "column of categories": pd.Series(pd.Categorical(with_gaps(WORDS, None))),
    "string": pd.Series(with_gaps(WORDS, None), dtype="string"),
    "column of objects": pd.Series(with_gaps(WORDS, None)),
}


@pytest.mark.parametrize("missing_label", [None, "unknown"])
@pytest.mark.parametrize("kind", WORD_COLUMNS)
def test_words_without_a_value_are_missing(kind, missing_label):
    learner = simulated(WORD_COLUMNS[kind], missing_label)
    marked = with_gaps(WORDS, missing_label)
    expected = simulated(marked, missing_label)
    assert learner.classes_.tolist() == ["high", "low"]
    queried = np.concatenate(learner.query_indices_)
    assert not GAPS[queried].any()
    np.testing.assert_array_equal(queried, np.concatenate(expected.query_indices_))


@pytest.mark.parametrize("missing_label", [-1, None, np.nan])
@pytest.mark.parametrize("dtype", ["Int64", "boolean", "float64", "category"])
def test_numbers_of_pandas_without_a_value_are_missing(dtype, missing_label):
    y = pd.Series(IS_HIGH.astype(int)).astype(dtype).where(~GAPS)
    learner = simulated(y, missing_label)
    assert learner.classes_.tolist() == [0, 1]
    assert not GAPS[np.concatenate(learner.query_indices_)].any()


@pytest.mark.slow
def test_classifiers_and_strategies_take_columns_too():
    y = pd.Series(with_gaps(WORDS, None), dtype="string")
    clf = DeepClassifier(make_net(max_epochs=2), missing_label=None, random_state=0)
    assert clf.fit(X, y).classes_.tolist() == ["high", "low"]
    query = MarginSampling(missing_label=None, random_state=0).query
    np.testing.assert_array_equal(
        query(X, y, clf, batch_size=3),
        query(X, with_gaps(WORDS, None), clf, batch_size=3),
    )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [bool, object])
def test_truth_values_without_a_mark(dtype):
    learner = simulated(IS_HIGH.astype(dtype), None)
    assert learner.classes_.dtype == bool
    assert learner.predict(X).dtype == bool
    numbers = simulated(IS_HIGH.astype(int), -1)
    assert learner.learning_curve_["accuracy"].tolist() == (
        numbers.learning_curve_["accuracy"].tolist()
    )
    assert simulated(with_gaps(IS_HIGH, None), None).classes_.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, "Int64"])
def test_large_numbers_stay_apart(dtype):
    big = 2**53
    y = pd.Series(IS_HIGH + big).astype(dtype)
    learner = simulated(y if dtype == "Int64" else y.to_numpy())
    assert learner.classes_.tolist() == [big, big + 1]
    clf = DeepClassifier(make_net(max_epochs=2), random_state=0)
    assert clf.fit(X, y).classes_.tolist() == [big, big + 1]
    gaps = pd.array([big, None, big + 1], dtype="Int64")
    assert label_array(gaps, -1).tolist() == [big, -1, big + 1]
    for labels in (y, gaps):
        with pytest.raises(ValueError, match=r"2\*\*53.*merged.*such as -1"):
            label_array(labels, np.nan)
    with pytest.raises(ValueError, match=r"beyond those of int64.*words"):
        label_array(np.array([2**64 - 1], np.uint64), -1)


def test_labels_of_several_kinds_are_refused():
    with pytest.raises(TypeError, match=r"several kinds .numbers, words.*all words"):
        label_array(["1", 1, None], None)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [([(0,), (1,)], "tuple"), ([{}, {}], "dict"), ([X, X], "ndarray")],
)
def test_labels_that_have_no_order_are_refused(labels, kind):
    y = np.empty(3, dtype=object)
    y[:2] = labels
    with pytest.raises(TypeError, match=f"kind {kind}: make them words or numbers"):
        label_array(y, None)


def test_other_labels_are_left_alone():
    for y in (np.array([1, -1]), np.array([0.5, np.nan]), np.array(["a", ""])):
        assert label_array(y, -1) is y


PLUS_MINUS = np.where(IS_HIGH, 1, -1)
ONE_CLASS = r"All labels are 1: .* hold missing_label=-1 .* pass another missing_label"


@pytest.mark.slow
def test_a_class_at_the_mark_is_an_error_where_it_is_played():
    for estimator in (LogisticRegression(), RandomForestClassifier()):
        with pytest.raises(ValueError, match=ONE_CLASS):
            simulated(PLUS_MINUS, estimator=estimator)
        with pytest.raises(ValueError, match=ONE_CLASS):
            compare_strategies([CoreSet()], estimator, X, PLUS_MINUS, progress=False)
    assert simulated(PLUS_MINUS, -2).classes_.tolist() == [-1, 1]
    told = DeepClassifier(make_net(max_epochs=2), classes=[0, 1])
    assert simulated(PLUS_MINUS, estimator=told).classes_.tolist() == [1]


@pytest.mark.slow
def test_a_class_at_the_mark_is_a_warning_in_a_fit():
    net = make_net(max_epochs=2)
    with pytest.warns(UserWarning, match=ONE_CLASS):
        DeepClassifier(net, random_state=0).fit(X, PLUS_MINUS)
    with pytest.warns(UserWarning, match=ONE_CLASS):
        fit_on_labeled(RandomForestClassifier(n_estimators=2), X, PLUS_MINUS)
    DeepClassifier(net, classes=[0, 1], random_state=0).fit(X, PLUS_MINUS)
    DeepClassifier(net, classes=[-1, 1], missing_label=-2).fit(X, PLUS_MINUS)


def test_a_regressor_is_told_how_unknown_targets_are_marked():
    y = np.where(IS_HIGH, X[:, 0], -1)
    for call in (
        lambda: simulated(y, estimator=Ridge()),
        lambda: compare_strategies([CoreSet()], Ridge(), X, y, progress=False),
    ):
        with pytest.raises(ValueError, match=r"missing_label is -1.*if -1 is a target"):
            call()


@pytest.mark.parametrize("kind", [KMeans(2), IsolationForest()])
def test_what_learns_without_labels_is_refused(kind):
    for estimator in (kind, make_pipeline(StandardScaler(), kind)):
        with pytest.raises(TypeError, match="only classifiers and regressors can be"):
            compare_strategies([], estimator, X, IS_HIGH * 1, progress=False)


@pytest.mark.parametrize("dtype", [int, np.uint8, float, bool])
def test_a_word_marks_no_number(dtype):
    """Numbers became words beside it, and no test row had a class."""
    y = (np.arange(60) % 2).astype(dtype)
    with pytest.raises(
        TypeError, match="missing_label='x' is a word, and y holds numb"
    ):
        simulated(y, "x")
