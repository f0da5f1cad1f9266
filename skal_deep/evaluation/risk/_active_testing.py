"""Active testing: which test points to label."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier import as_model
from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._inside import last_step
from skal_deep.classifier.door._model_checks import check_feature_names
from skal_deep.functional import power_sample
from skal_deep.modules import isolated_rng
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import n_rows


def active_testing(
    clf: Any,
    X: Any,
    n_labels: int,
    surrogate: Any = None,
    *,
    loss: str = "zero_one",
    epsilon: float = 0.5,
    tested: ArrayLike | None = None,
    random_state: Any = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Choose which test points to label to estimate the risk from few labels.

    Points are drawn, one after another without replacement, with probabilities
    proportional to the loss that a second model, the surrogate, expects of the first:
    ``1 - s(argmax f)`` or ``- sum_c s_c log f_c`` for predictions f and s. A share
    ``epsilon`` is spread evenly, so that every point can be drawn. Once the labels are
    known, :func:`unbiased_risk` turns the losses and the probabilities into an
    estimate with an error bar. It is unbiased whatever the surrogate, but a surrogate
    that is sure of what is wrong makes it less precise than labels at random.

    Use it when a trained model must be tested and labels of test points are expensive.

    Parameters
    ----------
    clf : object
        The fitted classifier to be tested.
    X : array-like of shape (n_samples, ...)
        All test points, none of which it was trained on.
    n_labels : int
        Number of points to draw.
    surrogate : object, default=None
        Another fitted classifier with the same classes; the paper takes an ensemble or
        a Bayesian net that is fitted anew to all labels, those of test points
        included, now and then. ``None`` is the classifier itself, which finds none of
        the mistakes it is sure of.
    loss : {"zero_one", "log"}, default="zero_one"
        The loss whose mean is wanted.
    epsilon : float, default=0.5
        Share of each draw's probability that is spread evenly over what is left. A
        small one makes the estimate sharper where the surrogate is right, and the
        interval wide: mistakes that it does not expect are hardly ever drawn.
    tested : array-like of shape (n_tested,), default=None
        Points that were drawn before, if this goes on with a better surrogate. Append
        what is returned to what was returned then.
    random_state : int, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    indices : ndarray of shape (n_labels,)
        Points to label, in the order of the draws.
    proba : ndarray of shape (n_labels,)
        Probability of each draw among the points that were left.
    floor : ndarray of shape (n_labels,)
        Smallest probability that any point that was left had in each draw.

    See Also
    --------
    unbiased_risk : The estimate and its interval.

    References
    ----------
    J. Kossen, S. Farquhar, Y. Gal, T. Rainforth. Active Testing: Sample-Efficient
    Model Evaluation. ICML, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import active_testing, unbiased_risk
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=500)
    >>> X = rng.normal(size=(500, 1)) + 2 * y[:, None]
    >>> clf = GaussianNB().fit(X[:20], y[:20])
    >>> rows, proba, floor = active_testing(clf, X[20:], 60, random_state=0)
    >>> losses = clf.predict(X[20:][rows]) != y[20:][rows]
    >>> estimate = unbiased_risk(losses, proba, n_pool=480, floor=floor)
    >>> bool(estimate.low < (clf.predict(X[20:]) != y[20:]).mean() < estimate.high)
    True
    """
    if not isinstance(epsilon, Real) or not 0 <= epsilon <= 1:
        raise ValueError(
            f"epsilon is a share of the probability, 0 ... 1, and not {epsilon!r}."
        )
    X = as_data(X)
    n_points = n_rows(X)
    drawn_before = _positions(tested, n_points)
    if isinstance(n_labels, bool) or not isinstance(n_labels, Integral):
        raise TypeError(f"n_labels must be a whole number, not {n_labels!r}.")
    if not 1 <= n_labels <= n_points - len(drawn_before):
        raise ValueError(
            f"n_labels={n_labels} points cannot be drawn: X has {n_points}, of which "
            f"{len(drawn_before)} were drawn before. At least one must be drawn."
        )
    proba_NC = surrogate_NC = _proba("clf", clf, X)
    if surrogate is not None:
        surrogate_NC = _proba("surrogate", surrogate, X)
        known, others = _classes(clf, proba_NC), _classes(surrogate, surrogate_NC)
        if known != others:
            raise ValueError(
                f"The classifier knows the classes {known} and the surrogate {others}; "
                "they must be the same, in the same order. Fit both to labels of all "
                "classes."
            )
    left = np.setdiff1d(np.arange(n_points), drawn_before)
    expected = _expected_loss(proba_NC[left], surrogate_NC[left], loss)
    if epsilon == 0 and bool((expected == 0).any()):
        raise ValueError(
            "The surrogate expects no loss at all of some points, which could then "
            "never be drawn: give epsilon above 0."
        )
    picks, proba_TN = power_sample(
        expected,
        int(n_labels),
        generator=torch.Generator().manual_seed(as_seed(random_state)),
        epsilon=epsilon,
    )
    drawn = proba_TN.gather(1, picks[:, None])[:, 0]
    # Rows hold 0 for points that were drawn earlier.
    floor = torch.where(proba_TN > 0, proba_TN, torch.inf).amin(1)
    arrays = (left[picks.numpy(force=True)], drawn.numpy(force=True))
    return *arrays, floor.numpy(force=True)


