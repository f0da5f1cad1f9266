"""How many labels to plan for."""

import math
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.evaluation.planning._bank import Bank
from skal_deep.evaluation.planning._calibration import (
    DOUBLE,
    MIN_STAGES,
    Calibration,
    calibrate,
    families_needed,
)
from skal_deep.evaluation.planning._forecast import forecast
from skal_deep.evaluation.planning._label_plan import LabelPlan
from skal_deep.evaluation.statistics._curves import check_labels
from skal_deep.evaluation.statistics._numbers import check_scores, real_number
from skal_deep.evaluation.statistics._paired import check_level
from skal_deep.evaluation.statistics._power_law import power_law

# A last score so many standard deviations off the curve is a jump: no form holds.
_JUMP = 3.0
_SMALLEST_JUMP = 0.02
_NAME_NONE = (
    " (data sets of one family count once: leave the name of a family out where your "
    "question is of it, too)"
)


def plan_labels(
    n_labels: ArrayLike,
    scores: ArrayLike,
    *,
    target: float | None = None,
    gain: float | None = None,
    n_test: int | None = None,
    bank: Bank | str = "builtin",
    level: float = 0.9,
    smallest_gain: float = 0.01,
    highest: float | None = None,
) -> LabelPlan:
    r"""Say how many more labels pay, or that it cannot be told.

    The curve is continued by the mean of a power law and a logarithm. How far such
    forecasts err is not told by the noise of the curve but by other curves: each curve
    of a bank is cut where it has as large a share of its labels, forecast, and compared
    with what came. The band is widened by what held for ``level`` of the families of
    data sets, at all numbers of labels together. Inverted, it bounds the labels that a
    score takes.

    A family, such as all subsets of one data set, counts once, however many curves it
    has (split conformal prediction in two layers). So the band is one for data of a
    family that it does not know, as yours mostly are, and a bank of fewer families than
    ``level`` needs gives no bounds: 19 for .9.

    Use it before you order labels. The scores must come from rows that were drawn at
    random, such as a test set or the control arm of a campaign: of labels that a
    strategy chose, cross-validation is no score.

    Parameters
    ----------
    n_labels : array-like of shape (n_stages,)
        Number of labels at each stage, whole numbers; six stages or more.
    scores : array-like of shape (n_stages,) or (n_repeats, n_stages)
        Scores, higher is better. The mean of repeats has a narrower band.
    target : float, default=None
        The score that is wanted.
    gain : float, default=None
        The same as a gain over the score now.
    n_test : int, default=None
        Rows that the scores are measured on, if these are shares and the rows fewer
        than about 500: their noise widens the band.
    bank : Bank or "builtin", default="builtin"
        Curves of other data sets. That of the package has 164, of 35 families: images,
        tables and synthetic data, with a linear model.
    level : float, default=0.9
        Share of the families of data sets for which the band should hold. The bank of
        the package has enough of them for levels up to .94.
    smallest_gain : float, default=0.01
        The gain for which doubling the labels is worth it.
    highest : float, default=None
        The highest score there is, which no bound exceeds. ``None`` is 1, or 0 where no
        score is above 0, as of the negated losses of scikit-learn, or none where some
        score is above 1.

    Returns
    -------
    LabelPlan
        The plan; print it, or read ``needed`` and ``word``.

    See Also
    --------
    stopping_advice : Whether to stop now.
    labels_to_reach : Labels that a finished curve took.

    Notes
    -----
    With the forecast gains :math:`G_j` at numbers of labels :math:`n_j` and the scale
    :math:`S_j = .005 + s + |G^{law}_j - G^{log}_j| / 2 + G_j / 4`, where :math:`s` is
    the standard deviation of the scores around the power law, a curve of the bank has
    the errors :math:`\max_j (T_j - G_j) / S_j` and :math:`\max_j (G_j - T_j) / S_j`;
    their weighted quantiles times :math:`S_j` are the widths. Where finite bounds of a
    number of labels are given they held less often than ``level``, as open ones always
    hold. A curve with a jump at its end fits no form: its band is open.

    "Doubling will not pay" is said where :math:`G_j + 2 S_j` is so small that at most
    one in ten data sets of the bank with as little gained more than ``smallest_gain``
    after all, and at most one in five families.

    References
    ----------
    .. [1] R. Dunn, L. Wasserman, A. Ramdas. Distribution-Free Prediction Sets for
       Two-Layer Hierarchical Models. Journal of the American Statistical Association,
       2023.
    .. [2] Y. Jin, E. Candès. Selection by Prediction with Conformal p-values. Journal
       of Machine Learning Research, 2023.

    Examples
    --------
    >>> from skal_deep.evaluation import plan_labels
    >>> labels = [10, 20, 30, 40, 50, 60, 70, 80]
    >>> scores = [0.55, 0.7, 0.76, 0.79, 0.81, 0.825, 0.835, 0.84]
    >>> plan_labels(labels, scores, target=0.99).word
    'more than 158 labels; how many cannot be told'
    """
    labels, score_RT = _check(n_labels, scores)
    _check_options(target, gain, n_test, level, smallest_gain)
    highest = _highest(score_RT, highest)
    n_repeats, mean = len(score_RT), score_RT.mean(axis=0)
    if not isinstance(bank, Bank) and bank != "builtin":
        raise ValueError(f"bank must be a Bank or 'builtin', not {bank!r}.")
    known = calibrate(None if isinstance(bank, str) else bank, len(labels), n_repeats)
    is_share = bool((score_RT >= 0).all() and (score_RT <= 1).all())
    if n_test is not None and not is_share:
        raise ValueError(
            "n_test tells the noise of shares, and these scores are none: leave it out."
        )
    # Scores of another unit are brought to the size of those of the bank.
    unit = 1.0 if is_share else _unit(mean, known)
    noise = 0.0
    if n_test is not None:
        noise = math.sqrt(mean[-1] * (1 - mean[-1]) / (n_test * n_repeats))
    found = forecast(labels, mean[None] / unit, known.horizons, highest / unit, noise)
    up, down = known.quantiles(level)
    is_open = _why_open(labels, mean / unit, highest / unit, known, level)
    if not is_share and np.ptp(mean) == 0:
        is_open = "scores that are all equal tell of no unit to measure gains in"
    if is_open:
        up = down = math.inf
    current, forecast_J = float(found.current[0] * unit), found.gain[0] * unit
    scale_J = found.scale[0] * unit
    left = max(highest - current, 0.0)
    # The truth does not fall, so what holds for fewer labels holds for more.
    low_J = np.maximum.accumulate(np.maximum(forecast_J - down * scale_J, 0))
    high_J = np.minimum(forecast_J + up * scale_J, left)
    at = known.horizons * labels[-1]
    wanted = target if gain is None else current + gain
    double = list(known.horizons).index(DOUBLE)
    threshold = known.largest_that_will_not_pay(smallest_gain / unit) * unit
    is_small = found.most[0, double] * unit <= threshold or left < smallest_gain
    return LabelPlan(
        int(labels[-1]),
        current,
        at,
        current + low_J,
        current + high_J,
        current + forecast_J,
        wanted,
        _needed(wanted, current, labels[-1], at, low_J, high_J),
        will_not_pay=bool(not is_open and is_small),
        smallest_gain=smallest_gain,
        level=level,
        n_families=known.n_families,
        is_open=is_open,
        is_share=is_share,
    )


