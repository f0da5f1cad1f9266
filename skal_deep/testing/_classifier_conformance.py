"""The checks of a classifier as one call, with a report."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skal_deep.testing import _classifier_conduct  # noqa: F401, lists its checks
from skal_deep.testing._classifier_case import ClassifierCase, small_vectors
from skal_deep.testing._classifier_checks import CHECKS
from skal_deep.testing._conformance import ConformanceReport, run_checks


def check_classifier(
    clf: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    skip: tuple[str, ...] = (),
    raise_on_failure: bool = True,
) -> ConformanceReport:
    """Check that a classifier keeps the promises that query strategies rely on.

    Among them: probabilities with a column for each class, by label; answers that do
    not depend on mini-batches and on rows beside; draws that are coupled and seeded;
    interrupts and failing fits that leave everything as it was; threads; pickles that
    a fresh process can load. Use it before you query with a classifier or a module of
    your own.

    Parameters
    ----------
    clf : object
        The classifier, not fitted, configured as it should be checked; it is cloned.
        Small nets and few epochs keep the checks short, as it is fitted some 30 times.
    X : array-like of shape (n_samples, ...), default=None
        Inputs that it takes, 30 rows or more; ``None`` are 48 vectors of 6 numbers.
    y : array-like of shape (n_samples,), default=None
        Their labels, the whole numbers from 0; given if ``X`` is.
    skip : tuple of str, default=()
        Names of checks that do not apply.
    raise_on_failure : bool, default=True
        Whether to raise when a check fails, with all failures in the message.

    Returns
    -------
    ConformanceReport
        Prints as a list of what failed.

    Raises
    ------
    AssertionError
        If a check fails and ``raise_on_failure``.

    See Also
    --------
    check_posterior : Audits the draws of a classifier that is fitted already.
    check_query_strategy : The same for query strategies.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.evaluation import check_classifier
    >>> from skal_deep.modules import MLP
    >>> net = NeuralNetClassifier(MLP, max_epochs=2, train_split=None, verbose=0)
    >>> check_classifier(DeepClassifier(net), skip=("fresh_process",)).failures
    {}
    """
    if X is None:
        X, y = small_vectors()
    elif y is None:
        raise ValueError("Give the labels of X, too: check_classifier(clf, X, y).")
    y = np.asarray(y)
    n_classes = len(np.unique(y))
    if not np.array_equal(np.unique(y), np.arange(n_classes)):
        raise ValueError("Labels must be the whole numbers from 0, all of them.")
    return run_checks(CHECKS, ClassifierCase(clf, X, y), skip, raise_on_failure)
