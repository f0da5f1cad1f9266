"""Whether to go on labelling."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation.planning._calibration import MIN_STAGES
from skal_deep.evaluation.planning._projection import Projection, project
from skal_deep.evaluation.statistics._curves import check_labels
from skal_deep.evaluation.statistics._numbers import (
    check_scores,
    real_number,
    real_numbers,
)
from skal_deep.evaluation.statistics._sizes import format_size

_STABLE = 0.99  # kappa, as Bloodgood and Vijay-Shanker recommend
_WINDOW = 3  # stages, in both papers
_ROUND_OFF = 1e-3  # of probabilities in half precision


@dataclass(frozen=True)
class Signal:
    """What one stopping criterion says.

    It is an entry of ``StoppingAdvice.signals``: read the reason before you follow the
    criterion.

    Attributes
    ----------
    name : str
        The criterion.
    stop : bool or None
        Whether it says to stop; ``None`` if it cannot tell.
    reason : str
        Why, with numbers.

    See Also
    --------
    StoppingAdvice : All criteria together.
    stopping_advice : Computes them.

    Examples
    --------
    >>> from skal_deep.evaluation import stopping_advice
    >>> advice = stopping_advice(range(20, 340, 20), [[0.9] * 16] * 8)
    >>> signal = advice.signals[0]
    >>> signal.name, signal.stop
    ('projected gain', True)
    """

    name: str
    stop: bool | None
    reason: str


@dataclass(frozen=True)
class StoppingAdvice:
    """Whether to go on labelling, by several criteria.

    :func:`stopping_advice` returns it: print it, or read :attr:`word`.

    Attributes
    ----------
    signals : list of Signal
        What each criterion says.
    projection : Projection or None
        What more labels would bring, where there are scores of six stages or more.

    See Also
    --------
    stopping_advice : Computes the advice.
    Signal : What one criterion says.

    Examples
    --------
    >>> from skal_deep.evaluation import stopping_advice
    >>> advice = stopping_advice(range(20, 340, 20), [[0.9] * 16] * 8)
    >>> advice.word
    'stop'
    """

    signals: list[Signal]
    projection: Projection | None

    @property
    def word(self) -> str:
        """What to do: "stop", "go on", or "unclear" where criteria differ."""
        said = {signal.stop for signal in self.signals} - {None}
        if len(said) != 1:
            return "unclear"
        return "stop" if said == {True} else "go on"

    def __str__(self) -> str:
        words = {True: "stop", False: "go on", None: "cannot tell"}
        return "\n".join(
            [
                f"Advice: {self.word}.",
                *(f"- {s.name}: {words[s.stop]}. {s.reason}" for s in self.signals),
            ]
        )


def stopping_advice(
    n_labels: ArrayLike,
    scores: ArrayLike | None = None,
    proba: ArrayLike | None = None,
    *,
    n_more: int | None = None,
    smallest_gain: float = 0.01,
    highest: float | None = None,
) -> StoppingAdvice:
    """Say whether more labels are worth having.

    The learning curve is continued as :func:`plan_labels` does: stop if even the upper
    bound of what ``n_more`` labels would bring is below ``smallest_gain``, or if
    doubling them will not pay. A single curve seldom says so, and "cannot tell" is the
    usual answer.

    Class probabilities for rows that need no label give two criteria that cost nothing:
    predictions that have settled, that is, a mean kappa of 0.99 between successive
    models over three stages [1]_, and confidence that has fallen for three stages in a
    row, as what is left is too hard or too noisy [2]_.

    Use it after each round of labelling.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages), default=None
        Score at each stage, such as ``Comparison.curve(name)``.
    proba : array-like of shape (n_stages, n_samples, n_classes), default=None
        Class probabilities of the model of each stage, for the same rows, such as
        ``[stage.predict_proba(X) for stage in learner.stages_]``.
    n_more : int, default=None
        How many further labels are considered; ``None`` is as many as were queried.
    smallest_gain : float, default=0.01
        The gain in score for which ``n_more`` labels are worth having.
    highest : float, default=None
        The highest score there is, which no projection exceeds. ``None`` is 1, or 0
        where no score is above 0, as of the negated losses of scikit-learn, or none
        where some score is above 1.

    Returns
    -------
    StoppingAdvice
        The advice, and the reasons; print it.

    See Also
    --------
    Projection : What more labels would bring.
    plot_projection : Draws it.

    Notes
    -----
    How often noise misleads it, by ``python -m benchmarks trust --parts stopping``, 400
    made-up curves of 16 stages a kind: it never said "go on" of flat ones, and "stop"
    in none of those that rise by 1.8 or 3.5 points more. Of flat means of eight curves
    it says "stop" in nearly all on 1,000 test rows, in 3 % on 50, and never of single
    ones: noise hides that they are flat. Confidence without a trend falls three times
    in a row by chance, in one look of 24, and so at some look in a long campaign; by
    itself it stops nothing as long as predictions still change.

    References
    ----------
    .. [1] M. Bloodgood, K. Vijay-Shanker. A Method for Stopping Active Learning Based
       on Stabilizing Predictions and the Need for User-Adjustable Stopping. CoNLL,
       2009.
    .. [2] A. Vlachos. A Stopping Criterion for Active Learning. Computer Speech and
       Language, 2008.

    Examples
    --------
    >>> from skal_deep.evaluation import stopping_advice
    >>> curve = [0.6, 0.75, 0.8, 0.84, 0.84, 0.86]
    >>> print(stopping_advice([10, 20, 30, 40, 50, 60], curve))
    Advice: unclear.
    - projected gain: cannot tell. 50 more labels would bring +3.8 points (+0 to +13.7).
    """
    if scores is None and proba is None:
        raise ValueError(
            "There is nothing to judge by: give scores, or proba, or both."
        )
    if n_more is not None and not isinstance(n_more, Integral):
        raise TypeError(f"n_more must be a whole number, not {n_more!r}.")
    smallest_gain = real_number(smallest_gain, "smallest_gain")
    n_labels = real_numbers(n_labels, "n_labels")
    labels = check_labels(n_labels, n_labels if scores is None else scores)
    if scores is not None:
        check_scores(scores)
    projection, signals = None, []
    if scores is not None and len(labels) >= MIN_STAGES:
        n_more = int(labels[-1] - labels[0]) if n_more is None else n_more
        projection = project(
            labels, scores, n_more, smallest_gain=smallest_gain, highest=highest
        )
        is_share = bool(np.all((np.asarray(scores) >= 0) & (np.asarray(scores) <= 1)))
        signals.append(_by_projection(projection, smallest_gain, is_share))
    elif scores is not None:
        signals.append(_silent("projected gain", MIN_STAGES))
    if proba is not None:
        if len(np.asarray(proba)) != len(labels):
            raise ValueError(
                f"proba has {len(np.asarray(proba))} stages, n_labels {len(labels)}."
            )
        signals += [_by_stability(proba), _by_confidence(proba)]
    return StoppingAdvice(signals, projection)


def _by_projection(projection: Projection, smallest: float, is_share: bool) -> Signal:
    low, gain, high = (
        format_size(value, is_share, "+").removesuffix(" points")
        for value in (projection.low, projection.gain, projection.high)
    )
    unit = " points" if is_share else ""
    will_not_pay = projection.high < smallest or projection.will_not_pay
    stop = True if will_not_pay else None
    stop = False if projection.low > smallest else stop
    said = f"{projection.n_more} more labels would bring {gain}{unit}"
    if projection.is_open:
        reason = f"{said}, as a guess. The band is open: {projection.is_open}."
    else:
        reason = f"{said} ({low} to {high})."
    return Signal("projected gain", stop, reason)


def _by_stability(proba: ArrayLike) -> Signal:
    recent = agreements(proba)[-_WINDOW:]
    if len(recent) < _WINDOW:
        return _silent("stable predictions", _WINDOW + 1)
    kappa = float(recent.mean())
    return Signal(
        "stable predictions",
        kappa >= _STABLE,
        f"Successive models agree with a kappa of {kappa:.3f}; {_STABLE} is stable.",
    )


def _by_confidence(proba: ArrayLike) -> Signal:
    recent = confidences(proba)[-_WINDOW - 1 :]
    if len(recent) < _WINDOW + 1:
        return _silent("confidence", _WINDOW + 1)
    steps = np.diff(recent)
    # Falls on end say stop; a single one says nothing.
    stop: Any = True if (steps < 0).all() else None
    stop = False if (steps > 0).all() else stop
    path = " to ".join(f"{value:.3f}" for value in (recent[0], recent[-1]))
    return Signal("confidence", stop, f"Over {_WINDOW} stages it went from {path}.")


def _silent(name: str, n_stages: int) -> Signal:
    return Signal(name, None, f"It needs {n_stages} stages.")


def agreements(proba: ArrayLike) -> NDArray[np.float64]:
    """Return how far each model agrees with the one before: Cohen's kappa.

    Parameters
    ----------
    proba : array-like of shape (n_stages, n_samples, n_classes)
        Class probabilities of the model of each stage, for the same rows.

    Returns
    -------
    kappa : ndarray of shape (n_stages - 1,)
        One for equal predictions, zero for the agreement of chance.

    References
    ----------
    M. Bloodgood, K. Vijay-Shanker. A Method for Stopping Active Learning Based on
    Stabilizing Predictions and the Need for User-Adjustable Stopping. CoNLL, 2009.
    """
    proba_TNC = check_proba(proba)
    is_class_TNC = np.eye(proba_TNC.shape[2])[proba_TNC.argmax(axis=2)]
    agreed_T = (is_class_TNC[1:] * is_class_TNC[:-1]).sum(axis=2).mean(axis=1)
    share_TC = is_class_TNC.mean(axis=1)
    chance_T = (share_TC[1:] * share_TC[:-1]).sum(axis=1)
    # Where both name one class alone, chance explains all: they agree.
    kappa_T = np.ones_like(agreed_T)
    np.divide(agreed_T - chance_T, 1 - chance_T, out=kappa_T, where=chance_T < 1)
    return kappa_T


def confidences(proba: ArrayLike) -> NDArray[np.float64]:
    """Return the mean probability of the predicted class.

    Parameters
    ----------
    proba : array-like of shape (n_stages, n_samples, n_classes)
        Class probabilities of the model of each stage, for the same rows.

    Returns
    -------
    confidence : ndarray of shape (n_stages,)
        Between ``1 / n_classes`` and one.
    """
    return np.asarray(check_proba(proba).max(axis=2).mean(axis=1))


def check_proba(proba: ArrayLike) -> NDArray[np.float64]:
    """Return class probabilities if they are such.

    Parameters
    ----------
    proba : array-like of shape (n_stages, n_samples, n_classes)
        Class probabilities of the model of each stage, for the same rows.
    """
    proba_TNC = np.asarray(proba, float)
    if proba_TNC.ndim != 3 or not proba_TNC.size:
        raise ValueError(
            "proba must have the shape (n_stages, n_samples, n_classes), not "
            f"{proba_TNC.shape}."
        )
    # NaN and infinity fail here, too: their rows do not sum to one.
    with np.errstate(invalid="ignore"):  # infinity less infinity
        is_one_TN = np.abs(proba_TNC.sum(axis=2) - 1) <= _ROUND_OFF
    if not is_one_TN.all() or proba_TNC.min() < -_ROUND_OFF:
        raise ValueError(
            f"proba has {int((~is_one_TN).sum())} of {is_one_TN.size} rows that do not "
            "sum to 1, or negative numbers: class probabilities are wanted, without "
            "NaN. Did a training diverge?"
        )
    return proba_TNC
