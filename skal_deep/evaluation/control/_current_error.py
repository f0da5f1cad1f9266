"""The error of the model of now, from the control labels that it trains on."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import KFold

from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.evaluation.risk._risk import RiskEstimate, unbiased_risk
from skal_deep.evaluation.simulation._streams import Purpose, prepare
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import take
from skal_deep.rows._label_array import label_array

_N_FOLDS = 10


def current_error(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    role: ArrayLike,
    *,
    level: float = 0.95,
    missing_label: Any = -1,
    random_state: Any = None,
) -> RiskEstimate:
    """Estimate the share of mistakes of a model trained on chosen and random labels.

    Cross-validation over the control labels alone: each fold of them is predicted by a
    model of all other labels, chosen ones always among these. Folds of chosen labels
    would be judged far too hard, as a strategy asks for what is difficult, and nothing
    else like it is left once it is taken out; so cross-validation over all labels is no
    error of the model.

    Use it in a project with a :class:`ControlArm`, whose strategy has not seen the
    control labels: where it has, it filled the gaps they leave, and the estimate is too
    high.

    Parameters
    ----------
    estimator : object
        The classifier.
    X : array-like of shape (n_samples, ...)
        All inputs.
    y : array-like of shape (n_samples,)
        Labels, with ``missing_label`` elsewhere.
    role : array-like of shape (n_samples,)
        ``ControlArm.role_``: rows of the role "control" are the random ones.
    level : float, default=0.95
        Probability with which the interval covers the true share. As folds share
        models, nothing is proved: of 160 campaigns with isolated strategies 95 %
        intervals covered .925 (``python -m benchmarks trust --parts arms``).
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of the folds and of the fits.

    Returns
    -------
    RiskEstimate
        The share of mistakes and its exact interval.

    See Also
    --------
    ControlArm : Asks for control labels.
    unbiased_risk : The error of one fixed model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import ControlArm, current_error
    >>> X, truth = load_iris(return_X_y=True)
    >>> y = np.where(np.arange(150) % 15 == 0, truth, -1)
    >>> arm = ControlArm(GaussianNB(), n_control=15, random_state=0)
    >>> ask = arm.ask(X, y)
    >>> arm = arm.tell(ask.indices, truth[ask.indices])
    >>> found = current_error(GaussianNB(), X, arm.y_, arm.role_, random_state=0)
    >>> found.n, found.interval, found.low <= found.risk <= found.high
    (15, 'exact', True)
    """
    is_class = isinstance(estimator, type)
    if is_class or not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise TypeError(f"estimator must be a classifier to fit, not {estimator!r}.")
    X, y, roles = as_data(X), label_array(y, missing_label), np.asarray(role)
    if y.shape != roles.shape or y.ndim != 1:
        raise ValueError(
            f"One role a label is wanted: y and role have the shapes {y.shape} and "
            f"{roles.shape}."
        )
    control = np.flatnonzero(roles == "control")
    if len(control) < 2:
        raise ValueError(
            f"{len(control)} control labels tell no error: label some rows at random."
        )
    others = np.flatnonzero(np.isin(roles, ["start", "chosen", "referee"]))
    seed = as_seed(random_state)
    folds = KFold(min(_N_FOLDS, len(control)), shuffle=True, random_state=seed)
    is_wrong = np.zeros(len(control))
    for train, test in folds.split(control):
        rows = np.concatenate([others, control[train]])
        model = fit_on_labeled(
            prepare(estimator, missing_label, seed, Purpose.MODEL),
            take(X, rows),
            y[rows],
            missing_label,
        )
        asked = control[test]
        is_wrong[test] = model.predict(take(X, asked)) != y[asked]
    n_pool = int((roles != "start").sum())
    at_random = 1 / (n_pool - np.arange(len(control)))
    return unbiased_risk(is_wrong, at_random, n_pool, interval="exact", level=level)
