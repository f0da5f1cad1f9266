"""Row numbers to the rows themselves, for code that knows arrays of numbers alone."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import n_rows, take


class RowLookup(TransformerMixin, BaseEstimator):
    """Turn a column of row numbers into the rows of some data.

    Wrappers and strategies of scikit-activeml, such as ``SubSamplingWrapper``, check X
    and know arrays of numbers alone. Give them ``X = np.arange(n)[:, None]``, and a
    Pipeline that begins with this: the model then sees tables, texts or whatever the
    data are.

    Use it for code of other libraries. Our own strategies take such rows as they are.

    Parameters
    ----------
    data : array-like, sparse matrix, table, or dict of arrays
        All rows. They are neither copied nor changed, also by ``clone``.

    See Also
    --------
    Embedder : Rows to embeddings.
    ImageEmbedder : Files to embeddings.

    Notes
    -----
    Rows are told apart by their numbers, so that picks depend on the order in which the
    data are stored.

    Examples
    --------
    >>> import numpy as np
    >>> from skactiveml.pool import SubSamplingWrapper
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skal_deep.embedding import RowLookup
    >>> from skal_deep.pool import MarginSampling
    >>> texts = ["good film", "bad film", "good", "bad", "so so"]
    >>> model = make_pipeline(RowLookup(texts), TfidfVectorizer(), LogisticRegression())
    >>> wrapper = SubSamplingWrapper(
    ...     MarginSampling(), max_candidates=2, missing_label=-1, random_state=0
    ... )
    >>> y = [1, 0, -1, -1, -1]
    >>> wrapper.query(X=np.arange(5)[:, None], y=y, clf=model).shape
    (1,)
    """

    def __init__(self, data):
        self.data = data

    def __sklearn_clone__(self):
        return self  # nothing is learned, and the data may be large

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def fit(self, X, y=None):  # noqa: ARG002
        """Learn nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, 1)
            Row numbers.
        y : object, default=None
            Not used.

        Returns
        -------
        object
            The transformer.
        """
        return self

    def transform(self, X):
        """Return the rows that numbers stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, 1)
            Row numbers, from 0 on.

        Returns
        -------
        object
            Rows of the kind of the data.
        """
        data = as_data(self.data, "data")
        numbers = np.asarray(X)
        n = n_rows(data)
        if (
            numbers.ndim != 2
            or numbers.shape[1] != 1
            or numbers.dtype.kind not in "iuf"
        ):
            raise ValueError(
                "RowLookup takes one column of row numbers, np.arange(n)[:, None]; X "
                f"holds {numbers.dtype} of shape {numbers.shape}."
            )
        rows = numbers[:, 0].astype(np.intp)
        is_row = (rows == numbers[:, 0]) & (rows >= 0) & (rows < n)
        if not is_row.all():
            wrong: Any = numbers[:, 0][~is_row][0]
            raise ValueError(
                f"RowLookup has the rows 0 to {n - 1}, and X asks for {wrong}."
            )
        return take(data, rows)
