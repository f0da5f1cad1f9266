"""The checks of a regressor as one call, with a report."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.testing import _classifier_checks, _classifier_conduct
from skal_deep.testing._classifier_case import small_vectors
from skal_deep.testing._conformance import ConformanceReport, run_checks
from skal_deep.testing._regressor_checks import CHECKS, RegressorCase

# What models of both kinds must leave alone and withstand.
_SHARED = (
    _classifier_checks.check_rows_stand_alone,
    _classifier_checks.check_equal_seeds,
    _classifier_conduct.check_what_is_not_fitted,
    _classifier_conduct.check_inputs_untouched,
    _classifier_conduct.check_asking_changes_nothing,
    _classifier_conduct.check_copies,
    _classifier_conduct.check_pickles_in_a_fresh_process,
    _classifier_conduct.check_interrupts,
    _classifier_conduct.check_a_fit_that_fails,
    _classifier_conduct.check_threads,
    _classifier_conduct.check_wrong_arguments,
    _classifier_conduct.check_feature_names,
)


def check_regressor(
    reg: Any,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    skip: tuple[str, ...] = (),
    raise_on_failure: bool = True,
) -> ConformanceReport:
    """Check that a regressor keeps the promises that query strategies rely on.

    Among them: predictions that do not depend on the units of the targets, on how they
    are held, on rows beside and on the order of storage; NaN as the mark of a row
    without a target; one target, equal ones, none; draws that are coupled, seeded and
    agree with the variances; interrupts, threads and pickles in a fresh process. Use it
    before you query with a regressor of your own.

    Parameters
    ----------
    reg : object
        The regressor, not fitted, configured as it should be checked; it is cloned.
        Small nets, few epochs and a ``noise`` that is given keep the checks short, as
        it is fitted some 50 times.
    X : array-like of shape (n_samples, ...), default=None
        Inputs that it takes, 30 rows or more; ``None`` are 48 vectors of 6 numbers.
    y : array-like of shape (n_samples,), default=None
        Their targets; given if ``X`` is.
    skip : tuple of str, default=()
        Names of checks that do not apply: a regressor whose prior is in the unit of y
        keeps no ``units_of_the_target``.
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
    check_classifier : The same for classifiers.
    check_query_strategy : The same for query strategies.

    Examples
    --------
    >>> from skal_deep.classifier import BayesianLinearRegressor
    >>> from skal_deep.evaluation import check_regressor
    >>> check_regressor(BayesianLinearRegressor(), skip=("fresh_process",)).failures
    {}
    """
    if X is None:
        X, y = small_targets()
    elif y is None:
        raise ValueError("Give the targets of X, too: check_regressor(reg, X, y).")
    case = RegressorCase(reg, X, np.asarray(y, dtype=float))
    return run_checks((*CHECKS, *_SHARED), case, skip, raise_on_failure)


def small_targets() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return small vectors, and numbers that hang on them."""
    X, group = small_vectors()
    noise = np.random.default_rng(0).normal(size=len(X))
    return X, X[:, 0] / 5 - np.sin(X[:, 1]) + group + 0.1 * noise
