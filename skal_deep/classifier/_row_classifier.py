"""A classifier that learns the labelled among the rows that it is given."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier
from skactiveml.utils import is_labeled
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import _check_feature_names

from skal_deep.classifier._labeled_score import ScoresLabeledRows
from skal_deep.rows._data import is_numbers, n_columns
from skal_deep.rows._label_array import (
    check_no_nan,
    label_array,
    warn_of_classes,
)
from skal_deep.rows._labels import known_classes
from skal_deep.rows._row_weights import row_weights
from skal_deep.rows._shape import check_is_rows


class RowClassifier(ScoresLabeledRows, SkactivemlClassifier, ABC):
    """A classifier that learns the labelled among the rows that it is given.

    A subclass says in which form it takes rows.
    """

    # Whether it learns from the rows without a label, too: `_fit_nets` of a classifier
    # over nets then takes them as `unlabeled`.
    _learns_from_unlabeled = False

    @abstractmethod
    def _as_rows(self, X: Any) -> Any:
        """Return rows in the form in which they are learned, or say what to pass."""

    def _rows_to_learn(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, NDArray[Any], NDArray[np.bool_], NDArray[np.float64] | None]:
        """Check parameters, rows and labels, and learn what the classes are.

        Returns
        -------
        X : object
            Rows.
        y : ndarray of shape (n_samples,)
            Positions of their classes.
        labeled : ndarray of shape (n_samples,)
            Which rows have a label.
        sample_weight : ndarray of shape (n_samples,), or None
            Weights, above 0 for a labelled row, if there is one.
        """
        validate_parameter_constraints(
            self._parameter_constraints,
            self.get_params(deep=False),
            type(self).__name__,
        )
        if getattr(self.classes, "ndim", 1) != 1:
            raise ValueError(
                "classes must list the labels of the classes, one after another, and "
                f"is an array of shape {tuple(self.classes.shape)}."
            )
        labels = label_array(y, self.missing_label)
        check_no_nan(labels, self.missing_label)
        check_is_rows(X)
        _check_feature_names(self, X, reset=True)
        X = self._as_rows(X)
        # scikit-activeml changes the dictionary, hence one for each call
        rows = {"allow_nd": True, "ensure_min_samples": 0, "ensure_min_features": 0}
        with known_classes(self.classes is not None):
            # scikit-activeml knows arrays of numbers; zeros stand in for other rows
            checked, y, sample_weight = self._validate_data(
                X if is_numbers(X) else np.zeros((len(X), 1)),
                labels,
                sample_weight,
                check_X_dict=rows,
            )
        X = checked if is_numbers(X) else X
        warn_of_classes(labels, self.missing_label, self.classes)
        # scikit-activeml forgets it where there are no rows
        self.n_features_in_ = n_columns(X)
        weight, labeled = row_weights(sample_weight, len(X)), is_labeled(y, -1)
        if weight is not None and labeled.any() and not weight[labeled].any():
            raise ValueError("sample_weight is zero for every labelled row.")
        return X, y, labeled, weight
