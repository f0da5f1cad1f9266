"""Evidence from wins and losses that may be looked at after every label."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, logsumexp
from scipy.stats import beta

from skal_deep.evaluation.statistics._numbers import number_from_zero
from skal_deep.evaluation.statistics._paired import check_level

# Shares of the capital that are bet, of the largest that cannot lose all of it.
_BETS = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.7])
# The boundary of the interval is tightest at this number of decided rows.
_TIGHTEST_AT = 30
_LARGEST_COUNT = 10**9  # of decided rows, where a search for a number of them ends
_TINY = float(np.finfo(float).tiny)  # smaller floats lose digits
_SERIES_ENDS = 40  # times the sum of its geometric bound: exp(-40) is below round-off


def log_e_value(wins: float, losses: float) -> float:
    r"""Return the logarithm of the evidence that wins are more than half.

    .. math:: E = 2 \cdot 2^{W+L} \int_{1/2}^1 p^W (1-p)^L dp

    The likelihood of a share of wins above one half, averaged over all such shares,
    beside that of one half. If no decided row is more likely a win than a loss,
    whatever came before, E exceeds 1 / level at any time with probability ``level`` at
    most (Ville's inequality). So it may be looked at after every label.

    Use it to follow any paired comparison in which each case is won or lost.

    Parameters
    ----------
    wins, losses : float
        Numbers of decided rows.

    Returns
    -------
    float
        The natural logarithm of E: 0 without any row, negative where losses prevail.

    See Also
    --------
    share_interval : Interval for the mean of wins less losses.
    ControlArm : Collects the wins and losses of two models.

    References
    ----------
    A. Ramdas, P. Grünwald, V. Vovk, G. Shafer. Game-Theoretic Statistics and Safe
    Anytime-Valid Inference. Statistical Science, 2023.

    Examples
    --------
    >>> from skal_deep.evaluation import log_e_value
    >>> round(log_e_value(20, 8), 3)
    1.772
    """
    _check_counts(wins, losses)
    a, b = wins + 1, losses + 1
    tail = beta.sf(0.5, a, b)
    if tail < _TINY:
        return _log_e_of_losses(wins, losses)
    log_e = (wins + losses + 1) * math.log(2) + betaln(a, b) + math.log(tail)
    return float(log_e)


def _log_e_of_losses(wins: float, losses: float) -> float:
    r"""Return the same where the tail of the beta distribution is no float any more.

    .. math:: E = \frac{1}{2 (L + 1)} \sum_k \prod_{i < k}
        \frac{W + L + 2 + i}{2 (L + 2 + i)}

    is its series at one half. There the losses prevail by so much that each term is
    smaller than the one before by a share that does not vanish.
    """
    first = (wins + losses + 2) / (2 * (losses + 2))
    i = np.arange(math.ceil(_SERIES_ENDS / (1 - first)))
    terms = np.cumprod((wins + losses + 2 + i) / (2 * (losses + 2 + i)))
    return math.log1p(float(terms.sum())) - math.log(2 * (losses + 1))


def log_e_margin(outcomes: ArrayLike, margins: ArrayLike) -> float:
    r"""Return the logarithm of the evidence that wins exceed a margin.

    .. math:: E = mean_\lambda \prod_i (1 + \lambda_i (d_i - m_i)),
        \quad \lambda_i = \lambda / (1 + m_i)

    for outcomes d of 1 (win), 0 (tie) and -1 (loss).

    Parameters
    ----------
    outcomes : array-like of shape (n,)
        1, 0 or -1 for each judged row, in order.
    margins : array-like of shape (n,)
        Mean outcome that counts as no difference, known before the row was judged.

    Returns
    -------
    log_e : float
        The natural logarithm of E.
    """
    outcome_M, margin_M = np.asarray(outcomes, float), np.asarray(margins, float)
    bet_BM = _BETS[:, None] / (1 + margin_M)
    log_B = np.log1p(bet_BM * (outcome_M - margin_M)).sum(axis=1)
    return float(logsumexp(log_B) - math.log(len(_BETS)))


def share_interval(
    wins: float, losses: float, level: float = 0.05
) -> tuple[float, float]:
    r"""Return an interval for the mean of wins less losses that holds at all times.

    .. math:: (W - L)/n \pm \sqrt{(n + 30) \log((n + 30) / (30 \, level^2))} / n

    for n = W + L decided rows: with probability ``1 - level`` it holds the running mean
    of what was expected of each row, at every n, even where that changes.

    Use it beside :func:`log_e_value`, to say how large a difference may be.

    Parameters
    ----------
    wins, losses : float
        Numbers of decided rows.
    level : float, default=0.05
        Probability that the interval is ever wrong.

    Returns
    -------
    tuple of float
        The lower and the upper bound, between -1 and 1.

    See Also
    --------
    log_e_value : The evidence for more wins than losses.

    References
    ----------
    S. Howard, A. Ramdas, J. McAuliffe, J. Sekhon. Time-Uniform, Nonparametric,
    Nonasymptotic Confidence Sequences. Annals of Statistics, 2021.

    Examples
    --------
    >>> from skal_deep.evaluation import share_interval
    >>> low, high = share_interval(60, 40)
    >>> round(low, 4), round(high, 4)
    (-0.1114, 0.5114)
    """
    _check_counts(wins, losses)
    check_level(level)
    n = wins + losses
    if n == 0:
        return -1.0, 1.0
    spread = n + _TIGHTEST_AT
    half = math.sqrt(spread * math.log(spread / (_TIGHTEST_AT * level**2))) / n
    mean = (wins - losses) / n
    return max(-1.0, mean - half), min(1.0, mean + half)


def decided_rows_needed(share: float, level: float) -> int:
    """Return after how many decided rows a share of wins would be found, about.

    Parameters
    ----------
    share : float
        Share of wins among decided rows, above one half.
    level : float
        Probability of a false alarm.
    """
    threshold = -math.log(level)

    def is_found(n: int) -> bool:
        return log_e_value(share * n, (1 - share) * n) >= threshold

    high = 1
    while high < _LARGEST_COUNT and not is_found(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def sign_test(wins: int, losses: int) -> float:
    """Return the probability of so many wins or more if each row is a fair coin."""
    n = wins + losses
    # P(Binom(n, 1/2) >= wins) as an incomplete beta function.
    return 1.0 if wins == 0 else float(beta.sf(0.5, n - wins + 1, wins))


def count(outcomes: NDArray[np.int64]) -> tuple[int, int, int]:
    """Return the numbers of wins, losses and ties."""
    return tuple(int((outcomes == which).sum()) for which in (1, -1, 0))  # type: ignore[return-value]


def _check_counts(wins: float, losses: float) -> None:
    number_from_zero(wins, "wins")
    number_from_zero(losses, "losses")
