"""Keys of rows: equal for equal contents, wherever the rows stand."""

import mmap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix, random_array

from skal_deep.rows import _contents
from skal_deep.rows._as_data import as_data
from skal_deep.rows._contents import equal_rows, hashes_of_files, row_hashes, row_keys
from skal_deep.rows._data import n_rows, take
from skal_deep.rows._order import canonical_order

RNG = np.random.default_rng(0)
N = 60
NUMBERS = RNG.normal(size=(N, 3))
KINDS = {
    "array": NUMBERS,
    "with gaps": np.where([True, False, False], np.nan, NUMBERS),
    "texts": [f"text {n} {'é' * (n % 3)}" for n in range(N)],
    "paths": [Path("folder", f"{n}.png") for n in range(N)],
    "objects": [{"a": n, "b": [str(n)]} for n in range(N)],
    "ragged": np.array([np.ones(1 + n) for n in range(N)], dtype=object),
    "table of texts": np.array([[str(n), "x"] for n in range(N)]),
    "sparse": csr_matrix(random_array((N, 40), density=0.3, rng=0)),
    "frame": pd.DataFrame(
        {
            "a": NUMBERS[:, 0],
            "b": pd.Categorical([f"{n % 9}" for n in range(N)]),
            "c": pd.array([n if n % 4 else None for n in range(N)], dtype="Int64"),
            "d": [None if n % 5 == 0 else f"{n}" for n in range(N)],
        },
        index=np.zeros(N),
    ),
    "dict": {"ids": RNG.integers(9, size=(N, 4)), "x": NUMBERS[:, 0]},
}

OBJECTS = np.empty(9, dtype=object)
OBJECTS[:] = [b"a", "a", Path("b"), 1, 1.0, None, True, [1], {"a": 1}]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_hangs_on_contents_alone(kind):
    X = as_data(KINDS[kind])
    assert n_rows(X) == N
    ordered = take(X, canonical_order(X, np.arange(N)))
    order = RNG.permutation(N)
    other = take(X, order)
    assert equal_rows(ordered, take(other, canonical_order(other, np.arange(N))))
    assert not equal_rows(X, other)
    hashes = row_hashes(X)
    np.testing.assert_array_equal(hashes[order], row_hashes(other))
    assert len(np.unique(hashes)) == N


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_are_ordered_by_label(kind):
    X = take(as_data(KINDS[kind]), np.zeros(N, dtype=int))
    y = np.arange(N)
    order = RNG.permutation(N)
    first = y[canonical_order(X, np.arange(N), y)]
    np.testing.assert_array_equal(
        first, y[order][canonical_order(X, np.arange(N), y[order])]
    )


def test_what_is_equal_has_equal_hashes():
    zeros = np.array([[0.0, np.nan], [1.0, 2.0]])
    others = np.array([[-0.0, -np.nan], [1.0, 2.0]], dtype=np.float32)
    np.testing.assert_array_equal(row_hashes(zeros), row_hashes(others))
    tidy = csr_matrix(([1.0, 2.0], [0, 2], [0, 2]), shape=(1, 3))
    untidy = csr_matrix(([2.0, 0.5, 0.5, 0.0], [2, 0, 0, 1], [0, 4]), shape=(1, 3))
    assert row_hashes(tidy) == row_hashes(untidy)
    assert untidy.nnz == 4  # the caller's matrix is as it was
    names = [pd.Series(["a", None]), pd.Series(["a", np.nan])]
    np.testing.assert_array_equal(*map(row_hashes, names))


def test_what_differs_has_other_hashes():
    for one, other in (
        (pd.DataFrame({"a": [1, "1"]}, dtype=object), None),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), None),
        (np.array([[0], [2**53], [2**53 + 1]]), None),
        (csr_matrix(np.eye(50)), None),
        (OBJECTS, None),
        (as_data({"a": [1, 2], "b": [2, 1]}), as_data({"a": [2, 1], "b": [1, 2]})),
    ):
        hashes = row_hashes(one)
        assert len(np.unique(hashes)) == n_rows(one)
        assert other is None or hashes[0] != row_hashes(other)[0]


HARD = np.array(
    [
        [0.0, -0.0, np.nan, np.inf, -np.inf],
        [1e300, -1e300, 5e-324, 1e-300, 1e-45],
        [1 / 3, np.float32(1 / 3), 2.0**60, -(2.0**60), 1 + 2**-30],
        [1e38, 1e39, 16777217, 2.0**-126, 3],
    ]
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_compiled_loop_gives_the_hashes_of_plain_numpy(dtype, monkeypatch):
    with np.errstate(over="ignore"):
        rows = np.vstack([HARD, RNG.normal(size=(300, 5))]).astype(dtype)
    hashes = row_hashes(rows)
    monkeypatch.setattr(_contents, "are_compiled", lambda: False)
    np.testing.assert_array_equal(hashes, row_hashes(rows))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 3, 85, 128, 255, 256, 257, 1000])
