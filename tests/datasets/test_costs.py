"""What labels cost, as files have it."""

import numpy as np
import pytest

from skal_deep.datasets import load


def table(tmp_path, *costs, name="birds.csv"):
    rows = [f"{i / 7},{cost},{i % 2}" for i, cost in enumerate(costs)]
    (tmp_path / name).write_text("\n".join(["wing,minutes,species", *rows]))
    return tmp_path / name


def test_a_column_of_costs_is_no_input(tmp_path):
    path = table(tmp_path, "1.5", "2", "1e1")
    data = load(path, cost="minutes")
    assert data.cost.tolist() == [1.5, 2.0, 10.0]
    assert data.X.shape == (3, 1)
    assert load(path).cost is None
    assert load(path).X.shape == (3, 2)


def test_costs_beside_texts_and_targets(tmp_path):
    (tmp_path / "a.csv").write_text("text,price,cost\ngood,1.5,2\nbad,2.5,3\n")
    data = load(tmp_path / "a.csv", text="text", target="price", cost="cost")
    assert data.X.tolist() == ["good", "bad"]
    assert data.cost.tolist() == [2, 3]
    assert data.is_regression


@pytest.mark.parametrize("cost", ["", "nan", "0", "-1", "inf", "two", "<NA>", "1_0"])
def test_costs_are_positive_numbers(tmp_path, cost):
    with pytest.raises(ValueError, match=r"positive numbers.* row 1 \(from 0\) has"):
        load(table(tmp_path, "1", cost, "3"), cost="minutes")


def test_columns_that_cannot_hold_costs(tmp_path):
    path = table(tmp_path, "1", "2", "3")
    with pytest.raises(ValueError, match="no column 'hours'"):
        load(path, cost="hours")
    with pytest.raises(ValueError, match="both the labels and what they cost"):
        load(path, cost="species")
    with pytest.raises(ValueError, match="leave it out of texts"):
        load(path, cost="minutes", text="minutes")
    with pytest.raises(ValueError, match="leave it out of texts"):
        load(path, cost="minutes", categories=["minutes"])
    for source in ("digits", tmp_path):
        with pytest.raises(ValueError, match=r"column of a \.csv"):
            load(source, cost="minutes")
    (tmp_path / "few.csv").write_text("minutes,species\n1,0\n2,1\n")
    with pytest.raises(ValueError, match="no column beside the labels"):
        load(tmp_path / "few.csv", cost="minutes")
    words = tmp_path / "words.csv"
    words.write_text("wing,species,minutes\nred,0,1\n2,1,3\n")
    with pytest.raises(ValueError, match="every column but 'species'"):
        load(words, label="species", cost="minutes")


def test_a_column_of_a_parquet_file(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"wing": [0.5, 1, 2], "minutes": [1, 2, 3], "y": [0, 1, 0]})
    frame.to_parquet(tmp_path / "birds.parquet")
    data = load(tmp_path / "birds.parquet", cost="minutes")
    assert data.cost.tolist() == [1, 2, 3]
    assert data.X.shape == (3, 1)
    with pytest.raises(ValueError, match="no column 'hours'"):
        load(tmp_path / "birds.parquet", cost="hours")
    with pytest.raises(ValueError, match="both the labels"):
        load(tmp_path / "birds.parquet", cost="y")
    frame["minutes"] = pd.array([1, None, 3], dtype="Int64")
    frame.to_parquet(tmp_path / "gap.parquet")
    with pytest.raises(ValueError, match="row 1"):
        load(tmp_path / "gap.parquet", cost="minutes")


def test_an_array_of_costs(tmp_path):
    X, y = np.ones((4, 2)), np.arange(4) % 2
    path = tmp_path / "a.npz"
    np.savez(path, X=X, y=y, X_test=X, y_test=y, Price=np.arange(1, 5))
    assert load(path, cost="Price").cost.tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"array 'minutes' .* it holds none"):
        load(path, cost="minutes")
    np.savez(path, X=X, y=y, price=np.ones((4, 1)))
    with pytest.raises(ValueError, match=r"one of shape \(4, 1\)"):
        load(path, cost="price")
    for name in ("y", "Y", "y_test"):
        with pytest.raises(ValueError, match=f"array '{name}' .* holds labels"):
            load(path, cost=name)
