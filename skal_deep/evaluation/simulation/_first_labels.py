"""How many of the first labels each class gets."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation.simulation._first_rows import Rows, first_rows
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._start import known_rows
from skal_deep.rows._label_array import label_array

# One or a few labels of a rare class are what "stratified" is for; from so many on,
# and so many times more than chance gives, a start is better than any in practice.
_MANY = 5
_OUTRUN = 4
# From here on a model that has learned nothing looks good by accuracy.
_ALMOST_ALL = 0.9


def first_labels(y: NDArray[Any], rows: Rows) -> dict[Any, int]:
    """Return how many of the rows are of each class, classes without any included.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        All labels; those of other rows say which classes there are.
    rows : ndarray of shape (n_rows,)
        Rows to count.
    """
    classes, codes = np.unique(y, return_inverse=True)
    counts = np.bincount(codes[rows], minlength=len(classes))
    return dict(zip(classes.tolist(), counts.tolist(), strict=True))


def warn_of_first_rows(learner: HasRules, y: Any) -> None:
    """Warn if a stratified start has far more of a rare class than chance would.

    In practice no first labels look like that. So all strategies would know the rare
    class well, and none of them would have found it.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    y : array-like of shape (n_samples,)
        The true labels, which the annotator gives.
    """
    if learner.initial != "stratified" or is_regressor(learner.estimator):
        return
    y = label_array(y, learner.missing_label)
    y = y[known_rows(y, learner.missing_label)]
    every = np.arange(len(y))
    first = first_rows(y, every, learner.n_initial, "stratified", seed=0)
    all_counts = first_labels(y, every)
    for label, count in first_labels(y, first).items():
        by_chance = len(first) * all_counts[label] / len(y)
        if count >= _MANY and count > _OUTRUN * by_chance:
            warnings.warn(
                f"initial='stratified' takes {count} of the {len(first)} first labels "
                f"from class {label!r}, which is {all_counts[label] / len(y):.1%} of "
                "the rows: who labels at random would find about "
                f"{by_chance:.1f}. initial='random' starts as in practice.",
                UserWarning,
                stacklevel=3,
            )
            return


def warn_of_prevalence(learner: HasRules, y: Any) -> None:
    """Warn if accuracy is compared where one class makes up almost all rows.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    y : array-like of shape (n_samples,)
        The true labels, which the annotator gives.
    """
    first = learner.scoring
    first = first[0] if isinstance(first, list | tuple) else first
    if is_regressor(learner.estimator) or not (
        isinstance(first, str) and first == "accuracy"
    ):
        return
    y = label_array(y, learner.missing_label)
    y = y[known_rows(y, learner.missing_label)]
    counts = first_labels(y, np.arange(len(y)))
    common = max(counts, key=lambda label: counts[label])
    share = counts[common] / len(y)
    if len(counts) > 1 and share >= _ALMOST_ALL:
        rare = min(counts, key=lambda label: counts[label])
        warnings.warn(
            f"{share:.1%} of the rows are of class {common!r}: to predict it alone has "
            f"that accuracy, so that accuracy says little of the others, such as "
            f"{rare!r} with {counts[rare]} rows. Pass scoring='balanced_accuracy', or "
            "'average_precision' where labels are 0 and 1.",
            UserWarning,
            stacklevel=3,
        )


def format_counts(counts: dict[Any, float], n_shown: int = 12) -> str:
    """Return counts by class as words.

    Parameters
    ----------
    counts : dict of label to float
        How many of each class.
    n_shown : int, default=12
        How many classes are named.
    """
    shown = [f"{label}: {count:.3g}" for label, count in list(counts.items())[:n_shown]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more classes" if more else "")
