"""Metrics for partly labelled data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.utils import is_labeled
from sklearn.utils import _safe_indexing

from skal_deep.evaluation._metrics import Scorer, as_scorer
from skal_deep.rows._label_array import label_array


class LabeledScorer:
    """A metric on the rows that have a label. See :func:`make_labeled_scorer`.

    Parameters
    ----------
    metric : callable
        ``metric(estimator, X, y)``.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    """

    def __init__(self, metric: Scorer, missing_label: Any):
        self.metric = metric
        self.missing_label = missing_label

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the metric; NaN if no row has a label."""
        y = label_array(y, self.missing_label)
        rows: NDArray[np.intp] = np.flatnonzero(is_labeled(y, self.missing_label))
        if not len(rows):
            return float("nan")
        return self.metric(estimator, _safe_indexing(X, rows), _safe_indexing(y, rows))


def make_labeled_scorer(scoring: Any, missing_label: Any = -1) -> LabeledScorer:
    """Make a scorer that leaves out the rows without a label.

    For searches of scikit-learn over partly labelled data: without it, the rows
    without a label would count as errors.

    Use it as ``scoring=`` of ``GridSearchCV`` or ``cross_validate`` when some rows have
    no label.

    Parameters
    ----------
    scoring : str or callable
        A metric as in scikit-learn, or "neg_ece", minus the expected calibration
        error.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, for ``scoring=`` of scikit-learn; NaN if no row
        has a label.

    See Also
    --------
    sklearn.metrics.make_scorer : Scorers for fully labelled data.
    SimulatedActiveLearner : Takes such metrics by name.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from skal_deep.evaluation import make_labeled_scorer
    >>> clf = DummyClassifier(strategy="constant", constant=1).fit([[0]], [1])
    >>> score = make_labeled_scorer("accuracy")
    >>> round(score(clf, np.zeros((5, 1)), [1, 1, 1, 0, -1]), 2)
    0.75
    """
    return LabeledScorer(as_scorer(scoring), missing_label)
