"""Several scores at once."""

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

    Each score is brought to a scale from 0 to 1 over the candidates; then they are
    averaged with weights, which a grid search can choose and which may change as
    labels come in: the idea of multi-criteria active learning, that different scores
    are worth following at different stages of training [1]_. The paper's own rule for
    the weights is not reproduced: here they go in a straight line from ``weights`` to
    ``late_weights``. Its scale is not known to us; ours keeps the distances between
    scores, where ranks would turn round-off into differences.

    The scale is that of all unlabelled rows of ``X``, candidates or not, so that a pool
    may be scored in parts. Time and memory are those of the scores.

    Parameters
    ----------
    scores : list of ScoreQueryStrategy
        Strategies whose scores are mixed. Their own rules and seeds do not matter.
    weights : array-like of shape (n_scores,), default=None
        Weights that are not negative; only their proportions matter. ``None`` weighs
        all scores equally.
    late_weights : array-like of shape (n_scores,), default=None
        Weights once ``n_late`` rows have a label; ``None`` are the same.
    n_late : int, default=100
        Number of labels from which on the late weights hold.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    Notes
    -----
    EGL-Entropy-Beta, for texts, starts with the gradients of words and goes over to
    entropy, with a weight drawn from a Beta distribution in each round [2]_. The
    example goes the same way without the draws: how they depend on the round is not
    known to us.

    An acquisition function that is itself learned, by a policy net and reinforcement
    [3]_, is not offered. It learns from how far each batch of labels has improved the
    net, while labels are being spent; a search over ``weights`` asks the same of data
    that have labels already.

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
    >>> from skal_deep.pool import EGL, MixedScore, PredictiveEntropy
    >>> strategy = MixedScore([EGL("words"), PredictiveEntropy()], weights=[1, 0])
    >>> strategy.set_params(late_weights=[0, 1], n_late=200).n_late
    200
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
    scores = strategy._score(pool).double().cpu()
    if whole is pool:
        return rescale(scores, scores)
    return rescale(scores, strategy._score(whole).double().cpu())
