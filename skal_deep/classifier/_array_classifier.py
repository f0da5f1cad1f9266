"""Classifiers that take rows as they are, without a net."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from skactiveml.base import SkactivemlClassifier
from skactiveml.utils import check_n_features, is_labeled
from sklearn.utils import check_array
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from skal_deep.classifier._base import as_seed
from skal_deep.classifier._labeled_score import ScoresLabeledRows
from skal_deep.classifier.net._interrupts import restore_unless_done
from skal_deep.rows._label_array import label_array, warn_of_one_class
from skal_deep.rows._labels import known_classes
from skal_deep.rows._row_weights import row_weights
from skal_deep.rows._shape import check_is_rows


class ArrayClassifier(ScoresLabeledRows, SkactivemlClassifier, ABC):
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
        self : object
            The fitted classifier.
        """
        with restore_unless_done(self):
            validate_parameter_constraints(
                self._parameter_constraints,
                self.get_params(deep=False),
                type(self).__name__,
            )
            labels = label_array(y, self.missing_label)
            self._check_dense(X)
            check_is_rows(X)
            _check_feature_names(self, X, reset=True)
            with known_classes(self.classes is not None):
                X, y, weight = self._validate_data(
                    X, labels, sample_weight, check_X_dict={"ensure_min_samples": 0}
                )
            warn_of_one_class(labels, self.missing_label, self.classes)
            weight = row_weights(weight, len(X))
            self.seed_ = as_seed(self.random_state)
            self.random_state_ = np.random.RandomState(self.seed_ % 2**32)
            labeled = is_labeled(y, missing_label=-1)
            if weight is not None:
                if labeled.any() and not weight[labeled].any():
                    raise ValueError("sample_weight is zero for every labelled row.")
                labeled = labeled & (weight > 0)  # a row without weight is none
                weight = weight[labeled]
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