def test_rows_of_any_width_have_the_hashes_of_plain_numpy(width, dtype, monkeypatch):
    n_bytes = np.dtype(dtype).itemsize
    n = 1 + 4096 // (width * n_bytes)
    # nothing of this process need stand behind the last number of a page
    page = np.frombuffer(mmap.mmap(-1, -(-n * width * n_bytes // 4096) * 4096), dtype)
    rows = page[-n * width :].reshape(n, width)
    rows[:] = RNG.choice([0.0, -0.0, np.nan, np.inf, 1 / 3, 2.0, 1e-40], rows.shape)
    hashes = row_hashes(rows)
    monkeypatch.setattr(_contents, "are_compiled", lambda: False)
    np.testing.assert_array_equal(hashes, row_hashes(rows))


@pytest.mark.slow
def test_equal_numbers_have_equal_hashes_whatever_their_type(tmp_path):
    whole = RNG.integers(0, 100, size=(50, 6))
    hashes = row_hashes(whole)
    for dtype in "bBhHiIlLefdg":
        np.testing.assert_array_equal(hashes, row_hashes(whole.astype(dtype)))
    floats = NUMBERS.astype(np.float32)
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "f4", floats.shape)
    mapped[:] = floats
    mapped.flush()
    wide = np.zeros((N, 6), dtype=np.float32)
    wide[:, ::2] = floats
    locked = floats.copy()
    locked.flags.writeable = False
    for same in (
        floats.astype(np.float64),
        floats.astype(">f4"),
        np.asfortranarray(floats),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        wide[:, ::2],
        locked,
        floats[::-1][::-1],
        floats.reshape(N, 3, 1),
    ):
        np.testing.assert_array_equal(row_hashes(floats), row_hashes(same))
    assert not np.isin(row_hashes(NUMBERS), row_hashes(floats)).any()


def test_hashes_of_whole_numbers_that_no_float_holds():
    near = 2**60 + np.arange(-50, 50)
    large = np.array([2**64 - 1, 2**64 - 2, 2**63, 2**63 - 1, 0], dtype=np.uint64)
    for numbers in (near, -near, large):
        assert len(np.unique(row_hashes(numbers[:, None]))) == len(numbers)
    least = np.iinfo(np.int64).min + np.arange(3)
    assert len(np.unique(row_hashes(least[:, None]))) == 3


@pytest.mark.parametrize("dtype", ["Int64", "UInt64"])
def test_a_gap_merges_no_whole_numbers_of_a_column(dtype):
    numbers = [2**53, 2**53 + 1, 2**53 + 2, 0]
    with_gap = pd.DataFrame({"a": pd.array([*numbers, None], dtype=dtype)})
    hashes = row_hashes(with_gap)
    assert len(np.unique(hashes)) == 5
    alone = pd.DataFrame({"a": np.array(numbers)})
    np.testing.assert_array_equal(hashes[:4], row_hashes(alone))
    assert hashes[4] == row_hashes(pd.DataFrame({"a": [np.nan]}))[0]


def test_rows_are_told_apart_by_the_place_of_a_number():
    one_hot = np.concatenate([value * np.eye(40) for value in (1, 2, 1e-40, 1e200)])
    assert len(np.unique(row_hashes(one_hot))) == 160


def test_few_collisions_among_small_whole_numbers():
    grid = np.stack(np.meshgrid(*[np.arange(18)] * 4), -1).reshape(-1, 4)
    assert len(np.unique(row_hashes(grid.astype(float)))) == 18**4
    bits = RNG.integers(2, size=(20_000, 64))
    assert len(np.unique(row_hashes(bits))) == 20_000


def test_texts_keep_their_order_when_a_folder_moves():
    here = as_data([f"/here/{n}.png" for n in (3, 1, 2)])
    there = as_data([Path(f"/zoo/x/{n}.png") for n in (3, 1, 2)])
    rows = np.arange(3)
    np.testing.assert_array_equal(row_keys(here, rows), row_keys(there, rows))


def test_entries_that_are_lists_name_their_column():
    with pytest.raises(ValueError, match="'tags' of X has entries that are lists"):
        row_hashes(pd.DataFrame({"tags": [[1], [2]]}))


def test_polars_rows():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": range(N), "b": [f"{n % 7}" for n in range(N)]})
    order = RNG.permutation(N)
    hashes = row_hashes(take(frame, order))
    np.testing.assert_array_equal(hashes, row_hashes(frame)[order])


def test_files_are_known_by_what_they_hold(tmp_path):
    paths = [tmp_path / f"{n}.txt" for n in range(3)]
    for n, path in enumerate(paths):
        path.write_text(str(n))
    before = hashes_of_files(paths)
    assert before == hashes_of_files(np.array([str(path) for path in paths]))
    assert len(set(before)) == 3
    paths[1].write_text("other")
    after = hashes_of_files(paths)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    for none in (["a text", "another"], NUMBERS, [], None, {"a": NUMBERS}):
        assert hashes_of_files(none) is None
