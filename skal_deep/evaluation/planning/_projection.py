"""What a number of further labels would bring: the band as one line."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation.planning._label_plan import LabelPlan
from skal_deep.evaluation.planning._plan import plan_labels
from skal_deep.evaluation.statistics._curves import check_labels
from skal_deep.evaluation.statistics._numbers import check_scores
from skal_deep.evaluation.statistics._power_law import power_law

_N_POINTS = 60


@dataclass(frozen=True)
class Projection:
    """What more labels would bring, with the bounds of a 90 % band.

    :func:`stopping_advice` makes it: compare ``gain`` with what the labels would cost.

    Attributes
    ----------
    n_more : int
        Number of further labels.
    gain, low, high : float
        Gain in score, and the bounds of its interval.
    labels : ndarray of shape (n_points,)
        Numbers of labels, from the first of the curve to the last of the projection.
    fit, fit_low, fit_high : ndarray of shape (n_points,)
        The forecast at these, and the bounds of its band.
    will_not_pay : bool
        Whether not even as many labels again would bring ``smallest_gain``, see
        :func:`plan_labels`.
    is_open : str
        Why the band has no bounds but those of the score; empty where it has.

    See Also
    --------
    stopping_advice : Makes the projection and judges it.
    plot_projection : Draws it.

    Examples
    --------
    >>> from skal_deep.evaluation import stopping_advice
    >>> labels = [10, 20, 30, 40, 50, 60]
    >>> advice = stopping_advice(labels, [0.6, 0.75, 0.81, 0.84, 0.86, 0.87])
    >>> advice.projection.n_more, bool(advice.projection.gain > 0)
    (50, True)
    """

    n_more: int
    gain: float
    low: float
    high: float
    labels: NDArray[np.float64]
    fit: NDArray[np.float64]
    fit_low: NDArray[np.float64]
    fit_high: NDArray[np.float64]
    will_not_pay: bool = False
    is_open: str = ""


def project(
    n_labels: ArrayLike,
    scores: ArrayLike,
    n_more: int,
    *,
    smallest_gain: float = 0.01,
    highest: float | None = None,
) -> Projection:
    """Return what more labels would bring if the curve went on as others did.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, at least six.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Score at each stage.
    n_more : int
        Number of further labels.
    smallest_gain : float, default=0.01
        The gain for which labels are worth having.
    highest : float, default=None
        The highest score there is, see :func:`plan_labels`.

    Returns
    -------
    projection : Projection
        The gain, and the curve it is read from.
    """
    plan = plan_labels(n_labels, scores, smallest_gain=smallest_gain, highest=highest)
    most = int(plan.labels[-1]) - plan.n_labels
    if not isinstance(n_more, Integral):
        raise TypeError(f"n_more must be a whole number of labels, not {n_more!r}.")
    if not 1 <= n_more <= most:
        raise ValueError(
            f"n_more={n_more} must lie between 1 and {most}: no curve is continued "
            f"beyond {plan.labels[-1] / plan.n_labels:g} times its labels."
        )
    low, high = plan.gain_at(plan.n_labels + n_more)
    labels = check_labels(n_labels, scores)
    mean = np.atleast_2d(check_scores(scores)).mean(axis=0, keepdims=True)
    past = np.linspace(labels[0], labels[-1], _N_POINTS)
    future = np.linspace(labels[-1], labels[-1] + n_more, _N_POINTS)[1:]
    fit = power_law(labels, mean, past, np.inf if highest is None else highest)[0]
    middle, lower, upper = (
        np.concatenate([fit, _along(plan, bound, future)])
        for bound in (plan.forecast, plan.low, plan.high)
    )
    at = np.concatenate([past, future])
    gain = float(middle[-1] - plan.current)
    return Projection(
        n_more,
        gain,
        low,
        high,
        at,
        middle,
        lower,
        upper,
        will_not_pay=plan.will_not_pay and n_more <= plan.n_labels,
        is_open=plan.is_open,
    )


def _along(
    plan: LabelPlan, bound: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    known = np.append(plan.n_labels, plan.labels)
    return np.interp(at, known, np.append(plan.current, bound))
