"""Inputs of other libraries: rows like those of the array, or what to pass instead."""

import array
import warnings
from collections import deque
from decimal import Decimal

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from skal_deep.classifier import DeepClassifier
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.modules import MLP
from skal_deep.pool import Badge, CoreSet, MarginSampling
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import is_table
from skal_deep.rows._numbers import numbers

X = np.round(np.random.default_rng(0).normal(size=(40, 4)), 2).astype(np.float32)
TRUE = (X[:, 0] + X[:, 1] > 0).astype(int)
Y = np.where(np.arange(40) < 15, TRUE, -1)
NET = NeuralNetClassifier(MLP, max_epochs=2, train_split=None, verbose=0)
DEEP = DeepClassifier(NET, classes=[0, 1], random_state=0)


class Labelled:
    """An array with names of its axes, as xarray has it."""

    dims = ("row", "feature")

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)

    def __iter__(self):
        return map(Labelled, self.values)

    def to_pandas(self):
        raise AssertionError("who asked for a table?")


class Records:
    """A data set whose rows are dicts, as Hugging Face's."""

    shape, column_names = (40, 2), ["text", "label"]

    def __len__(self):
        return 40

    def __getitem__(self, row):
        return {"text": "a", "label": 0}

    def to_pandas(self):
        raise AssertionError("nobody asked")


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


def picks(X, y=Y):
    """Return what strategies pick by their inputs, another's model, a net's."""
    learner = SimulatedActiveLearner(
        LogisticRegression(), MarginSampling(), n_initial=6, n_cycles=1, random_state=0
    )
    return [
        CoreSet(random_state=0).query(X, y, None, batch_size=3).tolist(),
        MarginSampling(random_state=0).query(X, y, LogisticRegression()).tolist(),
        Badge(random_state=0).query(X, y, DEEP, batch_size=3).tolist(),
        learner.fit(X, TRUE).query_indices_[-1].tolist(),
    ]


@pytest.mark.parametrize(
    "make",
    [
        Labelled,
        lambda X: memoryview(np.ascontiguousarray(X)),
        lambda X: [array.array("f", row) for row in X.tolist()],
        lambda X: deque(X),
        lambda X: list(torch.as_tensor(X)),
        lambda X: np.asfortranarray(X).astype(">f4"),
        lambda X: np.repeat(X, 2, axis=0)[::2],
    ],
    ids=["named", "memoryview", "arrays", "deque", "tensors", "swapped", "strided"],
)
def test_rows_are_those_of_the_array(make):
    assert picks(make(X)) == picks(X)


def test_sparse_columns_of_pandas():
    pd = pytest.importorskip("pandas")
    small = np.where(np.abs(X) > 0.5, X, 0)
    frame = pd.DataFrame(small).astype(pd.SparseDtype(np.float32, 0))
    assert picks(frame)[:3] == picks(small)[:3]  # ties of the last fall otherwise
    np.testing.assert_array_equal(numbers(as_data(frame)), small)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (TensorDataset(torch.as_tensor(X)), "TensorDataset of torch"),
        (DataLoader(TensorDataset(torch.as_tensor(X))), "DataLoader of torch"),
        (Stream(), "Stream of torch"),
        (Records(), r"rows are dicts: pass X\.to_pandas\(\)"),
        (X.view([(n, "f4") for n in "abcd"])[:, 0], r"pandas\.DataFrame\(X\)"),
        (X.view([(n, "f4") for n in "abcd"]).view(np.recarray)[:, 0], "structured"),
    ],
    ids=["dataset", "loader", "stream", "records", "structured", "records of numpy"],
)
def test_what_has_no_rows_says_what_to_pass(rows, words):
    for model in (LogisticRegression(), DEEP):
        with pytest.raises((TypeError, ValueError), match=words):
            MarginSampling().query(rows, Y, model)
        with pytest.raises((TypeError, ValueError), match=words):
            SimulatedActiveLearner(model, MarginSampling()).fit(rows, TRUE)


def test_numbers_of_a_palette_are_no_pixels():
    image = pytest.importorskip("PIL.Image")
    rows = [image.new("P", (4, 4), shade) for shade in range(40)]
    with pytest.raises(ValueError, match=r"convert\('RGB'\)"):
        CoreSet().query(rows, Y, None)
    colours = [each.convert("RGB") for each in rows]
    assert len(CoreSet(random_state=0).query(colours, Y, None)) == 1


def test_tables_of_dask_are_to_be_computed():
    class Table:
        iloc, columns, shape = None, ["a"], (40, 1)

        def __dask_graph__(self):
            return {}

    with pytest.raises(TypeError, match=r"X\.compute\(\)"):
        as_data(Table())


def test_columns_make_a_table():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(X)
    assert is_table(frame)
    assert is_table(frame.to_series(0))
    assert not is_table(Labelled(X))
    with pytest.raises(TypeError, match=r"X\.collect\(\)"):
        as_data(frame.lazy())


def with_decimals(library, gap=False):
    """Return a table with three columns of decimals, and one of floats between them."""
    pa = pytest.importorskip("pyarrow")
    parts = {"abcd"[at]: [Decimal(str(v)) for v in X[:, at]] for at in range(4)}
    if gap:
        parts["a"][20] = None
    table = pa.table(parts | {"b": X[:, 1].astype(float)})
    if library == "pandas":
        pd = pytest.importorskip("pandas")
        return table.to_pandas(types_mapper=pd.ArrowDtype)
    if library == "polars":
        return pytest.importorskip("polars").from_arrow(table)
    return table


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_decimals_of_tables_are_numbers_to_linear_models(library):
    """scikit-learn's are fitted to them, and cannot predict."""
    table, model = with_decimals(library), LogisticRegression()
    exact = np.array(table, dtype=float)
    strategy = MarginSampling(random_state=0)
    for some, those in ((None, None), (table[20:], exact[20:])):
        picks, found = (
            strategy.query(rows, Y, model, candidates=part, return_utilities=True)
            for rows, part in ((table, some), (exact, those))
        )
        assert picks[0].tolist() == found[0].tolist()
        np.testing.assert_allclose(picks[1], found[1], rtol=1e-9)
    learner = SimulatedActiveLearner(
        model, strategy, n_initial=6, batch_size=3, n_cycles=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names, which scikit-learn may not know
        learner.fit(table, TRUE)
        proba = learner.predict_proba(table)
        np.testing.assert_allclose(proba, learner.predict_proba(exact), rtol=1e-9)
        assert learner.predict(table).shape == (40,)


@pytest.mark.parametrize("library", ["pyarrow", "pandas", "polars"])
def test_a_gap_among_decimals_is_missing(library):
    data = as_data(with_decimals(library, gap=True))
    assert np.argwhere(np.isnan(numbers(data))).tolist() == [[20, 0]]
