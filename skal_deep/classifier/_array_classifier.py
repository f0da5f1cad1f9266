"""Classifiers that take rows as they are, without a net."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from skactiveml.utils import check_n_features
from sklearn.utils import check_array
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from skal_deep._modes import cpu_by_default
from skal_deep.classifier._base import as_seed
from skal_deep.classifier._row_classifier import RowClassifier
from skal_deep.classifier.net._interrupts import restore_unless_done
from skal_deep.rows._shape import check_is_rows


class ArrayClassifier(RowClassifier, ABC):
    """A classifier that takes rows of numbers, without a net.

    A subclass says what is learned from labelled rows, and what strategies may ask.
    """

    _parameter_constraints: dict[str, Any] = {"random_state": ["random_state"]}
    # What to do with sparse rows.
    _instead_of_sparse = "Pass X.toarray()."

    def fit(self, X, y, sample_weight=None):
        """Fit to the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Labels; rows at ``missing_label`` are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss. Their scale does not matter.

        Returns
        -------
        object
            The fitted classifier.
        """
        with restore_unless_done(self), cpu_by_default():
            X, y, labeled, weight = self._rows_to_learn(X, y, sample_weight)
            self.seed_ = as_seed(self.random_state)
            self.random_state_ = np.random.RandomState(self.seed_ % 2**32)
            if weight is not None and labeled.any():
                labeled &= weight > 0  # a row without weight is none
            weight = None if weight is None else weight[labeled]
            self._fit_rows(X, labeled, y[labeled].astype(np.int64), weight)
        return self

    @abstractmethod
    def _fit_rows(
        self,
        X: NDArray[Any],
        labeled: NDArray[np.bool_],
        y: NDArray[np.int64],
        sample_weight: NDArray[Any] | None,
    ) -> None:
        """Learn from the labelled rows of X; y and weights are theirs alone."""

    @abstractmethod
    def _answers(self) -> dict[str, Callable[..., Any]]:
        """Return what strategies may ask, as tensors, by the protocols' names."""

    def _as_rows(self, X: Any) -> NDArray[Any]:
        """Return rows as an array of two axes."""
        self._check_dense(X)
        return check_array(X, ensure_min_samples=0)

    def _check_dense(self, X: Any) -> None:
        if issparse(X):
            raise TypeError(
                f"{type(self).__name__} takes dense rows, and X is sparse with "
                f"{X.shape[1]} columns. {self._instead_of_sparse}"
            )

    def _check_rows(self, X: Any) -> NDArray[Any]:
        """Return inputs that look like those of fit."""
        check_is_fitted(self)
        self._check_dense(X)
        _check_feature_names(self, X, reset=False)
        check_is_rows(X)
        X = check_array(X)
        check_n_features(self, X, reset=False)
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "seed_")
