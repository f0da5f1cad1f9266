"""Kinds of rows: what X may be, how rows are taken, what is refused."""

import pickle
from collections import UserDict
from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import coo_array, csr_matrix
from sklearn.model_selection import train_test_split

from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import (
    RowDict,
    check_alike,
    is_finite,
    is_numbers,
    n_columns,
    n_rows,
    row_shape,
    take,
)
from skal_deep.rows._numbers import numbers

N = 5
ARRAY = np.arange(10.0).reshape(N, 2)
KINDS = {
    "array": (ARRAY, np.ndarray),
    "big-endian": (ARRAY.astype(">f8"), np.ndarray),
    "nested lists": (ARRAY.tolist(), np.ndarray),
    "objects that are numbers": (ARRAY.astype(object), np.ndarray),
    "tensor": (torch.tensor(ARRAY, requires_grad=True), np.ndarray),
    "negative view": (torch.tensor(ARRAY - 1j * ARRAY).conj().imag, np.ndarray),
    "sparse tensor": (torch.tensor(ARRAY).bfloat16().to_sparse(), np.ndarray),
    "float8": (torch.tensor(ARRAY).to(torch.float8_e4m3fn), np.ndarray),
    "tensors": ([*torch.tensor(ARRAY, requires_grad=True).bfloat16()], np.ndarray),
    "long double": (ARRAY.astype("longdouble"), np.ndarray),
    "characters": (np.char.array([*"abcde"]), np.ndarray),
    "bfloat16": (torch.tensor(ARRAY).bfloat16(), np.ndarray),
    "texts": (["a", "b", "1", "2", "e"], np.ndarray),
    "text array": (np.array(["a", "bbb", "c", "d", "e"]), np.ndarray),
    "table of texts": (np.array([["a", "1"]] * N), np.ndarray),
    "dicts": ([{"a": n} for n in range(N)], np.ndarray),
    "sparse": (coo_array(ARRAY), type(coo_array(ARRAY).tocsr())),
    "matrix": (csr_matrix(ARRAY), csr_matrix),
    "frame": (pd.DataFrame({"a": [*"abcde"], "b": range(N)}), pd.DataFrame),
    "column of texts": (pd.Series([*"abcde"], index=[7] * N), pd.Series),
    "dict": ({"a": ARRAY.tolist(), "b": torch.ones(N)}, RowDict),
    "like a dict": (UserDict(a=ARRAY, b=[True] * N), RowDict),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_kind_are_counted_and_taken(kind):
    given, form = KINDS[kind]
    X = as_data(given)
    assert type(X) is form
    assert n_rows(X) == N
    assert as_data(X) is X or is_numbers(X)
    mask = np.array([False, True, False, True, False])
    for rows in (np.array([1, 3]), mask, slice(1, 4, 2)):
        taken = take(X, rows)
        assert type(taken) is form
        assert row_shape(taken) == row_shape(X)
        assert n_rows(taken) == 2
    assert n_rows(take(X, np.array([], dtype=int))) == 0
    twice = take(X, np.array([2, 2]))
    check_alike(twice, X, "twice")
    assert str(take(twice, np.array([0]))) == str(take(twice, np.array([1])))


def test_arrays_are_not_copied():
    assert np.shares_memory(as_data(ARRAY), ARRAY)
    frame = pd.DataFrame(ARRAY)
    assert as_data(frame) is frame
    assert n_columns(as_data(["a"])) is None


def test_rows_of_a_dict_are_rows_everywhere():
    X = as_data(KINDS["dict"][0])
    assert len(X) == N
    assert X.shape == (N,)
    assert list(X) == ["a", "b"]
    some, others = train_test_split(np.arange(N), test_size=2, random_state=0)
    assert len(X[some]) + len(X[others]) == N
    for copied in (pickle.loads(pickle.dumps(X)), deepcopy(X)):
        assert type(copied) is RowDict
        np.testing.assert_array_equal(copied["a"], X["a"])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("text", "array of rows"),
        (b"text", "array of rows"),
        (3, "array of rows"),
        (None, "array of rows"),
        (dict, "array of rows"),
        ({1, 2}, r"pass list\(X\)"),
        ((row for row in ARRAY), r"pass list\(X\)"),
        (np.arange(N), "Reshape your data"),
        (pd.Series(range(N)), "Reshape your data"),
        (pd.Series([1, None], dtype="Int64"), "Reshape your data"),
        (pd.Series([True, None], dtype="boolean"), "Reshape your data"),
        (pd.Series([1, 2], dtype=object), "Reshape your data"),
        (pd.Series(pd.date_range("2020", periods=N)), "datetime64"),
        (torch.empty(N, 2, device="meta"), "on meta"),
        ([torch.empty(2, device="meta")] * N, "on meta"),
        ({"a": torch.empty(N, device="meta")}, r"X\['a'\] is a tensor"),
        (np.full((N, 2), 1j, dtype=object), "no numbers of float64"),
        ([[10**400, 1]] * N, "no numbers of float64"),
        ([*np.ma.masked_less(ARRAY, 3)], "A row of X is masked"),
        (np.ma.masked_less(ARRAY, 3).astype(object), "filled"),
        ({"a": np.ma.masked_less(ARRAY, 3)}, r"X\['a'\] is masked"),
        (pl.DataFrame(ARRAY).lazy(), r"X.collect\(\)"),
        ([1, 2, 3], "Reshape your data"),
        ([[1], [1, 2]], "not all of one shape"),
        (np.zeros((N, 2), complex), "Complex data not supported"),
        (np.zeros((N, 2), "M8[D]"), "must hold numbers, not datetime64"),
        (np.ma.masked_less(ARRAY, 3), "filled"),
        (csr_matrix(ARRAY.astype(complex)), "complex128"),
        (pd.DataFrame(ARRAY, columns=["a", "a"]), "several columns with the names a"),
        ({"a": ARRAY, "b": ARRAY[:3]}, "'a': 5, 'b': 3"),
        ({"tokens": [[1, 2], [1]]}, "pad them: tokenizer"),
        ({"a": 1}, "an entry a row"),
        ({1: ARRAY}, "words for names"),
        ({}, "as many rows each"),
    ],
)
def test_what_has_no_rows_is_refused(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        as_data(X)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("texts", "TfidfVectorizer"),
        ("dicts", "TfidfVectorizer"),
        ("column of texts", "TfidfVectorizer"),
        ("table of texts", "OrdinalEncoder"),
        ("frame", "OneHotEncoder"),
        ("dict", "`forward`"),
    ],
)
def test_what_are_no_numbers_says_what_to_do(kind, words):
    with pytest.raises(ValueError, match=words):
        numbers(as_data(KINDS[kind][0]))


