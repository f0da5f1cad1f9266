"""What was picked: numbers and pictures."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from skal_deep.evaluation.report._picks import (
    class_counts,
    near_duplicates,
    usual_distance,
)
from skal_deep.evaluation.report._plot_picks import (
    plot_classes,
    plot_gallery,
    plot_map,
    project,
)

rng = np.random.default_rng(0)


@pytest.fixture
def ax():
    return Figure().subplots()


def as_rows(*stages):
    return [np.array(rows) for rows in stages]


def test_classes_are_counted_by_stage():
    y = np.array(["b", "a", "c", "a", "b"])
    picks = [as_rows([0, 1], [2], []), as_rows([1, 3], [2], [4])]
    picks[0][2] = np.array([], np.intp)
    counts = class_counts(picks, y)
    np.testing.assert_array_equal(counts, [[1.5, 0.5, 0], [0, 0, 1], [0, 0.5, 0]])


def test_usual_distance_is_that_of_a_grid():
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2)
    assert usual_distance(3 * grid, rng) == 3


def test_near_duplicates_of_repeated_rows():
    rows = rng.normal(size=(100, 3))
    doubled = np.concatenate([rows, rows + 1e-6])
    radius = 0.01
    apart = [as_rows([0], np.arange(1, 50))]
    assert near_duplicates(doubled, apart, radius) == 0
    pairs = [as_rows([0], np.arange(1, 11), np.arange(101, 106))]
    assert near_duplicates(doubled, pairs, radius) == pytest.approx(10 / 15)
    start = [as_rows([0, 100], np.arange(1, 11))]
    assert near_duplicates(doubled, start, radius) == 0
    assert near_duplicates(doubled, pairs + apart, radius) == pytest.approx(5 / 15)


@pytest.mark.parametrize("n", [0, 1])
def test_a_single_pick_is_no_duplicate(n):
    assert near_duplicates(rng.normal(size=(9, 2)), [as_rows([0], [1][:n])], 9.0) == 0


def test_map_has_all_picks(ax):
    points = project(rng.normal(size=(60, 5)), rng)
    assert points.shape == (60, 2)
    assert plot_map(points, as_rows([0, 1], [2, 3, 4], [5]), ax) is ax
    grey, picked, start = (c.get_offsets() for c in ax.collections)
    assert len(grey) == 60
    np.testing.assert_allclose(picked, points[[2, 3, 4, 5]])
    np.testing.assert_allclose(start, points[[0, 1]])


def test_one_feature_is_a_map_too():
    points = project(np.arange(5.0)[:, None], rng)
    np.testing.assert_array_equal(points, [[i, 0] for i in range(5)])


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (3, 8, 6), (2, 8, 6)])
def test_gallery_shows_the_images(ax, shape):
    images = rng.uniform(0.2, 0.4, size=(30, *shape))
    stages = as_rows([0], [3, 4, 5], [6, 7])
    assert plot_gallery(images, stages, ax) is ax
    mosaic = ax.images[0].get_array()
    assert mosaic.shape == (2 * 9 - 1, 3 * 7 - 1, 4)
    shown = images[[3, 4, 5, 6, 7]]
    first = images[3] if len(shape) == 2 else images[3][0]
    expected = (first - shown.min()) / (shown.max() - shown.min())
    np.testing.assert_allclose(mosaic[:8, :6, 0], expected, atol=1e-6)
    assert (mosaic[9:, 14:, 3] == 0).all()  # the second query has one image less
    assert [t.get_text() for t in ax.get_yticklabels()] == ["1", "2"]


def test_images_of_one_colour(ax):
    plot_gallery(np.ones((4, 3, 3)), as_rows([0], [1, 2]), ax)
    assert np.isfinite(ax.images[0].get_array()).all()


def test_many_queries_are_thinned(ax):
    stages = as_rows([0], *([i] for i in range(1, 40)))
    plot_gallery(np.ones((40, 3, 3)), stages, ax)
    labels = [int(t.get_text()) for t in ax.get_yticklabels()]
    assert labels[0] == 1
    assert labels[-1] == 39
    assert len(labels) == 6


def test_class_picture(ax):
    counts = np.array([[1.0, 0, 2], [3, 0, 0]])
    assert plot_classes(counts, ["x", "y", "z"], ax) is ax
    np.testing.assert_array_equal(ax.collections[0].get_array(), counts.T)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["x", "y", "z"]
