"""The Bayesian signed-rank test, with a region of practical equivalence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from skal_deep.evaluation.statistics._area import checked_scores

_N_DRAWS = 20_000
_PRIOR = 0.5  # weight of the pseudo-observation at zero, as Benavoli et al. take it


@dataclass(frozen=True)
class Posterior:
    """Probabilities of a worse, an equivalent and a better score; they sum to one.

    :func:`signed_rank` returns it.

    Attributes
    ----------
    worse, equivalent, better : float
        Probability that the first is practically worse than, equivalent to, or
        better than the second on the next data set.

    See Also
    --------
    signed_rank : Computes the three probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import signed_rank
    >>> gains = [0.05, 0.04, 0.06, 0.05, 0.07, 0.03]
    >>> posterior = signed_rank(gains, 0.01, np.random.default_rng(0))
    >>> posterior.better > 0.95
    True
    """

    worse: float
    equivalent: float
    better: float


def signed_rank(
    difference: ArrayLike, rope: float, rng: np.random.Generator
) -> Posterior:
    """Return how probable it is that one strategy is practically better.

    Each observed difference, and a pseudo-observation at zero, has an unknown weight w,
    with a Dirichlet posterior. A draw of weights gives the probabilities that the mean
    of two differences lies below, within or above the region; the answer is the share
    of draws in which each of the three is the largest. Unlike a p-value it can say that
    two strategies are as good as equal.

    Use it with one difference for each of several data sets, to ask about the next one.

    Parameters
    ----------
    difference : array-like of shape (n_data_sets,)
        Differences of scores, one for each data set.
    rope : float
        Half width of the region of practical equivalence: smaller differences do not
        matter.
    rng : numpy.random.Generator
        Draws 20 000 times.

    Returns
    -------
    Posterior
        The three probabilities.

    See Also
    --------
    AcrossDataSets.signed_rank : The same for comparisons.
    friedman : A test of more than two strategies.

    References
    ----------
    A. Benavoli, G. Corani, J. Demsar, M. Zaffalon. Time for a Change: a Tutorial for
    Comparing Multiple Classifiers Through Bayesian Analysis. JMLR, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.evaluation import signed_rank
    >>> gains = [0.05, 0.04, 0.06, 0.05, 0.07, 0.03]
    >>> signed_rank(gains, rope=0.01, rng=np.random.default_rng(0)).better > 0.95
    True
    """
    if not 0 <= rope < np.inf:
        raise ValueError(f"rope must be a number from 0 on, not {rope!r}.")
    points = np.append(0.0, checked_scores(difference, "difference"))
    concentration = np.append(_PRIOR, np.ones(len(points) - 1))
    middle_PP = (points[:, None] + points) / 2
    weight_RP = rng.dirichlet(concentration, size=_N_DRAWS)
    above_R = ((weight_RP @ (middle_PP > rope)) * weight_RP).sum(axis=1)
    below_R = ((weight_RP @ (middle_PP < -rope)) * weight_RP).sum(axis=1)
    shares_RK = np.stack([below_R, 1 - above_R - below_R, above_R], axis=1)
    is_largest_RK = shares_RK == shares_RK.max(axis=1, keepdims=True)
    worse, equivalent, better = (
        is_largest_RK / is_largest_RK.sum(axis=1, keepdims=True)
    ).mean(axis=0)
    return Posterior(float(worse), float(equivalent), float(better))
