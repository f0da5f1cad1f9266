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
    """A rule that turns scores into a batch."""

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

    Ties are broken at random. Candidates with much the same information get much
    the same score, so a batch may repeat itself.
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
            generator=pool.generator,
            with_utilities=pool.with_utilities,
        )


class Power(_Draws):
    """Draw candidates with probabilities proportional to score ** coldness.

    Draws are made one after another without replacement. With BALD this is PowerBALD
    [1]_: about as good as methods that model the batch, at the cost of a sort.
    Scores must not be negative; candidates with score 0 come last.

    Parameters
    ----------
    coldness : float, default=1.0
        0 is random sampling, infinity the highest scores. The paper uses 1.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over what is left.
        Above 0 any candidate can be drawn, which unbiased estimates of the risk
        need: see :func:`~skal_deep.evaluation.lure_weights`.

    References
    ----------
    .. [1] A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron,
       Y. Gal. Stochastic Batch Acquisition: A Simple Baseline for Deep Active
       Learning. TMLR, 2023.
    """

    _sample = staticmethod(power_sample)


class Softmax(_Draws):
    """Draw candidates with probabilities proportional to exp(coldness * score).

    Draws are made one after another without replacement [1]_.

    Parameters
    ----------
    coldness : float, default=1.0
        0 is random sampling, infinity the highest scores. The paper uses 1.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over what is left.
        Above 0 any candidate can be drawn, which unbiased estimates of the risk
        need: see :func:`~skal_deep.evaluation.lure_weights`.

    References
    ----------
    .. [1] A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron,
       Y. Gal. Stochastic Batch Acquisition: A Simple Baseline for Deep Active
       Learning. TMLR, 2023.
    """

    _sample = staticmethod(softmax_sample)


class SoftRank(_Draws):
    """Draw candidates with probabilities proportional to rank ** -coldness.

    The highest score has rank 1. Only the order of the scores matters. Draws are
    made one after another without replacement [1]_.

    Parameters
    ----------
    coldness : float, default=1.0
        0 is random sampling, infinity the highest scores. The paper uses 1.
    epsilon : float, default=0.0
        Share of each draw's probability that is spread evenly over what is left.
        Above 0 any candidate can be drawn, which unbiased estimates of the risk
        need: see :func:`~skal_deep.evaluation.lure_weights`.

    References
    ----------
    .. [1] A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron,
       Y. Gal. Stochastic Batch Acquisition: A Simple Baseline for Deep Active
       Learning. TMLR, 2023.
    """

    _sample = staticmethod(softrank_sample)
