"""Row numbers stand for rows of any kind in code that knows numbers alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from skactiveml.pool import SubSamplingWrapper
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skal_deep.embedding import RowLookup
from skal_deep.pool import MarginSampling

N = 30
TRUE = np.arange(N) % 2
Y = np.where(np.arange(N) < 8, TRUE, -1)
NUMBERS = np.arange(N)[:, None]
FRAME = pd.DataFrame({"colour": np.where(TRUE, "red", "blue"), "size": np.arange(N)})
TEXTS = [f"{'good' if t else 'bad'} film {i}" for i, t in enumerate(TRUE)]
ENCODE = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")


@pytest.mark.parametrize(
    ("data", "steps"),
    [
        (FRAME, [ENCODE]),
        (TEXTS, [TfidfVectorizer()]),
        (csr_matrix(np.eye(N)), []),
        (np.eye(N), []),
    ],
    ids=["table", "texts", "sparse", "array"],
)
def test_wrappers_of_scikit_activeml(data, steps):
    model = make_pipeline(RowLookup(data), *steps, LogisticRegression(max_iter=5_000))
    wrapper = SubSamplingWrapper(
        MarginSampling(random_state=0),
        max_candidates=12,
        missing_label=-1,
        random_state=0,
    )
    picks = wrapper.query(X=NUMBERS, y=Y, clf=model, batch_size=3)
    assert (Y[picks] == -1).all()
    assert len(set(picks)) == 3
    model.fit(NUMBERS, TRUE)
    assert model.score(NUMBERS, TRUE) > 0.9


def test_rows_are_those_of_the_numbers():
    rows = RowLookup(FRAME).transform([[3], [1], [3]])
    pd.testing.assert_frame_equal(rows, FRAME.iloc[[3, 1, 3]])
    assert list(RowLookup(TEXTS).transform(np.array([[2.0]]))) == [TEXTS[2]]


def test_a_clone_shares_the_data():
    lookup = RowLookup(FRAME)
    assert clone(lookup).data is FRAME
    assert clone(make_pipeline(lookup)).steps[0][1].data is FRAME


@pytest.mark.parametrize("X", [[[30]], [[-1]], [[0.5]], [[np.nan]]])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_numbers_that_are_no_rows(X):
    with pytest.raises(ValueError, match="has the rows 0 to 29"):
        RowLookup(FRAME).transform(X)


@pytest.mark.parametrize("X", [[0, 1], [[0, 1]], [["a"]]])
def test_shapes_that_are_no_column(X):
    with pytest.raises(ValueError, match="one column of row numbers"):
        RowLookup(FRAME).transform(X)
