"""Pictures of pools, queries and uncertainty show what they say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from skactiveml.pool import RandomSampling
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import make_net

from skal_deep.classifier import CapabilityError, DeepClassifier
from skal_deep.evaluation import strategy_styles
from skal_deep.pool import BALD, CoreSet, MarginSampling
from skal_deep.visualization import (
    plot_batch,
    plot_boundary,
    plot_images,
    plot_picks,
    plot_points,
    plot_query,
    plot_uncertainty,
    plot_utilities,
)

X, truth = make_blobs(60, centers=3, random_state=0)
y = np.where(np.arange(60) < 9, truth, -1)


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def no_window_is_left_open():
    yield
    plt.close("all")


def numbers(ax):
    return {
        text.get_text(): tuple(np.float32(text.get_position())) for text in ax.texts
    }


def mesh(ax):
    [found] = [each for each in ax.collections if isinstance(each, QuadMesh)]
    return found.get_array()


def test_each_function_returns_the_axes_that_it_is_given(ax):
    forest = RandomForestClassifier(5, random_state=0).fit(X, truth)
    drawn = [
        plot_points(X, y, ax=ax),
        plot_picks(X, [10, 11], ax=ax),
        plot_boundary(forest, X, ax=ax),
        plot_uncertainty(forest, X, ax=ax),
        plot_utilities(X, np.arange(60.0), ax=ax),
        plot_batch(X, y, [10], ax=ax),
        plot_images(np.zeros((2, 4, 4)), ax=ax),
        plot_query(CoreSet(), X, y, ax=ax),
    ]
    assert all(each is ax for each in drawn)


def test_points_are_those_of_their_class():
    ax = plot_points(X, y)
    shown = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert list(shown) == ["no label", "class 0", "class 1", "class 2"]
    np.testing.assert_allclose(shown["class 1"], X[y == 1], rtol=1e-6)
    assert len(shown["no label"]) == 51


def test_labels_may_be_words():
    words = np.array(["cat", "dog", None] * 20, dtype=object)
    ax = plot_points(X, words, missing_label=None)
    assert [line.get_label() for line in ax.lines] == [
        "no label",
        "class cat",
        "class dog",
    ]


def test_picks_are_numbered_where_they_lie():
    shown = numbers(plot_picks(X, np.array([7, 3])))
    np.testing.assert_allclose(shown["1"], X[7], rtol=1e-6)
    np.testing.assert_allclose(shown["2"], X[3], rtol=1e-6)
    assert numbers(plot_picks(X, [])) == {}


@pytest.mark.slow
def test_the_query_is_that_of_the_strategy_and_has_its_colour():
    strategy = MarginSampling(random_state=0)
    ax = plot_query(strategy, X, y, LogisticRegression(), batch_size=4)
    picks = strategy.query(np.float32(X), y, LogisticRegression(), batch_size=4)
    assert list(numbers(ax)) == ["1", "2", "3", "4"]
    np.testing.assert_allclose(list(numbers(ax).values()), X[picks], rtol=1e-6)
    colour = strategy_styles(["MarginSampling"])["MarginSampling"]["color"]
    faces = {
        plt.matplotlib.colors.to_hex(t.get_bbox_patch().get_fc()) for t in ax.texts
    }
    assert faces == {colour.lower()}


def test_a_query_needs_no_classifier_of_ours_and_changes_nothing():
    clf = make_pipeline(StandardScaler(), LogisticRegression())
    before = y.copy()
    plot_query(MarginSampling(), X, y, clf)
    assert not hasattr(clf[-1], "coef_")
    np.testing.assert_array_equal(y, before)
    nothing = np.full(60, -1)
    plot_query(RandomSampling(missing_label=-1, random_state=0), X, nothing)


def test_utilities_are_painted_by_rank_and_only_near_candidates():
    utilities = np.full(60, np.nan)
    utilities[[1, 2, 3]] = [1.0, 1e9, 5.0]
    shown = mesh(plot_utilities(X, utilities))
    assert set(np.round(shown.compressed(), 3)) <= {0.333, 0.667, 1.0}
    corner = np.concatenate([X, [[40.0, 40.0]]])
    far = mesh(plot_utilities(corner, np.arange(61.0)))
    assert far.mask.mean() > 0.5


def test_utilities_may_be_missing_equal_or_one():
    plot_utilities(X, np.full(60, np.nan))
    equal = mesh(plot_utilities(X, np.zeros(60)))
    assert len(set(equal.compressed())) == 1
    one = np.full(60, np.nan)
    one[5] = 0.3
    assert mesh(plot_utilities(X, one)).count() > 0


def test_the_parts_of_the_uncertainty_add_up():
    forest = RandomForestClassifier(20, max_depth=2, random_state=0).fit(X, truth)
    total, aleatoric, epistemic = (
        mesh(plot_uncertainty(forest, X, part))
        for part in ("total", "aleatoric", "epistemic")
    )
    np.testing.assert_allclose(total, aleatoric + epistemic, atol=1e-5)
    assert epistemic.max() > 0.1


@pytest.mark.slow
def test_the_uncertainty_is_the_same_every_time_and_draws_from_nobody():
    clf = make_net_classifier()
    before = np.random.get_state()[1].copy()
    first, second = (mesh(plot_uncertainty(clf, X, "total")) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def make_net_classifier():
    return DeepClassifier(make_net(), classes=[0, 1, 2], random_state=0).fit(
        np.float32(X), y
    )


def test_a_point_estimate_has_no_epistemic_part():
    with pytest.raises(CapabilityError, match="DeepClassifier has no sample_proba"):
        plot_uncertainty(make_net_classifier(), X, "epistemic")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_boundary_is_where_the_two_best_classes_are_equal(n_classes):
    clf = LogisticRegression().fit(X, truth % n_classes)
    lines = plot_boundary(clf, X).collections
    assert lines
    for line in lines:
        for path in line.get_paths():
            proba = np.sort(clf.predict_proba(path.vertices), axis=1)
            assert np.abs(proba[:, -1] - proba[:, -2]).max() < 0.1


def test_a_classifier_of_one_opinion_has_no_boundary():
    clf = LogisticRegression(C=1e-9).fit(X, np.arange(60) > 50)
    assert not plot_boundary(clf, X).collections


def test_a_batch_of_many_features_is_on_its_principal_components():
    rows = np.random.default_rng(0).normal(size=(30, 5, 2)) * [3.0, 0.1]
    ax = plot_batch(rows, np.full(30, -1), [4])
    assert list(numbers(ax)) == ["1"]
    first = ax.lines[0].get_xydata()
    assert first[:, 0].var() >= first[:, 1].var()


@pytest.mark.parametrize("shape", [(3, 4, 5), (12, 1, 4, 5), (12, 3, 4, 5)])
def test_images_of_any_number_have_their_captions(shape):
    n = shape[0]
    ax = plot_images(np.random.default_rng(0).random(shape), range(n))
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(n)]
    assert len(ax.images) == n
    plot_images(np.zeros(shape))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_points(np.ones((4, 3)), [0] * 4), "plot_batch shows rows"),
        (lambda: plot_points([[0.0, np.nan]], [0]), "NaN or infinity"),
        (lambda: plot_points(X, [0, 1]), "one label for each of the 60 rows"),
        (lambda: plot_picks(X, [60]), "between 0 and 59"),
        (lambda: plot_picks(X, [0.5]), "float64"),
        (lambda: plot_picks(X, np.arange(60) > 3), "bool"),
        (lambda: plot_utilities(X, np.zeros((2, 60))), "Take one row"),
        (lambda: plot_uncertainty(LogisticRegression(), X, "all"), "not 'all'"),
        (lambda: plot_images(np.zeros((4, 64))), "reshape"),
        (lambda: plot_images(np.zeros((4, 2, 8, 8))), "one or three channels"),
        (lambda: plot_images(np.zeros((4, 8, 8)), ["a"]), "4 images, and have 1"),
        (lambda: plot_batch(np.zeros(5), [0] * 5, []), "n_features"),
    ],
)
def test_errors_say_what_came_and_what_to_do(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
    assert not plt.get_fignums()  # no empty figure is left behind


def test_draws_make_a_map_of_bald():
    forest = RandomForestClassifier(10, random_state=0)
    ax = plot_query(BALD(random_state=0), X, y, forest, batch_size=2)
    assert list(numbers(ax)) == ["1", "2"]


def test_regressors_are_told_what_draws_them():
    reg = BayesianRidge().fit(X, X[:, 0])
    with pytest.raises(TypeError, match="BayesianRidge is a regressor"):
        plot_boundary(reg, X)
    with pytest.raises(TypeError, match=r"BayesianRidge is a regressor.*reg="):
        plot_query(CoreSet(), X, X[:, 0], reg)
