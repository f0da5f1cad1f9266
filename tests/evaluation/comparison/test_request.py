"""What a comparison is asked for: bad requests say what to do, before anything runs."""

from inspect import signature

import numpy as np
import pytest
from skactiveml.classifier import ParzenWindowClassifier
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.evaluation.simulation._rules import RULES
from skal_deep.pool import CoreSet, MarginSampling

X, y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
SMALL = {
    "n_repeats": 2,
    "n_initial": 6,
    "batch_size": 5,
    "n_cycles": 2,
    "progress": False,
    "random_state": 0,
}


ONE = (CoreSet(),)


def compare(strategies=ONE, estimator=None, X=X, y=y, **params):
    estimator = LogisticRegression(max_iter=300) if estimator is None else estimator
    return compare_strategies(strategies, estimator, X, y, **(SMALL | params))


def refused(error, **params):
    """Return what is said of a request, on which nothing was run."""
    with pytest.raises(error) as caught:
        compare(**params)
    return str(caught.value)


@pytest.mark.parametrize("strategies", ["bald", CoreSet(), None, 3], ids=repr)
def test_strategies_are_a_list_or_a_dict(strategies):
    assert "a list of strategies, such as [BALD()]" in refused(
        TypeError, strategies=strategies
    )


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("strategy", [CoreSet, "badge", 7], ids=str)
def test_a_strategy_is_an_object(strategy, named):
    said = refused(TypeError, strategies={"s": strategy} if named else [strategy])
    wanted = "write CoreSet(...)" if strategy is CoreSet else "one of skal_deep.pool"
    assert wanted in said


def test_classes_in_the_place_of_objects_are_told():
    said = refused(TypeError, estimator=LogisticRegression)
    assert "estimator must be an object" in said
    assert "write LogisticRegression(...)" in said
    references = {"line": LogisticRegression}
    assert "reference must be an object" in refused(TypeError, references=references)


@pytest.mark.parametrize("n_repeats", [0, -1, 2.5, None, [], True], ids=str)
def test_repeats_are_a_number_or_numbers(n_repeats):
    said = refused(ValueError, n_repeats=n_repeats)
    assert f"at least 1, or numbers from 0 up, not {n_repeats}." in said


def test_references_have_names_of_their_own():
    line = LogisticRegression()
    assert "must be a dict" in refused(TypeError, references=[line])
    for taken in ("random", "CoreSet"):
        said = refused(ValueError, references={taken: line, "free": line})
        assert f"{taken} is taken" in said


@pytest.mark.parametrize(
    ("metric", "near"),
    [("acc", "accuracy"), ("ece", "neg_ece"), ("log_loss", "neg_log_loss")],
)
def test_a_metric_is_found_by_a_part_of_its_name(metric, near):
    said = refused(ValueError, scoring=metric)
    assert f"no metric {metric!r}. Did you mean {near!r}" in said


@pytest.mark.parametrize("metric", ["zebra", 3])
def test_other_metrics_are_said_where_to_find(metric):
    assert "get_scorer_names" in refused(ValueError, scoring=metric)


@pytest.mark.parametrize(
    "params", [{"n_initial": 1000}, {"batch_size": 1000}, {"n_initial": 107}], ids=str
)
def test_a_pool_without_a_choice_is_refused(params):
    said = refused(ValueError, **params)  # a quarter of 150 rows is set aside
    assert "all 112 rows of the pool" in said
    assert "ask for fewer" in said


@pytest.mark.slow
def test_a_pool_with_a_choice_is_not():
    few = compare(n_initial=106)
    assert few.curve("CoreSet", "n_labels")[0].tolist() == [106, 111, 112]
    copies = compare(n_initial=107, n_copies=2, n_cycles=1)
    assert copies.curve("CoreSet", "n_labels")[0].tolist() == [107, 112]
    given = compare(n_initial=140, X_test=X, y_test=y)
    assert given.curve("CoreSet", "n_labels")[0].tolist() == [140, 145, 150]
    assert compare(n_initial=1000, n_cycles=0).curve("random", "n_labels")[0] == 112


@pytest.mark.slow
def test_only_known_labels_count_for_the_choice():
    unknown = y.copy()
    unknown[::2] = -1
    assert "all 56 rows" in refused(ValueError, y=unknown, n_initial=51)
    labels = compare(y=unknown, n_initial=46, n_cycles=5).curve("random", "n_labels")
    assert labels[:, -1].tolist() == [56, 56]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [None, object])
def test_words_as_labels(dtype):
    words = NAMES[y].astype(dtype or NAMES.dtype)
    said = refused(TypeError, y=words)
    assert "missing_label=-1 cannot stand among " in said
    assert "pass missing_label=None" in said
    told = compare([MarginSampling()], y=words, missing_label=None)
    numbers = compare([MarginSampling()])
    np.testing.assert_array_equal(
        told.curve("MarginSampling"), numbers.curve("MarginSampling")
    )


@pytest.mark.slow
def test_labels_that_are_nan():
    unknown = np.where(np.arange(150) % 3, y, np.nan)
    assert "pass missing_label=np.nan" in refused(ValueError, y=unknown)
    known = compare(y=unknown, missing_label=np.nan)
    assert known.curve("random", "n_labels")[0].tolist() == [6, 11, 16]


def test_labels_of_another_shape():
    assert "its shape is (150, 3)" in refused(ValueError, y=np.eye(3)[y])


def test_test_labels_of_another_kind():
    said = refused(ValueError, X_test=X, y_test=NAMES[y])
    assert "No label of y_test occurs in y" in said


def test_a_file_in_the_place_of_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        said = refused(NotADirectoryError, run_dir=path)
        assert f"The run_dir {path} cannot be a directory" in said


@pytest.mark.slow
def test_classes_with_fewer_rows_than_repeats():
    rare = np.zeros(150, int)
    rare[[3, 50]] = 1, 2
    with pytest.warns(UserWarning, match="98.7% of the rows are of class 0"):
        result = compare(estimator=ParzenWindowClassifier(), y=rare, n_repeats=4)
    assert result.curve("CoreSet").shape == (4, 3)


@pytest.mark.slow
def test_lists_are_arrays():
    result = compare(X=X.tolist(), y=y.tolist())
    np.testing.assert_array_equal(result.curve("CoreSet"), compare().curve("CoreSet"))


@pytest.mark.slow
def test_frames_are_arrays():
    pandas = pytest.importorskip("pandas")
    result = compare(
        X=pandas.DataFrame(X).set_axis([*"abcd"], axis=1), y=pandas.Series(y)
    )
    np.testing.assert_array_equal(result.curve("CoreSet"), compare().curve("CoreSet"))


def test_rules_are_those_of_the_learner():
    learner = signature(SimulatedActiveLearner).parameters
    of_one = {"estimator", "query_strategy", "keep_stages", "score_by", "random_state"}
    assert set(RULES) == set(learner) - of_one
    compared = signature(compare_strategies).parameters
    for name in RULES:
        assert compared[name].default == learner[name].default
