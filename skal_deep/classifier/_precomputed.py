"""A classifier made of answers that were computed elsewhere."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._array_classifier import ArrayClassifier
from skal_deep.classifier.net._output import as_float, as_proba, check_proba

_ANSWERS = ("proba", "samples", "embeddings")


def _has_proba(clf: Any) -> bool:
    return clf.proba is not None or clf.samples is not None


def _has_samples(clf: Any) -> bool:
    return clf.samples is not None


def _has_embeddings(clf: Any) -> bool:
    return clf.embeddings is not None


class PrecomputedClassifier(ArrayClassifier):
    """A classifier that looks its answers up in arrays, and learns nothing.

    Use it when the model lives elsewhere, on a cluster or behind an interface: compute
    probabilities, posterior draws or embeddings of the pool there, pass them here, and
    query. After each round compute them anew. Strategies can ask for what is given:
    probabilities alone serve those of uncertainty, draws those of disagreement too,
    and probabilities with embeddings Badge and the like.

    Parameters
    ----------
    proba : array-like of shape (n_rows, n_classes), default=None
        Class probabilities of all rows.
    samples : array-like of shape (n_draws, n_rows, n_classes), default=None
        Class probabilities under draws from a posterior; a draw is one set of weights
        for all rows. Without ``proba`` their mean is the prediction.
    embeddings : array-like of shape (n_rows, n_dims), default=None
        Embeddings of all rows.
    rows : array-like of shape (n_rows, n_features), default=None
        The inputs that the answers belong to; X is looked up among them. ``None``: X
        holds row numbers, as a column ``np.arange(n_rows)[:, None]`` or some of it.
    classes : array-like of shape (n_classes,), default=None
        The labels of the columns, in their order. ``None`` are the labels in y,
        sorted, if there are as many as columns.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of predictions where two classes are equally probable.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted; so are the columns of what is returned.
    n_features_in_ : int
        Number of columns of X.

    See Also
    --------
    BayesianLinearClassifier : Learns from embeddings that were computed elsewhere.
    as_model : Takes any class with the methods that strategies ask for.

    Notes
    -----
    Clones share the arrays; nothing is copied, and arrays may be mapped from files.
    Where some of ``rows`` are equal, they have the answers of the first.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.classifier import PrecomputedClassifier
    >>> from skal_deep.pool import MarginSampling
    >>> proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4]])
    >>> X, y = np.arange(4)[:, None], [0, -1, 1, -1]
    >>> clf = PrecomputedClassifier(proba, classes=[0, 1])
    >>> MarginSampling().query(X, y, clf)
    array([1])
    """

    def __init__(
        self,
        proba=None,
        samples=None,
        embeddings=None,
        rows=None,
        classes=None,
        missing_label=-1,
        cost_matrix=None,
        random_state=None,
    ):
        super().__init__(
            classes=classes,
            missing_label=missing_label,
            cost_matrix=cost_matrix,
            random_state=random_state,
        )
        self.proba = proba
        self.samples = samples
        self.embeddings = embeddings
        self.rows = rows

    def __sklearn_clone__(self):
        return type(self)(**self.get_params(deep=False))

    def _fit_rows(self, X, labeled, y, sample_weight):  # noqa: ARG002
        self.n_rows_ = self._n_rows()
        self.at_ = None if self.rows is None else _positions_by_content(self.rows)
        self.order_ = np.arange(len(self.classes_))
        if self.classes is not None:
            self.order_ = np.argsort(np.asarray(self.classes))
        for name in ("proba", "samples"):
            given = getattr(self, name)
            if given is not None and np.shape(given)[-1] != len(self.classes_):
                raise ValueError(
                    f"{name} has {np.shape(given)[-1]} columns, and there are "
                    f"{len(self.classes_)} classes: {self.classes_.tolist()}. Pass "
                    "`classes`, the labels of the columns in their order."
                )
        self._positions(X)

    def _n_rows(self) -> int:
        """Return how many rows there are answers for, the same in all arrays."""
        found = {}
        for name, n_axes in zip((*_ANSWERS, "rows"), (2, 3, 2, None), strict=True):
            given = getattr(self, name)
            if given is None:
                continue
            shape = np.shape(given)
            if n_axes is not None and len(shape) != n_axes:
                raise ValueError(
                    f"{name} must have {n_axes} axes, and has the shape {shape}."
                )
            found[name] = shape[1] if name == "samples" else shape[0]
        if not found.keys() & set(_ANSWERS):
            raise ValueError(
                "PrecomputedClassifier needs answers: pass proba, samples or "
                "embeddings."
            )
        if len(set(found.values())) > 1:
            raise ValueError(f"The arrays have unequal numbers of rows: {found}.")
        return next(iter(found.values()))

    def _positions(self, X: NDArray[Any]) -> NDArray[np.intp]:
        """Return which rows of the arrays those of X are."""
        if self.at_ is not None:
            rows = X.astype(check_array(self.rows, allow_nd=True).dtype)
            same = (rows == X).all(axis=tuple(range(1, X.ndim)))
            found = [self.at_.get(row.tobytes(), -1) for row in _unsigned(rows)]
            positions = np.where(same, found, -1)
            advice = "Pass answers for all rows of the pool."
        else:
            if X.shape[1] != 1:
                raise ValueError(
                    "X must hold row numbers, as one column, and has "
                    f"{X.shape[1]} columns. Pass the inputs that the answers belong to "
                    "as `rows`."
                )
            positions = X[:, 0].astype(np.intp)
            is_row = (positions == X[:, 0]) & (positions >= 0)
            positions = np.where(is_row & (positions < self.n_rows_), positions, -1)
            advice = f"There are answers for the rows 0 ... {self.n_rows_ - 1}."
        if (positions < 0).any():
            raise ValueError(
                f"PrecomputedClassifier knows no answer for {(positions < 0).sum()} of "
                f"{len(X)} rows of X, such as row {np.flatnonzero(positions < 0)[0]}. "
                f"{advice}"
            )
        return positions.astype(np.intp)

    def _answers(self) -> dict[str, Callable[..., Any]]:
        """Return what strategies may ask, as tensors, by the protocols' names."""
        answers: dict[str, Callable[..., Any]] = {}
        if _has_proba(self):
            answers["predict_proba"] = self._proba
        if _has_samples(self):
            answers["sample_proba"] = self._draws
        if _has_embeddings(self):
            answers["embed"] = self._embed
        return answers

    def _proba(self, X: Any) -> torch.Tensor:
        if self.proba is None:
            proba_SNC = self._draws(X)
            return proba_SNC.mean(0, dtype=torch.float64).to(proba_SNC.dtype)
        given = np.asarray(_at(self.proba, self._positions(np.asarray(X))))
        return self._checked("proba", given, 2)

    def _draws(
        self,
        X: Any,
        n_samples: int | None = None,  # noqa: ARG002, these are all there are
        random_state: int = 0,  # noqa: ARG002
    ) -> torch.Tensor:
        positions = self._positions(np.asarray(X))
        given = np.stack([_at(draw, positions) for draw in self.samples])
        return self._checked("samples", given, 3)

    def _embed(self, X: Any) -> torch.Tensor:
        given = _at(self.embeddings, self._positions(np.asarray(X)))
        embedding_ND = as_float(torch.tensor(given))
        if not embedding_ND.is_floating_point():
            embedding_ND = embedding_ND.double()
        if not torch.isfinite(embedding_ND).all():
            raise ValueError("embeddings hold NaN or infinite values.")
        return embedding_ND

    def _checked(self, name: str, given: NDArray[Any], n_axes: int) -> torch.Tensor:
        """Return probabilities with columns by sorted label."""
        proba = as_proba(torch.tensor(given[..., self.order_]))
        advice = "Rows must be the probabilities of the classes."
        source = f"PrecomputedClassifier(..., {name}=...)"
        return check_proba(proba, source, advice, n_axes)

    @available_if(_has_proba)
    @cpu_by_default()
    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Row numbers as a column, or inputs that are among ``rows``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, columns as in ``classes_``.
        """
        return self._proba(self._check_rows(X)).numpy()

    @available_if(_has_samples)
    @cpu_by_default()
    def sample_proba(self, X, n_samples=None, random_state=None):  # noqa: ARG002
        """Return class probabilities under the draws.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Row numbers as a column, or inputs that are among ``rows``.
        n_samples, random_state : object
            They do not matter: these are all the draws there are.

        Returns
        -------
        ndarray of shape (n_draws, n_samples, n_classes)
            Probabilities.
        """
        return self._draws(self._check_rows(X)).numpy()

    @available_if(_has_embeddings)
    @cpu_by_default()
    def embed(self, X):
        """Return embeddings.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Row numbers as a column, or inputs that are among ``rows``.

        Returns
        -------
        ndarray of shape (n_samples, n_dims)
            Embeddings.
        """
        return self._embed(self._check_rows(X)).numpy()


def _at(given: Any, positions: NDArray[np.intp]) -> NDArray[Any]:
    """Return some rows of an array or a tensor."""
    if isinstance(given, torch.Tensor):
        return as_float(given.detach()[positions]).numpy(force=True)
    return np.asarray(np.asanyarray(given)[positions])


def _positions_by_content(rows: Any) -> dict[bytes, int]:
    """Return where each row stands, the first where rows are equal."""
    rows = check_array(rows, allow_nd=True)
    positions: dict[bytes, int] = {}
    for at, row in enumerate(_unsigned(rows)):
        positions.setdefault(row.tobytes(), at)
    return positions


def _unsigned(rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows whose zeros have no sign, so that equal rows have equal bytes."""
    return rows + 0.0 if rows.dtype.kind == "f" else rows
