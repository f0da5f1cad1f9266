"""The replacement of a classifier as long as only one class has been seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.utils import is_labeled
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline

from skal_deep.rows._data import n_rows
from skal_deep.rows._label_array import narrowed


class OneClass(ClassifierMixin, BaseEstimator):
    """Classifier that predicts the only class seen so far, with probability 1.

    Many classifiers of scikit-learn cannot be fitted to one class.

    Parameters
    ----------
    classes : array-like of shape (n_classes,)
        All classes.
    """

    def __init__(self, classes):
        self.classes = classes

    def fit(self, X: Any, y: NDArray[Any]) -> "OneClass":  # noqa: ARG002 as in scikit-learn
        """Remember the class."""
        self.classes_ = narrowed(np.asarray(self.classes))
        self.is_seen_ = self.classes_ == y[0]
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class for each row."""
        return np.repeat(self.classes_[self.is_seen_], n_rows(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return one for the class and zero for all others."""
        return np.tile(self.is_seen_.astype(np.float64), (n_rows(X), 1))


def stand_in(
    estimator: Any, classes: NDArray[Any], y: NDArray[Any], missing_label: Any
) -> Any:
    """Return what to fit: a stand-in if labels show one class of several, else nothing.

    Classifiers that are told all classes need none. The earlier steps of a Pipeline
    are kept.

    Parameters
    ----------
    estimator : object
        The classifier.
    classes : ndarray of shape (n_classes,)
        All classes.
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    known = y[is_labeled(y, missing_label)]
    is_told = "classes" in last.get_params(deep=False)
    if is_told or len(classes) < 2 or not len(known) or (known != known[0]).any():
        return None
    if isinstance(estimator, Pipeline):
        *earlier, (name, _) = estimator.steps
        return Pipeline(
            [*((n, clone(s)) for n, s in earlier), (name, OneClass(classes))]
        )
    return OneClass(classes)


def is_stand_in(estimator: Any) -> bool:
    """Return whether a fitted classifier has seen one class only."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return isinstance(last, OneClass)