def test_numbers_of_tables_and_sparse_rows():
    frame = pd.DataFrame({"a": [1, 2], "b": pd.array([1, None], dtype="Int64")})
    np.testing.assert_array_equal(numbers(frame), [[1, 1], [2, np.nan]])
    np.testing.assert_array_equal(numbers(as_data(coo_array(ARRAY))), ARRAY)
    wide = csr_matrix((2**14, 2**14))
    with pytest.raises(ValueError, match="TruncatedSVD"):
        numbers(wide)


def test_candidates_are_rows_like_those_of_x():
    X = as_data(KINDS["frame"][0])
    for other, message in (
        (ARRAY, "X is a DataFrame of pandas, Z is an array of numbers"),
        (X[["b", "a"]], "same order"),
        (X[["a"]], "shape"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            check_alike(as_data(other), X, "Z")


def test_polars_frames_are_taken_by_position():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    X = as_data(frame)
    assert X is frame
    assert take(X, np.array([2, 0])).rows() == [(3, "z"), (1, "x")]
    assert take(X, np.array([True, False, True])).rows() == [(1, "x"), (3, "z")]
    texts = as_data(frame["b"])
    assert texts.tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_none_is_found(value, dtype, n_threads, monkeypatch):
    monkeypatch.setattr("skal_deep.rows._data._BYTES_OF_A_SUM", 100)
    X = np.full((301, 2, 3), np.finfo(dtype).max / 2, dtype)  # their sum is infinite
    torch.set_num_threads(n_threads)
    try:
        for rows in (X, X.transpose(2, 0, 1)):
            assert is_finite(rows)
        for at in (0, 150, 300):
            gap = X.copy()
            gap[at, 1, 2] = value
            assert not is_finite(gap)
    finally:
        torch.set_num_threads(1)
    assert is_finite(X[:0])


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "?"])
def test_many_rows_are_taken_by_threads(dtype, monkeypatch):
    monkeypatch.setattr("skal_deep.rows._data._BYTES_OF_A_THREAD", 64)
    source = np.random.default_rng(0)
    X = source.normal(size=(50, 3, 2)).astype(dtype)
    for rows in (source.integers(0, 50, 80), np.array([3, -1, -50] * 20)):
        taken = take(X, rows)
        np.testing.assert_array_equal(taken, X[rows])
        assert taken.dtype == X.dtype.newbyteorder("=")
        assert type(taken) is np.ndarray
    with pytest.raises(IndexError):
        take(X, np.array([0, 50] * 20))
    torch.set_num_threads(3)
    try:
        np.testing.assert_array_equal(take(X, np.arange(50)), X)
    finally:
        torch.set_num_threads(1)