def _needed(
    wanted: float | None,
    current: float,
    n_now: float,
    at: NDArray[np.float64],
    low_J: NDArray[np.float64],
    high_J: NDArray[np.float64],
) -> tuple[float, float]:
    """Return where the upper end of the band reaches a score, and the lower."""
    if wanted is None:
        return math.nan, math.nan
    gain = wanted - current
    return tuple(  # type: ignore[return-value]
        _first_at(gain, np.append(n_now, at), np.append(0.0, bound))
        for bound in (high_J, low_J)
    )


def _first_at(
    gain: float, at: NDArray[np.float64], bound: NDArray[np.float64]
) -> float:
    """Return where a line through points first reaches a gain, else infinity."""
    reached = np.flatnonzero(bound >= gain)
    if not len(reached):
        return math.inf
    after = int(reached[0])
    if after == 0:
        return float(at[0])
    if not math.isfinite(bound[after]):
        return float(at[after - 1])
    share = (gain - bound[after - 1]) / (bound[after] - bound[after - 1])
    return float(at[after - 1] + share * (at[after] - at[after - 1]))


def _unit(mean: NDArray[np.float64], known: Calibration) -> float:
    spread = float(mean.max() - mean.min())
    return spread / known.spread if spread > 0 and known.spread > 0 else 1.0


def _why_open(
    labels: NDArray[np.float64],
    mean: NDArray[np.float64],
    highest: float,
    known: Calibration,
    level: float,
) -> str:
    """Return why no bounds can be given, or nothing."""
    if known.n_families < (n_needed := families_needed(level)):
        families = "family" if known.n_families == 1 else "families"
        names = "" if known.n_tasks < n_needed else _NAME_NONE
        return (
            f"the bank has {known.n_families} {families} of data sets with stages "
            f"enough, and a band of {100 * level:g}% needs {n_needed}{names}"
        )
    before = labels[:-1]
    fit = power_law(before, mean[None, :-1], labels, highest)[0]
    rest = mean - fit
    if abs(rest[-1]) > max(_JUMP * rest[:-1].std(), _SMALLEST_JUMP):
        return "the last score is a jump, which no form of a curve continues"
    return ""


def _highest(score_RT: NDArray[np.float64], highest: float | None) -> float:
    """Return the highest score that there can be of the kind of these."""
    top = score_RT.max()
    if highest is None:
        return math.inf if top > 1 else 1.0 if top > 0 else 0.0
    if isinstance(highest, Real) and math.isnan(highest):
        raise ValueError("highest must be a number, or None to infer it, not NaN.")
    highest = math.inf if highest == math.inf else real_number(highest, "highest")
    if top > highest:
        raise ValueError(
            f"A score is {top:g}, above the highest there is, {highest:g}."
        )
    return float(highest)


def _check(
    n_labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    labels = check_labels(n_labels, scores)
    score_RT = np.atleast_2d(check_scores(scores))
    if len(labels) < MIN_STAGES:
        raise ValueError(
            f"A plan needs at least {MIN_STAGES} stages of a learning curve, not "
            f"{len(labels)}: label on, or train on parts of the labels."
        )
    if labels[0] <= 0:
        raise ValueError("A plan needs labels at the first stage, not 0.")
    if (labels % 1).any():
        raise ValueError(
            "Labels are counted, so n_labels must be whole numbers. Give costs in a "
            "smaller unit."
        )
    return labels, score_RT


def _check_options(
    target: float | None,
    gain: float | None,
    n_test: int | None,
    level: float,
    smallest_gain: float,
) -> None:
    if target is not None and gain is not None:
        raise ValueError("Give a target or a gain, not both.")
    real_number(smallest_gain, "smallest_gain")
    for name, value in {"target": target, "gain": gain}.items():
        if value is not None:
            real_number(value, name)
    if n_test is not None and not (
        isinstance(n_test, Integral) and real_number(n_test, "n_test") >= 1
    ):
        raise ValueError(f"n_test must be a number of rows, not {n_test!r}.")
    check_level(level)
