"""Labels and targets as tables, decimals and columns of other libraries hold them."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge, LogisticRegression

from skal_deep.classifier import BayesianLinearRegressor
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.pool import LCMD, MarginSampling
from skal_deep.rows._label_array import label_array

X = np.random.default_rng(0).normal(size=(40, 3))
T = X[:, 0] - X[:, 1]
KNOWN = np.arange(40) < 15
CLASSES = [int(t > 0) if known else None for t, known in zip(T, KNOWN, strict=True)]
TARGETS = [float(t) if known else None for t, known in zip(T, KNOWN, strict=True)]


def columns(values):
    """Return values as columns, and tables, of several libraries."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    kinds = {
        "objects": np.array(values, dtype=object),
        "nullable": pd.Series(values).convert_dtypes(),
        "frame": pd.DataFrame({"y": values}),
        "polars": pl.Series(values),
        "polars frame": pl.DataFrame({"y": values}),
        "decimals": [None if v is None else Decimal(str(v)) for v in values],
    }
    try:
        import pyarrow as pa
    except ImportError:
        return kinds
    decimals = pd.Series(kinds["decimals"])
    return kinds | {
        "arrow": pa.array(values),
        "arrow parts": pa.chunked_array([values[:9], values[9:]]),
        "arrow table": pa.table({"y": values}),
        "arrow in pandas": pd.Series(values).convert_dtypes(dtype_backend="pyarrow"),
        "arrow decimals": decimals.astype(pd.ArrowDtype(pa.decimal128(30, 20))),
    }


# as scikit-learn's own classifiers say of a column of a table
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("missing_label", [-1, np.nan, None])
def test_classes_of_all_kinds_are_the_same(missing_label):
    def query(y):
        strategy = MarginSampling(missing_label=missing_label, random_state=0)
        return strategy.query(X, y, LogisticRegression(), batch_size=4).tolist()

    marker = np.array(missing_label)
    plain = [missing_label if c is None else c for c in CLASSES]
    wanted = query(np.array(plain, np.result_type(marker, np.int64)))
    for kind, y in columns(CLASSES).items():
        assert query(y) == wanted, kind


def test_targets_of_all_kinds_are_the_same():
    def query(y):
        strategy = LCMD(random_state=0)
        return strategy.query(X, y, reg=BayesianRidge(), batch_size=4).tolist()

    wanted = query(np.array(TARGETS, float))
    for kind, y in columns(TARGETS).items():
        assert query(y) == wanted, kind


def tables():
    """Return two targets as tables of several libraries."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    two = {"a": TARGETS, "b": [None if t is None else 1 - t for t in TARGETS]}
    kinds = {
        "objects": np.array(list(two.values()), dtype=object).T,
        "frame": pd.DataFrame(two),
        "nullable": pd.DataFrame(two).convert_dtypes(),
        "polars": pl.DataFrame(two),
    }
    try:
        import pyarrow as pa
    except ImportError:
        return kinds
    arrow = pd.DataFrame(two).convert_dtypes(dtype_backend="pyarrow")
    return kinds | {"arrow": pa.table(two), "arrow in pandas": arrow}


def test_several_targets_of_all_kinds_are_the_same():
    def query(y):
        reg, strategy = BayesianLinearRegressor(), LCMD(random_state=0)
        return strategy.query(X, y, reg=reg, batch_size=4).tolist()

    wanted = query(np.column_stack([TARGETS, 1 - np.array(TARGETS, float)]))
    for kind, y in tables().items():
        assert query(y) == wanted, kind
        assert BayesianLinearRegressor().fit(X, y).n_outputs_ == 2


def test_several_targets_are_played_through():
    for kind, y in tables().items():
        learner = SimulatedActiveLearner(
            BayesianLinearRegressor(), LCMD(), n_initial=3, batch_size=2, n_cycles=1
        )
        queried = np.concatenate(learner.fit(X, y).query_indices_)
        assert KNOWN[queried].all(), kind


def test_decimals_and_fractions_are_numbers():
    whole = label_array([Decimal("1"), None, Decimal("2.0"), Decimal("NaN")], -1)
    assert whole.dtype == np.int64
    assert whole.tolist() == [1, -1, 2, -1]
    parts = label_array([Decimal("0.5"), Fraction(1, 4), Decimal("inf")], np.nan)
    assert parts.tolist() == [0.5, 0.25, float("inf")]


@pytest.mark.parametrize("missing_label", [-1, np.nan, 0.5])
def test_labels_that_are_all_missing_have_the_type_of_the_marker(missing_label):
    found = label_array([None, None], missing_label)
    np.testing.assert_array_equal(found, [missing_label] * 2)
    assert found.dtype == np.array(missing_label).dtype


def test_strings_of_any_length():
    words = np.array(["yes", "", "no"], dtype=np.dtypes.StringDType())
    assert label_array(words, "").tolist() == ["yes", "", "no"]
    gaps = np.array(["yes", None], dtype=np.dtypes.StringDType(na_object=None))
    assert label_array(gaps, None).tolist() == ["yes", None]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.array(["a", "b"] * 20), "holds others, of type <U1"),
        (T.astype(complex), "holds others, of type complex128"),
        (np.where(np.arange(40) == 3, np.inf, T), "row 3 of y is none"),
    ],
    ids=["words", "complex", "infinite"],
)
def test_targets_that_are_none(y, words):
    with pytest.raises(ValueError, match=words):
        LCMD().query(X, y, reg=BayesianRidge())
