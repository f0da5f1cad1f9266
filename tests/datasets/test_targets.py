"""Targets of a regression in files."""

import numpy as np
import pytest

from skal_deep.datasets import load


def written(tmp_path, *entries):
    rows = [f"{i},{entry}" for i, entry in enumerate(entries)]
    (tmp_path / "flats.csv").write_text("\n".join(["size,price", *rows]))
    return tmp_path / "flats.csv"


def test_a_column_of_numbers(tmp_path):
    data = load(written(tmp_path, "1.5", "-2e3", "7"), target="price")
    assert data.is_regression
    assert data.y.tolist() == [1.5, -2000.0, 7.0]
    assert data.class_names is None
    whole = load(written(tmp_path, "1", "2", "1"), target="price")
    assert whole.is_regression
    assert not load(written(tmp_path, "1", "2", "1")).is_regression


def test_gaps_are_nan_and_said(tmp_path):
    path = written(tmp_path, "1.5", "", "NaN", "3")
    with pytest.warns(UserWarning, match="2 of 4 rows of .* have no target"):
        data = load(path, target="price")
    np.testing.assert_array_equal(data.y, [1.5, np.nan, np.nan, 3])


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (("1", "owl"), "one is 'owl'"),
        (("1", "inf"), "finite"),
        (("", ""), "No row"),
    ],
)
def test_what_is_no_target(tmp_path, entries, words):
    with pytest.raises(ValueError, match=words):
        load(written(tmp_path, *entries), target="price")


def test_arrays(tmp_path):
    X, y = np.ones((4, 2)), np.arange(8.0).reshape(4, 2)
    np.savez(tmp_path / "two.npz", X=X, y=y, X_test=X[:1], y_test=y[:1])
    data = load(tmp_path / "two.npz", target="y")
    assert data.y.shape == (4, 2)
    assert data.y_test.shape == (1, 2)
    np.savez(tmp_path / "one.npz", X=X, y=y[:, :1])
    assert load(tmp_path / "one.npz", target="y").y.shape == (4,)
    with pytest.raises(ValueError, match="is 'y', not 'z'"):
        load(tmp_path / "one.npz", target="z")


def test_the_data_set_of_numbers():
    data = load("diabetes")
    assert data.is_regression
    assert data.X.shape == (442, 10)
