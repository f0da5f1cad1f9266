"""The accuracy on the rows that have a label."""

from typing import Any

from skactiveml.utils import is_labeled
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length, column_or_1d

from skal_deep.rows._label_array import label_array, narrowed
from skal_deep.rows._row_weights import row_weights


class ScoresLabeledRows:
    """A classifier whose score leaves out rows without a label."""

    missing_label: Any
    predict: Any

    def score(self, X, y, sample_weight=None):
        """Return the accuracy on the labelled rows.

        Rows at ``missing_label`` do not count, so that searches over partly labelled
        data score what is known.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Accuracy; NaN if no row has a label.
        """
        y = column_or_1d(label_array(y, self.missing_label))
        predicted = self.predict(X)
        check_consistent_length(predicted, y)
        labeled = is_labeled(y, self.missing_label)
        if not labeled.any():
            return float("nan")
        weight = row_weights(sample_weight, len(y))
        weight = None if weight is None else weight[labeled]
        truth, predicted = narrowed(y[labeled]), narrowed(predicted[labeled])
        return accuracy_score(truth, predicted, sample_weight=weight)
