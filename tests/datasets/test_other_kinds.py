"""Data sets of words: columns of texts and categories, Parquet, folders of images."""

from decimal import Decimal

import numpy as np
import pytest

from skal_deep.datasets import load, some_rows

ROWS = [f"{n % 3}.5,{colour},a film {n},{n % 2}" for n, colour in enumerate("xyzx" * 5)]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("\n".join(["length,colour,review,mood", *ROWS]))
    return path


def test_a_column_of_texts(table):
    data = load(table, text="review")
    assert data.X.dtype == object
    assert data.X[3] == "a film 3"
    assert data.y[:4].tolist() == [0, 1, 0, 1]
    X, y = some_rows(data.X, data.y, 5, np.random.default_rng(0))
    assert [int(text.split()[-1]) % 2 for text in X] == y.tolist()
    with pytest.raises(ValueError, match="no column 'story'"):
        load(table, text="story")


def test_columns_of_words(table):
    pd = pytest.importorskip("pandas")
    data = load(table, categories=["colour", "review"])
    assert isinstance(data.X, pd.DataFrame)
    assert list(data.X.columns) == ["colour", "review", "length"]
    assert data.X["length"].dtype == np.float32
    X, y = some_rows(data.X, data.y, 5, np.random.default_rng(0))
    assert len(X) == len(y) == 5
    with pytest.raises(ValueError, match=r"said to hold texts .* or categories"):
        load(table)


def test_parquet(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "films.parquet"
    frame = pd.DataFrame(
        {"length": [1.5, 2, 3], "colour": ["x", None, "y"], "mood": ["a", "b", None]}
    )
    frame.to_parquet(path)
    with pytest.warns(UserWarning, match="1 of 3 rows"):
        data = load(path, categories=["colour"])
    frame.fillna("a").to_parquet(path)
    assert data.y.tolist() == [0, 1, -1]
    assert list(data.X.columns) == ["length", "colour"]
    with pytest.raises(ValueError, match="must hold numbers"):
        load(path)
    with pytest.raises(ValueError, match="no column 'story'"):
        load(path, text="story")
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match="no Parquet file"):
        load(path)


def test_a_folder_of_images_for_each_class(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name, colour in (("cat", (255, 0, 0)), ("dog", (0, 0, 255))):
        (tmp_path / name).mkdir()
        for n in range(3):
            image.new("RGB", (6, 5), colour).save(tmp_path / name / f"{n}.png")
    data = load(tmp_path)
    assert data.X.shape == (6, 3, 5, 6)
    assert data.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.class_names == ("cat", "dog")
    np.testing.assert_array_equal(data.X[0, :, 0, 0], [1, 0, 0])
    image.new("L", (9, 9)).save(tmp_path / "dog" / "9.png")
    with pytest.raises(ValueError, match=r"9\.png has 9 x 9 pixels"):
        load(tmp_path)
    assert load(tmp_path, pixels=4).X.shape == (7, 3, 4, 4)
    (tmp_path / "dog" / "9.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="no image, or damaged"):
        load(tmp_path)


@pytest.mark.parametrize("gap", ["", "NaN", " n/a "])
@pytest.mark.parametrize("categories", [(), ("colour",)])
def test_gaps_among_numbers_are_nan(gap, categories, tmp_path):
    path = tmp_path / "birds.csv"
    rows = ["1.5,red,jay", f"{gap},blue,owl", "2,,jay"]
    header = "wing,colour,bird"
    if not categories:
        rows, header = [row.replace(",red", "") for row in rows], "wing,bird"
        rows = ["1.5,jay", f"{gap},owl", "2,jay"]
    path.write_text("\n".join([header, *rows]))
    with pytest.warns(UserWarning, match="1 of 3 numbers of .* are missing: they are"):
        data = load(path, categories=categories)
    wing = data.X["wing"] if categories else data.X[:, 0]
    np.testing.assert_array_equal(wing, np.float32([1.5, np.nan, 2]))
    if categories:
        assert list(data.X["colour"]) == ["red", "blue", None]


def test_parquet_of_many_types(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "birds.parquet"
    frame = pd.DataFrame(
        {
            "wing": pd.array([1, None, 3], dtype="Int64"),
            "rare": [True, False, True],
            "colour": pd.Categorical(["red", None, "blue"]),
            "bird": pd.Categorical(["jay", "owl", "jay"]),
        }
    )
    frame.to_parquet(path)
    with pytest.warns(UserWarning, match="1 of 6 numbers"):
        data = load(path, categories=["colour"])
    assert data.class_names == ("jay", "owl")
    assert list(data.X.columns) == ["wing", "rare", "colour"]
    assert list(data.X["colour"]) == ["red", None, "blue"]
    np.testing.assert_array_equal(data.X["wing"], np.float32([1, np.nan, 3]))
    with pytest.raises(ValueError, match=r"column 'colour' of .* must hold numbers"):
        load(path)
    assert load(path, text="colour").X.tolist() == ["red", "", "blue"]
    frame.assign(seen=pd.Timestamp("2020-01-01"))[["seen", "bird"]].to_parquet(path)
    with pytest.raises(ValueError, match=r"column 'seen'.*datetime64"):
        load(path)


@pytest.mark.parametrize("column", ["colour", "mood"])
def test_labels_are_no_inputs(table, column):
    """A model would be given what it is to find out."""
    label = None if column == "mood" else column  # the last is the default
    for option in ({"text": column}, {"categories": [column]}):
        with pytest.raises(ValueError, match="both the labels and inputs"):
            load(table, label=label, **option)


def test_columns_of_arrow(tmp_path):
    """What a database or another program has written: decimals, gaps, bytes."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("pandas")
    path = tmp_path / "flats.parquet"
    columns = {
        "price": pa.array([Decimal("1.5"), None, Decimal("2")]),
        "new": pa.array([True, None, False]),
        "floor": pa.array([1, None, 3], pa.int8()),
        "half": pa.array(np.float16([1, 2, 3])),
        "town": pa.array(["b", "a", None]).dictionary_encode(),
        "note": pa.array([b"caf\xc3\xa9", None, b"bar"]),
        "kind": pa.array([b"flat", b"house", b"flat"]),
    }
    parquet.write_table(pa.table(columns), path)
    with pytest.warns(UserWarning, match="3 of 12 numbers"):
        data = load(path, categories=["town", "note"])
    numbers = data.X[["price", "new", "floor", "half"]].to_numpy()
    np.testing.assert_array_equal(
        numbers, [[1.5, 1, 1, 1], [np.nan, np.nan, np.nan, 2], [2, 0, 3, 3]]
    )
    assert numbers.dtype == np.float32
    assert data.X["note"].tolist() == ["caf\xe9", None, "bar"]
    assert data.X["town"].tolist() == ["b", "a", None]
    assert data.class_names == ("flat", "house")
    assert load(path, text="note").X.tolist() == ["caf\xe9", "", "bar"]
    with pytest.warns(UserWarning, match="have no target"):
        assert load(path, text="note", target="price").y[0] == 1.5
    with pytest.raises(ValueError, match=r"'town' of .* must hold numbers"):
        load(path)


def test_lists_and_bytes_that_are_no_words(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("pandas")
    path = tmp_path / "rows.parquet"
    for entries, words in (
        ([[1.0], [2.0]], "holds lists or records"),
        ([b"\xff", b"a"], "no text in UTF-8"),
    ):
        parquet.write_table(pa.table({"a": [1, 2], "label": entries}), path)
        with pytest.raises(ValueError, match=words):
            load(path)
