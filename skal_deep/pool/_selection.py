"""Rules that turn scores into a batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from torch import Tensor

from skal_deep.functional import (
    power_sample,
    softmax_sample,
    softrank_sample,
    top_k,
)
from skal_deep.pool._pool import Pool


class SelectionRule(BaseEstimator, ABC):
    """A rule that turns scores into a batch.

    Subclass it to write a rule of your own: implement ``_select``, which gets the
    scores, the batch size and the pool. Use one of the rules of this module otherwise.
    A rule is a parameter of a strategy that scores each row by itself, so that a grid
    search can reach its parameters.

    See Also
    --------
    TopK : The highest scores.
    Power : Draws by powers of the scores.
    ScoreQueryStrategy : The strategies that take a rule.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.functional import top_k
    >>> from skal_deep.pool import MarginSampling, SelectionRule
    >>> class Lowest(SelectionRule):
    ...     def _select(self, scores, batch_size, pool):
    ...         return top_k(-scores, batch_size)
    >>> X, y = [[-2.0], [0.1], [1.5], [2.0]], [0, -1, -1, 1]
    >>> MarginSampling(selection=Lowest()).query(X, y, LogisticRegression())
    array([2])
    """

    # Whether even the first pick depends on the size of the batch.
    _plans_batch: ClassVar[bool] = False
    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def select(
        self, scores: Tensor, batch_size: int, pool: Pool
    ) -> tuple[Tensor, Tensor]:
        """Return distinct positions (b,) and the utilities (b, N) or (N,) behind them.

        Parameters
        ----------
        scores : Tensor of shape (N,)
            Finite scores, high = query.
        batch_size : int
            Number of picks, at most N.
        pool : Pool
            The candidates, their embeddings and the source of randomness.

        Returns
        -------
        indices : Tensor of shape (batch_size,)
            Distinct positions among the candidates.
        utilities : Tensor of shape (batch_size, N) or (N,)
            Row t holds the utilities, high = query, that decided pick t.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(False), type(self).__name__
        )
        return self._select(scores, batch_size, pool)

    @abstractmethod
    def _select(
        self, scores: Tensor, batch_size: int, pool: Pool
    ) -> tuple[Tensor, Tensor]:
        """Return positions and utilities."""


class TopK(SelectionRule):
    """Take the candidates with the highest scores.

    Use it to query one row at a time, or when the rows of the pool are all different.
    Similar rows get similar scores, so a batch of the highest may repeat itself. Ties
    are broken at random.

    See Also
    --------
    Power : Draws at random by score, which spreads a batch.
    ClusterRounds : Takes high scores from different clusters.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling, TopK
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.0], [2.0]], [0, -1, -1, -1, 1]
    >>> strategy = MarginSampling(selection=TopK())
    >>> strategy.query(X, y, LogisticRegression(), batch_size=2)
    array([2, 3])
    """

    def _select(self, scores, batch_size, pool):  # noqa: ARG002
        picks, _ = top_k(scores, batch_size, with_utilities=False)
        return picks, scores  # one row stands for all


class _Draws(SelectionRule, ABC):
    """Draw candidates one after another, without replacement."""

    _sample: ClassVar[Callable[..., tuple[Tensor, Tensor]]]
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "coldness": [Interval(Real, 0, None, closed="left")],
        "epsilon": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, coldness=1.0, epsilon=0.0):
        self.coldness = coldness
        self.epsilon = epsilon

    def _select(self, scores, batch_size, pool):
        return type(self)._sample(
            scores,
            batch_size,
            coldness=self.coldness,
            epsilon=self.epsilon,
            population=None if pool.score_whole is None else pool.score_whole(),
            generator=pool.generator,
            with_utilities=pool.with_utilities,
        )


class Power(_Draws):
    """Draw candidates with probabilities proportional to score ** coldness.

    Draws are made one after another without replacement. With :class:`BALD` this is
    PowerBALD [1]_. Scores must not be negative; candidates with score 0 come last.

    Use it as the default rule for batches of any score that is not negative: it is
    about as good as methods that model the batch, at the cost of a sort. It is also the
    rule for unbiased estimates of the risk, since its probabilities are known.

    Parameters
    ----------
    coldness : float, default=1.0
        0 is random sampling; the larger, the closer to the highest scores.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over the candidates
        that are left. Above 0 any candidate can be drawn, which unbiased estimates of
        the risk need: see :func:`~skal_deep.evaluation.lure_weights`.

    See Also
    --------
    Softmax : For scores that may be negative; depends on their unit.
    SoftRank : Uses the order of the scores only.
    TopK : The highest scores, without randomness.

    References
    ----------
    .. [1] A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron,
       Y. Gal. Stochastic Batch Acquisition: A Simple Baseline for Deep Active
       Learning. TMLR, 2023.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling, Power
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> strategy = MarginSampling(selection=Power(coldness=50.0), random_state=0)
    >>> strategy.query(X, y, LogisticRegression())
    array([2])
    """

    _sample = staticmethod(power_sample)


class Softmax(_Draws):
    """Draw candidates with probabilities proportional to exp(coldness * score).

    Draws are made one after another without replacement [1]_.

    Use it for scores that may be negative. ``coldness`` has to fit the unit of the
    scores: with scores of 0.01 a coldness of 1 is nearly random sampling.

    Parameters
    ----------
    coldness : float, default=1.0
        0 is random sampling; the larger, the closer to the highest scores.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over the candidates
        that are left. Above 0 any candidate can be drawn, which unbiased estimates of
        the risk need: see :func:`~skal_deep.evaluation.lure_weights`.

    See Also
    --------
    Power : Does not depend on the unit of the scores; needs them not negative.
    SoftRank : Uses the order of the scores only.
    TopK : The highest scores, without randomness.

    References
    ----------
    .. [1] A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron,
       Y. Gal. Stochastic Batch Acquisition: A Simple Baseline for Deep Active
       Learning. TMLR, 2023.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling, Softmax
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> strategy = MarginSampling(selection=Softmax(coldness=50.0), random_state=0)
    >>> strategy.query(X, y, LogisticRegression())
    array([2])
    """

    _sample = staticmethod(softmax_sample)


class SoftRank(_Draws):
    """Draw candidates with probabilities proportional to rank ** -coldness.

    The highest score has rank 1, and equal scores have equal probabilities. Only the
    order of the scores matters. Draws are made one after another without replacement
    [1]_.

    Use it when the size of the scores means nothing, or a few scores are far above all
    others. The probabilities then depend only on the ranks and the number of
    candidates.

    Parameters
    ----------
    coldness : float, default=1.0
        0 is random sampling; the larger, the closer to the highest scores.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over the candidates
        that are left. Above 0 any candidate can be drawn, which unbiased estimates of
        the risk need: see :func:`~skal_deep.evaluation.lure_weights`.

    See Also
    --------
    Power : Follows the size of the scores; rows with score 0 come last.
    Softmax : Follows the differences of the scores.
    TopK : The highest scores, without randomness.

    References
    ----------
    .. [1] A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron,
       Y. Gal. Stochastic Batch Acquisition: A Simple Baseline for Deep Active
       Learning. TMLR, 2023.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling, SoftRank
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> strategy = MarginSampling(selection=SoftRank(coldness=50.0), random_state=0)
    >>> strategy.query(X, y, LogisticRegression())
    array([2])
    """

    _sample = staticmethod(softrank_sample)
