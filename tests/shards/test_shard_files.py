"""Shards in files: the same rows, whatever holds them."""

import os
import pickle
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from skal_deep.pool import CoreSet, MaxHerding
from skal_deep.shards import query_shards, read_rows
from skal_deep.shards._files import Shards
from skal_deep.shards._tasks import map_parts

pl = pytest.importorskip("polars")

X = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
PARTS = np.split(X, [20, 20, 70])


@pytest.fixture
def shards(tmp_path):
    """One kind of file after another, one of them without rows."""
    np.save(tmp_path / "a.npy", PARTS[0])
    frames = [pl.DataFrame(part, schema=["x", "y", "z"]) for part in PARTS]
    frames[1].write_parquet(tmp_path / "b.parquet")
    # row groups are small, so that parts begin within them
    frames[2].write_parquet(tmp_path / "c.parquet", row_group_size=7)
    return [
        tmp_path / "a.npy",
        str(tmp_path / "b.parquet"),
        tmp_path / "c.parquet",
        PARTS[3],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("part_bytes", [1, 100, 2**27])
def test_files_and_arrays_give_the_same_picks(shards, part_bytes):
    options = {"labeled": [3, 80], "part_bytes": part_bytes}
    for strategy in (CoreSet(), MaxHerding(random_state=0)):
        of_files = query_shards(strategy, shards, 5, **options)
        of_arrays = query_shards(strategy, PARTS, 5, **options)
        assert of_files.rows.tolist() == of_arrays.rows.tolist()
        np.testing.assert_array_equal(
            read_rows(shards, of_files.rows), X[of_files.rows]
        )


def test_all_parts_together_are_the_pool(shards):
    for part_bytes in (1, 50, 2**27):
        parts = Shards(shards).parts(part_bytes)
        np.testing.assert_array_equal(np.concatenate([p.read() for p in parts]), X)
        assert np.concatenate([p.ids for p in parts]).tolist() == list(range(90))


@pytest.mark.parametrize("dtype", [pl.List(pl.Float32), pl.Array(pl.Float32, 3)])
def test_a_column_of_lists_holds_embeddings(tmp_path, dtype):
    frame = pl.DataFrame({"e": pl.Series(X.tolist(), dtype=dtype), "id": range(90)})
    frame.write_parquet(tmp_path / "e.parquet")
    found = read_rows([tmp_path / "e.parquet"], [5, 3], columns=["e"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X[[5, 3]])


def test_columns_are_chosen(tmp_path):
    frame = pl.DataFrame({"name": ["a", "b"], "x": [1.0, 2.0], "n": [None, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    rows = read_rows([tmp_path / "t.parquet"], [1], columns=["x"])
    assert rows.tolist() == [[2.0]]
    for columns, what in (
        (None, "'name' of a Parquet file holds String"),
        (["n"], "1 missing"),
    ):
        with pytest.raises(ValueError, match=what):
            query_shards(CoreSet(), [tmp_path / "t.parquet"], columns=columns)
    none = frame.head(0).select("x")
    none.write_parquet(tmp_path / "none.parquet")
    files = [tmp_path / "none.parquet", tmp_path / "t.parquet"]
    assert query_shards(CoreSet(), files, 2, columns=["x"]).rows.tolist() == [0, 1]
    ragged = pl.DataFrame({"e": [[1.0], [1.0, 2.0]]})
    ragged.write_parquet(tmp_path / "r.parquet")
    with pytest.raises(ValueError, match="lists of several lengths"):
        query_shards(CoreSet(), [tmp_path / "r.parquet"])


def test_columns_of_another_order_are_the_same_columns(tmp_path):
    """The names say which is which, as two programs may write two files."""
    table = pl.DataFrame(X, schema=["x", "y", "z"])
    files = [tmp_path / f"{number}.parquet" for number in range(3)]
    table[:40].write_parquet(files[0])
    table[40:].select("z", "x", "y").write_parquet(files[1])
    table[:0].select("z").write_parquet(files[2])  # no rows: of no matter
    np.testing.assert_array_equal(read_rows(files, np.arange(90)), X)
    for columns in (["z", "x"], ["x"]):
        chosen = [["x", "y", "z"].index(name) for name in columns]
        found = read_rows(files, np.arange(90), columns=columns)
        np.testing.assert_array_equal(found, X[:, chosen])


@pytest.mark.parametrize(
    ("other", "columns", "message"),
    [
        ({"x": [0.0], "b": [0.0]}, None, r"\['x', 'b'\], not \['x', 'y'\]: all files"),
        ({"x": [0.0]}, None, r"\['x'\], not \['x', 'y'\]"),
        ({"x": [0.0], "y": [1.0], "b": [0.0]}, None, r"'b'\], not \['x', 'y'\]"),
        ({"x": [0.0]}, ["y"], r"\['x'\], not \['y'\]"),
        ({"x": [0.0]}, ["x", "x"], r"1.parquet: Columns .* not \['x', 'x'\]"),
        ({"x": [0.0]}, [0], r"0.parquet: Columns .* not \[0\]"),
        ({"x": [0.0]}, ["^.*$"], r"not \['\^\.\*\$'\]"),
        ({"x": [0.0]}, "x", "columns must be a sequence of names, not one str"),
        ({"x": [0.0]}, {"x"}, "columns must be a sequence of names, not one set"),
    ],
)
def test_other_columns_are_refused(tmp_path, other, columns, message):
    files = [tmp_path / f"{number}.parquet" for number in range(2)]
    pl.DataFrame({"x": [1.0], "y": [2.0]}).write_parquet(files[0])
    pl.DataFrame(other).write_parquet(files[1])
    if columns == ["x", "x"]:
        files = files[1:]
    with pytest.raises((ValueError, TypeError), match=message):
        read_rows(files, [0], columns=columns)


@pytest.mark.parametrize("missing", [None, [1.0, None, 2.0]])
@pytest.mark.parametrize("kind", [pl.List(pl.Float32), pl.Array(pl.Float32, 3)])
def test_lists_have_no_gaps(tmp_path, kind, missing):
    """As numbers of several columns: a NaN would be one for some classifiers."""
    lists = pl.Series([*X[:4].tolist(), missing], dtype=kind)
    pl.DataFrame({"e": lists}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(ValueError, match=r"e.parquet: Column 'e' .*(missing|or none)"):
        read_rows([tmp_path / "e.parquet"], [4])


def test_an_index_of_pandas_is_no_feature(tmp_path):
    frame = pl.DataFrame({"x": [1.0, 2.0], "__index_level_0__": [7, 3]})
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t.parquet: Columns .* an index of pandas"):
        read_rows([tmp_path / "t.parquet"], [0])
    assert read_rows([tmp_path / "t.parquet"], [1], columns=["x"]).tolist() == [[2.0]]


def test_names_of_files_are_no_patterns(tmp_path):
    files = [tmp_path / "[a-b]*.npy", tmp_path / "[a-b]*.parquet"]
    np.save(files[0], X[:40])
    pl.DataFrame(X[40:]).write_parquet(files[1])
    np.testing.assert_array_equal(read_rows(files, np.arange(90)), X)


def _cut(file):
    file.write_bytes(file.read_bytes()[:-5])


def _zipped(file):
    with file.open("wb") as out:
        np.savez(out, X)


@pytest.mark.parametrize(
    "spoil",
    [
        _cut,
        _zipped,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"x,y,z\n0,1,2\n" * 20),
        lambda file: file.write_bytes(pickle.dumps(X)),
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, suffix, spoil):
    files = [tmp_path / f"{number}.{suffix}" for number in range(3)]
    for file in files:
        if suffix == "npy":
            np.save(file, X)
        else:
            pl.DataFrame(X).write_parquet(file)
    spoil(files[1])
    with pytest.raises(ValueError, match=f"Shard 1, {files[1]}: "):
        query_shards(CoreSet(), files, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X.astype(object), "Shard 1, .*b.npy: .*Python objects"),
        (X[:, 0], r"Shard 1, .*b.npy: A shard must have rows and columns, not .*90"),
        (X.astype(complex), r"Shard 1 holds complex128: .* It is .*b.npy"),
        (X[:, :2], r"Shard 1 holds .* They are .*b.npy and .*a.npy"),
    ],
)
def test_what_a_file_holds_is_said_with_its_name(tmp_path, rows, message):
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    np.save(files[0], X)
    np.save(files[1], rows)
    with pytest.raises((TypeError, ValueError), match=message):
        query_shards(CoreSet(), files, 2)


@pytest.mark.parametrize(
    ("shards", "error", "message"),
    [
        ((X for _ in "ab"), TypeError, "a sequence of files or arrays, not one gen"),
        ({"a.npy", "b.npy"}, TypeError, "a sequence of files or arrays, not one set"),
        ([X.tolist()], ValueError, "Shard 0, list: A shard must be a file"),
        ([X, b"a.npy"], ValueError, "Shard 1, bytes: A shard must be a file"),
        (
            [X, np.ma.masked_greater(X, 1)],
            ValueError,
            r"Shard 1, array: shards\[1\] is masked",
        ),
    ],
)
def test_what_is_no_shard_is_said(shards, error, message):
    """What has no order, or can be read but once, has no numbers of rows."""
    with pytest.raises(error, match=message):
        read_rows(shards, [0])


def test_shards_without_rows_have_none():
    assert read_rows([X[:0], X[:0]], []).shape == (0, 3)
    with pytest.raises(ValueError, match="and the shards have no rows"):
        read_rows([X[:0]], [0])


def test_no_rows_are_rows_too(shards):
    assert read_rows(shards, []).shape == (0, 3)
    with pytest.raises(ValueError, match="rows holds 0 to 90"):
        read_rows(shards, [0, 90])
    with pytest.raises(FileNotFoundError):
        read_rows(["missing.npy"], [0])


@pytest.mark.slow
def test_no_more_than_a_part_is_read(shards, monkeypatch):
    sizes = []
    read = type(Shards(shards).parts(1)[0]).read

    def recorded(self):
        rows = read(self)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr("skal_deep.shards._files.Part.read", recorded)
    query_shards(CoreSet(), shards, 4, part_bytes=10 * 12)
    assert max(sizes) == 10


def test_paths_do_not_depend_on_the_folder_that_a_worker_is_in(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", X)
    monkeypatch.chdir(tmp_path)
    (part,) = Shards(["a.npy"]).parts(2**27)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(part.read(), X)


def test_a_machine_without_the_files_is_named(tmp_path):
    np.save(tmp_path / "a.npy", X)
    pl.DataFrame(X).write_parquet(tmp_path / "b.parquet")
    for part in Shards([tmp_path / "a.npy", tmp_path / "b.parquet"]).parts(2**27):
        part.source.unlink()
        with pytest.raises(FileNotFoundError, match="All machines must see") as raised:
            part.read()
        assert f"{part.source} must be read, and {platform.node()} " in str(
            raised.value
        )


@pytest.mark.parametrize("other", [X[:80], X[:, :2], X.astype(float)])
def test_files_that_differ_elsewhere_are_found(tmp_path, other):
    np.save(tmp_path / "a.npy", X)
    parts = Shards([tmp_path / "a.npy"]).parts(500)
    np.save(tmp_path / "a.npy", other)
    with pytest.raises(ValueError, match=r"were read, not \d+ of \(3,\) in float32"):
        map_parts(_read, parts, None)


def test_lists_of_another_length_are_found_in_their_part(tmp_path):
    lists = [row.tolist() for row in X[:40]] + [row[:2].tolist() for row in X[40:]]
    pl.DataFrame({"e": lists}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(ValueError, match=r"rows 40 to 60 .* lists in a column must"):
        query_shards(CoreSet(), [tmp_path / "e.parquet"], 2, part_bytes=20 * 24)


@pytest.mark.parametrize("together", [1, 100, 2**27])
def test_rows_are_read_together_and_given_in_their_order(shards, together, monkeypatch):
    monkeypatch.setattr("skal_deep.shards._files._BYTES_TOGETHER", together)
    rows = np.random.default_rng(0).integers(90, size=200)
    read, n_read = Shards._rows, []

    def recorded(self, *where):
        n_read.append(where)
        return read(self, *where)

    pool = Shards(shards)
    monkeypatch.setattr(Shards, "_rows", recorded)
    np.testing.assert_array_equal(pool.read(rows), X[rows])
    if together > len(X) * 12:
        assert len(n_read) == 3


def test_a_task_is_sent_the_rows_of_its_part_alone():
    large = np.zeros((10_000, 10))
    assert all(len(pickle.dumps(p)) < 10_000 for p in Shards([large]).parts(8_000))


def test_what_is_written_to_rows_stays_in_the_task(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, X)
    (part,) = Shards([file]).parts(2**27)
    rows = part.read()
    assert isinstance(rows.base, np.memmap)
    rows[:] = 0
    np.testing.assert_array_equal(part.read(), X)
    np.testing.assert_array_equal(np.load(file), X)


@pytest.mark.parametrize("kind", [np.asfortranarray, np.ascontiguousarray])
def test_rows_of_a_file_begin_where_its_header_says(tmp_path, kind):
    """With a header of several lengths, and parts that are no whole pages."""
    for number, dtype in enumerate(["f4", ">f8", "i2", "?"]):
        file = tmp_path / f"{number}.npy"
        images = (9 * X[:, :, None] > 0) if dtype == "?" else 9 * X[:, :, None]
        np.save(file, kind(images.astype(dtype)))
        parts = Shards([file]).parts(7 * 24)
        assert len(parts) > 2
        found = [part.read() for part in parts]
        np.testing.assert_array_equal(np.concatenate(found), images.astype(dtype))
        assert {rows.dtype for rows in found} == {np.dtype(dtype)}


@pytest.mark.skipif(sys.platform == "win32", reason="a file there is never sparse")
def test_a_file_may_be_longer_than_what_a_system_promises(tmp_path):
    """A terabyte, of which nothing but a few rows is ever written or read."""
    file = tmp_path / "a.npy"
    rows = np.lib.format.open_memmap(file, "w+", np.float32, (2**36, 4))
    rows[-3:] = np.arange(12).reshape(3, 4)
    del rows
    np.testing.assert_array_equal(
        read_rows([file], [2**36 - 1, 5]), [[8, 9, 10, 11], [0, 0, 0, 0]]
    )
    part = Shards([file])._part(0, 2**36 - 4, 2**36)
    assert part.read().sum() == 66


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")
def test_few_files_are_open_at_once_and_none_in_the_end(tmp_path):
    import resource

    files = [tmp_path / f"{number}.npy" for number in range(30)]
    for file, rows in zip(files, np.split(X, 30), strict=True):
        np.save(file, rows)
    n_open = len(os.listdir("/proc/self/fd"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 9, limits[1]))
    try:
        pool = Shards(files)
        rows = pool.read(np.arange(90))
        none = pool.read([])
        picks = query_shards(CoreSet(), files, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(os.listdir("/proc/self/fd")) == n_open
    np.testing.assert_array_equal(rows, X)
    assert (len(none), len(picks.rows)) == (0, 4)


def _read(part):
    return part.read()
