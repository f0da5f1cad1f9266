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
    part = Shards([file])._part(0, 2**36 - 4, 2**36, 0)
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
