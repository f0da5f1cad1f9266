"""A weighted mean of several scores."""

from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from torch import Tensor

from skal_deep.functional.mixture import rescale, stage_weights
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class MixedScore(ScoreQueryStrategy):
    """Weighted mean of scores (multi-criteria active learning).

    Brings each score to a scale from 0 to 1 over the candidates and averages the scores
    with weights, which may change as labels come in. This is the idea of multi-criteria
    active learning: different scores are useful at different stages of training [1]_.

    Use it to go over from one score to another, for instance from exploring to
    uncertainty, or to let a grid search choose between scores. It mixes strategies that
    score each row by itself; batch methods such as :class:`Badge` cannot be mixed.

    The definition is ours. The weights go in a straight line from ``weights`` to
    ``late_weights`` as the number of labels grows to ``n_late``; the paper adapts them
    to the state of training. Scores are scaled linearly, which keeps the ratios of
    their differences; ranks would turn rounding errors into differences.

    The scale is that of all unlabelled rows of ``X``, candidates or not, so that a pool
    may be scored in parts. Time and memory are those of the scores.

    Parameters
    ----------
    scores : list of ScoreQueryStrategy
        Strategies whose scores are mixed. Their own rules and seeds are not used.
    weights : array-like of shape (n_scores,), default=None
        Weights that are not negative; only their proportions matter. ``None`` weighs
        all scores equally.
    late_weights : array-like of shape (n_scores,), default=None
        Weights once ``n_late`` rows have a label; ``None`` are the same.
    n_late : int, default=100
        Number of labels from which the late weights apply.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    UncertaintyHerding : Goes from coverage to uncertainty by itself.
    EPIG : One score that weighs uncertainty by relevance.
    skal_deep.evaluation.SimulatedActiveLearner : For a search over the weights.

    Notes
    -----
    EGL-Entropy-Beta, for texts, starts with the gradients of words and goes over to
    entropy, with a weight drawn from a Beta distribution in each round [2]_. The same
    way, without the draws, is ``MixedScore([EGL("words"), PredictiveEntropy()],
    weights=[1, 0], late_weights=[0, 1], n_late=200)``.

    A score that is itself learned, by a policy net and reinforcement learning [3]_, is
    not offered. It learns from the improvement that each batch of labels brings, while
    labels are being spent. A grid search over ``weights`` on data that have labels
    already answers the same question at no such cost.

    References
    ----------
    .. [1] J. Yuan, X. Hou, Y. Xiao, D. Cao, W. Guan, L. Nie. Multi-Criteria Active
       Deep Learning for Image Classification. Knowledge-Based Systems, 2019.
    .. [2] Y. Zhang, M. Lease, B. C. Wallace. Active Discriminative Text
       Representation Learning. AAAI, 2017.
    .. [3] M. Haussmann, F. Hamprecht, M. Kandemir. Deep Active Learning with Adaptive
       Acquisition. IJCAI, 2019.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import BALD, MixedScore, PredictiveEntropy
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> strategy = MixedScore([BALD(), PredictiveEntropy()], weights=[2, 1])
    >>> strategy.query(X, y, RandomForestClassifier(30, random_state=0))
    array([3])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "scores": [list, tuple],
        "weights": ["array-like", None],
        "late_weights": ["array-like", None],
        "n_late": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        scores,
        weights=None,
        late_weights=None,
        n_late=100,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.scores = scores
        self.weights = weights
        self.late_weights = late_weights
        self.n_late = n_late
        self.selection = selection

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        self._check_scores()
        return tuple(dict.fromkeys(need for s in self.scores for need in s._needs))

    def _score(self, pool: Pool) -> Tensor:
        early = self._checked_weights("weights", [1.0] * len(self.scores))
        late = self._checked_weights("late_weights", early)
        weights = stage_weights(early, late, len(pool.labeled) / self.n_late)
        mixed, whole = torch.zeros(len(pool), dtype=torch.float64), pool.whole()
        for weight, strategy in zip(weights.tolist(), self.scores, strict=True):
            if weight > 0:
                mixed += weight * _on_one_scale(strategy, pool, whole)
        return mixed

    def _check_scores(self) -> None:
        """Raise unless there are scores, each with legal parameters."""
        if not self.scores or not all(
            isinstance(s, ScoreQueryStrategy) for s in self.scores
        ):
            raise ValueError(
                "The 'scores' parameter of MixedScore must be a list of strategies "
                f"that score each candidate by itself, such as BALD(), not "
                f"{self.scores!r}."
            )
        for strategy in self.scores:
            validate_parameter_constraints(
                strategy._parameter_constraints,
                strategy.get_params(deep=False),
                type(strategy).__name__,
            )

    def _checked_weights(self, name: str, default: Any) -> Tensor:
        """Return weights as a tensor, or say what is wrong with them."""
        given = getattr(self, name)
        weights = torch.as_tensor(default if given is None else given).double()
        is_one_each = weights.shape == (len(self.scores),)
        if not is_one_each or (weights < 0).any() or not weights.any():
            raise ValueError(
                f"The {name!r} parameter of MixedScore must hold {len(self.scores)} "
                f"numbers, none below and some above 0, not {given!r}."
            )
        return weights


def _on_one_scale(strategy: ScoreQueryStrategy, pool: Pool, whole: Pool) -> Tensor:
    """Return scores of shape (N,) on a scale from 0 to 1 over a whole pool."""
    scores = strategy._as_scores(strategy._score(pool), pool).double().cpu()
    if whole is pool:
        return rescale(scores, scores)
    of_whole = strategy._as_scores(strategy._score(whole), whole)
    return rescale(scores, of_whole.double().cpu())