def _positions(tested: ArrayLike | None, n_points: int) -> NDArray[np.intp]:
    """Return the points that were drawn before, if they are positions."""
    rows = np.asarray([] if tested is None else tested)
    if rows.dtype.kind == "b":
        raise TypeError(
            "tested is a mask, but positions are wanted, as active_testing returned "
            "them: pass np.flatnonzero(mask)."
        )
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise TypeError(
            "tested must hold positions, that is, whole numbers in one dimension, not "
            f"an array of shape {rows.shape} and type {rows.dtype}."
        )
    if rows.size and not 0 <= rows.min() <= rows.max() < n_points:
        raise ValueError(
            f"tested must hold positions of X, 0 ... {n_points - 1}, but goes from "
            f"{rows.min()} to {rows.max()}."
        )
    if len(np.unique(rows)) < len(rows):
        raise ValueError("tested holds some position twice: points are drawn once.")
    return rows.astype(np.intp)


def _proba(name: str, clf: Any, X: Any) -> Tensor:
    model: Any = as_model(clf)
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"{name} must be a fitted classifier that predicts probabilities: "
            f"{clf!r} of type {type(clf).__name__} is none."
        )
    check_feature_names(clf, False, X, None)
    with isolated_rng(), torch.no_grad():
        proba_NC: Tensor = model.predict_proba(X)
    return proba_NC.cpu().double()  # the surrogate may be elsewhere


def _classes(clf: Any, proba_NC: Tensor) -> list[Any]:
    """Return the labels of the columns of what a classifier predicts."""
    columns = np.arange(proba_NC.shape[1])  # the classes of a plain skorch net
    is_net = isinstance(last_step(clf), NeuralNet)
    labels: list[Any] = np.asarray(
        columns if is_net else getattr(clf, "classes_", columns)
    ).tolist()
    return labels


def _expected_loss(proba_NC: Tensor, surrogate_NC: Tensor, loss: str) -> Tensor:
    """Return the loss that the surrogate expects at each point, of shape (N,)."""
    if loss == "zero_one":
        predicted_N1 = proba_NC.argmax(-1, keepdim=True)
        return (1 - surrogate_NC.gather(1, predicted_N1)[:, 0]).clamp_min(0)
    if loss != "log":
        raise ValueError(f"loss must be 'zero_one' or 'log', not {loss!r}.")
    tiny = torch.finfo(proba_NC.dtype).tiny  # a class taken for impossible costs 708
    return -(surrogate_NC * proba_NC.clamp_min(tiny).log()).sum(-1)
