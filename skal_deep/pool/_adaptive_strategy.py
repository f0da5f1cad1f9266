"""Strategies that share each batch, by what their earlier picks were worth."""

import warnings
from numbers import Real
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    validate_parameter_constraints,
)
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.classifier.door._kinds_of_rows import rows_for
from skal_deep.functional.bandit import deal_out, exp3_shares, relative_gain
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._checks import as_inner, as_rounds
from skal_deep.pool._history import History
from skal_deep.pool._pool import Pool
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import n_rows
from skal_deep.rows._label_array import label_array
from skal_deep.rows._row_weights import row_weights


class AdaptiveStrategy(DeepQueryStrategy):
    """Share each batch among strategies, by what their picks were worth (a bandit).

    Each batch is dealt out among some strategies, the arms, and random sampling. After
    the next batch, each arm's picks are judged: by how much lower the log loss of a
    model is that learned them than that of one which learned as many random picks, on
    the random picks of the next batch. Those are a fair sample of the pool that no
    model has seen, so that no test set is needed. Shares follow the gains by
    exponential weights (Exp3) [1]_, as in active learning by learning [2]_; random
    sampling never falls below ``min_share``.

    Use it where nobody can say beforehand which of two strategies suits the data, with
    batches of ten rows or more and budgets of many of them. It insures against a bad
    arm; it is no way to beat the best one. A few random rows a batch judge the picks,
    so that gains are noise: on the digits their standard deviation was more than ten
    times their mean, and hundreds of batches would be needed to tell two strategies
    apart.

    It keeps no state. ``query`` is given the batches that it returned before, in order,
    as ``rounds``, and finds out by the labels who earned what; a study that was
    interrupted goes on as it would have. :class:`SimulatedActiveLearner` and
    :func:`compare_strategies` of :mod:`skal_deep.evaluation` pass them.

    Parameters
    ----------
    arms : list of DeepQueryStrategy
        The strategies beside random sampling. Their own seeds do not matter.
    min_share : float, default=0.2
        Least share of random sampling in each batch.
    learning_rate : float, default=None
        How fast shares follow gains; 0 leaves all shares equal. ``None`` is Exp3's own,
        which falls with the rounds: ``sqrt(2 log K / (K t))`` after t rounds with K
        arms, random sampling among them.
    judge : object, default=None
        The model that judges picks: any classifier that a query takes. ``None`` is the
        classifier of the query. It is cloned, with seeds that do not depend on those
        of the query.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    SwitchStrategy : A switch at a fixed number of labels, which needs no judge.
    MixedScore : A weighted mean of scores with a fixed schedule.
    skal_deep.evaluation.compare_strategies : Tells arms apart where there are labels.

    Notes
    -----
    The gain of an arm in a round is ``(r - a) / (r + a)``, with the log loss a after m
    of its picks and r after m random ones, m being the smaller number of both. An arm
    without a pick in a round has no gain; where that happens by its small share p in a
    batch of n, its gains are divided by ``n p``, as Exp3 does. Before labels show two
    classes, all picks are random.

    Random sampling draws first, then the arms choose in their order among what is left,
    so that each looks at the pool by itself: predictions are computed once an arm.
    Picks are dealt out without a draw, so that who asked for which row can be found
    out. Each query replays the rounds before: the judge is fitted two times for each
    arm and round, so that the cost of a study grows with the square of its rounds. Pass
    a cheap ``judge`` where the classifier is dear. Labels that are changed or added to
    earlier rounds later change what is found out.

    References
    ----------
    .. [1] P. Auer, N. Cesa-Bianchi, Y. Freund, R. E. Schapire. The Nonstochastic
       Multiarmed Bandit Problem. SIAM Journal on Computing, 2002.
    .. [2] W.-N. Hsu, H.-T. Lin. Active Learning by Learning. AAAI, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import AdaptiveStrategy, CoreSet, MarginSampling
    >>> X = np.random.default_rng(0).normal(size=(90, 3))
    >>> truth = (X[:, 0] > 0).astype(int)
    >>> y = np.where(np.arange(90) < 6, truth, -1)
    >>> strategy = AdaptiveStrategy([MarginSampling(), CoreSet()], random_state=0)
    >>> clf, rounds = LogisticRegression(), []
    >>> for _ in range(4):
    ...     batch = strategy.query(X, y, clf, batch_size=10, rounds=rounds)
    ...     y[batch] = truth[batch]
    ...     rounds.append(batch)
    >>> strategy.replay(X, y, clf, rounds)["shares"].shape
    (5, 3)
    """

    _reads_classes: ClassVar[bool] = True
    _reads_rounds: ClassVar[bool] = True
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "arms": [list, tuple],
        "min_share": [Interval(Real, 0, 1, closed="right")],
        "learning_rate": [Interval(Real, 0, None, closed="left"), None],
        "judge": [HasMethods(["fit", "get_params"]), None],
    }

    def __init__(
        self,
        arms,
        min_share=0.2,
        learning_rate=None,
        judge=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.arms = arms
        self.min_share = min_share
        self.learning_rate = learning_rate
        self.judge = judge

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        self._check_arms()
        # What works on inputs takes embeddings where there are some.
        asking = [arm for arm in self.arms if not arm._works_on_inputs]
        judging = (PredictsProba,) if self.judge is None else ()
        asking = asking if asking or judging else self.arms
        return tuple(
            dict.fromkeys([*judging, *(need for arm in asking for need in arm._needs)])
        )

    @property
    def _works_on_inputs(self) -> bool:  # type: ignore[override]
        self._check_arms()
        has_judge = self.judge is not None
        return has_judge and all(arm._works_on_inputs for arm in self.arms)

    def _asked(self, has_labels: bool) -> DeepQueryStrategy:
        return self if has_labels else _Random()

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        history = cast(History, pool.history)  # a query has one
        # candidates that are inputs, such as a grid to draw, become no batch of X
        if history.rounds is None and len(pool.labeled) and not pool.is_foreign:
            warnings.warn(
                "AdaptiveStrategy is not told its earlier batches, so that all arms "
                "have equal shares. Pass them in order, rounds=[first, second, ...], "
                "or rounds=[] in the first query.",
                stacklevel=3,
            )
        if len(np.unique(pool.y_labeled)) < 2:
            warnings.warn(
                "AdaptiveStrategy draws at random until labels show two classes.",
                stacklevel=3,
            )
        past = self._replayed(history)
        arms, _ = self._dealt(history, past, batch_size)
        askers = [_Random(), *(as_inner(arm, self.missing_label) for arm in self.arms)]
        return _picks_of(askers, arms, pool)

    def replay(self, X, y, clf=None, rounds=(), sample_weight=None):
        """Find out which arm asked for each row, what it gained, and the shares.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            All inputs, as in :meth:`query`.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows hold ``missing_label``.
        clf : object, default=None
            The classifier, which is not looked at where there is a ``judge``.
        rounds : sequence of array-like of shape (n_picks,), default=()
            The batches that :meth:`query` returned, in order.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows when fitting.

        Returns
        -------
        dict
            ``"arms"``, a list with an array for each batch, holds 0 where a pick was
            random and k where arm number k asked; ``"gains"`` of shape (n_judged,
            n_arms + 1) the gains of the batches that could be judged so far, which are
            all but the last; ``"shares"`` of shape (n_rounds + 1, n_arms + 1) the
            shares by which batches were dealt out, and those of the next one.
        """
        name = type(self).__name__
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), name
        )
        self._check_arms()
        X, y = as_data(X), label_array(y, self.missing_label)
        past = self._replayed(
            History(
                rows_for(clf, X),
                y,
                self.missing_label,
                row_weights(sample_weight, n_rows(X)),
                clf,
                as_rounds(rounds, n_rows(X)),
            )
        )
        return {
            "arms": [arms.numpy() for arms in past.arms],
            "gains": past.gains().numpy(),
            "shares": torch.stack(past.shares).numpy(),
        }

    def _replayed(self, history: History) -> "_Past":
        """Return who asked for what, and the shares that follow from it."""
        past = _Past(len(self.arms) + 1)
        rounds = history.rounds or []
        for number in range(len(rounds) + 1):
            if number > 1:  # the batch before is labelled, and judges the one before it
                past.gained.append(self._gain(history, past, number - 2))
            gains_TK = past.gains()
            past.shares.append(
                exp3_shares(
                    gains_TK.sum(0), len(gains_TK), self.min_share, self.learning_rate
                )
            )
            if number < len(rounds):
                arms, past.owed = self._dealt(history, past, len(rounds[number]))
                past.arms.append(arms)
        return past

    def _dealt(
        self, history: History, past: "_Past", n_picks: int
    ) -> tuple[Tensor, Tensor]:
        """Return the arms of the next batch, and what is owed to arms afterwards."""
        known = history.known_before(len(past.arms))
        if len(np.unique(history.y[known])) < 2:  # no model tells rows apart
            return torch.zeros(n_picks, dtype=torch.int64), past.owed
        return deal_out(past.shares[-1], past.owed, n_picks, self.min_share)

    def _gain(self, history: History, past: "_Past", number: int) -> Tensor:
        """Return what the arms gained by a batch, (K,), judged by the next one."""
        gain_K = torch.zeros(len(self.arms) + 1, dtype=torch.float64)
        rounds = history.rounds or []
        batch, arms = rounds[number], past.arms[number].numpy()
        control = rounds[number + 1][past.arms[number + 1].numpy() == 0]
        control, before = history.labeled(control), history.known_before(number)
        of_random = history.labeled(batch[arms == 0])
        if not len(control) or len(np.unique(history.y[before])) < 2:
            return gain_K
        judge = self._judge(history.clf)
        losses: dict[tuple[int, int], Tensor] = {}  # random picks serve several arms
        for arm in range(1, len(gain_K)):
            rows = history.labeled(batch[arms == arm])
            n = min(len(rows), len(of_random))
            if not n:
                continue
            for who, those in ((0, of_random), (arm, rows)):
                if (who, n) not in losses:
                    learned = np.concatenate([before, those[:n]])
                    losses[who, n] = history.log_loss(judge, number, learned, control)
            gain = relative_gain(losses[arm, n], losses[0, n])
            chance = min(1.0, len(batch) * float(past.shares[number][arm]))
            gain_K[arm] = gain / chance
        return gain_K

    def _judge(self, clf: Any) -> Any:
        judge = clf if self.judge is None else self.judge
        if not (hasattr(judge, "fit") and hasattr(judge, "get_params")):
            raise ValueError(
                "AdaptiveStrategy judges picks by a model that it fits, and "
                f"{type(judge).__name__} cannot be cloned and fitted. Pass one that "
                "can: AdaptiveStrategy(..., judge=LogisticRegression())."
            )
        return judge

    def _check_arms(self) -> None:
        """Raise unless there are arms, each with legal parameters."""
        if not self.arms or not all(
            isinstance(arm, DeepQueryStrategy) for arm in self.arms
        ):
            raise ValueError(
                "The 'arms' parameter of AdaptiveStrategy must be a list of query "
                "strategies of skal_deep, such as [MarginSampling(), TypiClust()], not "
                f"{self.arms!r}. Random sampling is always there beside them."
            )
        for arm in self.arms:
            validate_parameter_constraints(
                arm._parameter_constraints,
                arm.get_params(deep=False),
                type(arm).__name__,
            )


class _Past:
    """What is found out about earlier batches.

    Parameters
    ----------
    n_arms : int
        Number of arms, random sampling among them.
    """

    def __init__(self, n_arms: int):
        self.arms: list[Tensor] = []
        self.gained: list[Tensor] = []
        self.shares: list[Tensor] = []
        self.owed = torch.zeros(n_arms, dtype=torch.float64)

    def gains(self) -> Tensor:
        """Return gains of batches and arms, (T, K)."""
        none = torch.zeros(0, len(self.owed), dtype=torch.float64)
        return torch.cat([none, *(gain_K[None] for gain_K in self.gained)])


class _Random(DeepQueryStrategy):
    """Random sampling, as an arm: candidates come in a random order."""

    _does_without_labels: ClassVar[bool] = True

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        n_left = len(pool) - torch.arange(batch_size)
        return torch.arange(batch_size), (1 / n_left)[:, None].expand(-1, len(pool))


def _picks_of(
    askers: list[DeepQueryStrategy], arms: Tensor, pool: Pool
) -> tuple[Tensor, Tensor]:
    """Return the picks of arms in their places of a batch, and their utilities.

    Random sampling draws first, from all candidates. Each arm chooses among those that
    are left; its utilities of the others are the least that it gives.
    """
    n_shown = len(arms) if pool.with_utilities else 1
    picks = torch.empty_like(arms)
    utilities = torch.zeros(n_shown, len(pool), dtype=torch.float32)
    left = torch.ones(len(pool), dtype=torch.bool)
    for number, asker in enumerate(askers):
        places = (arms == number).nonzero()[:, 0]
        if not len(places):
            continue
        candidates = left.nonzero()[:, 0]
        chosen, scores = asker._select(pool.part(candidates), len(places))
        picks[places] = candidates[chosen.cpu()]
        left[picks[places]] = False
        if pool.with_utilities:
            known = scores.cpu().float().expand(len(places), -1)
            utilities[places] = known.amin(1, keepdim=True)
            utilities[places[:, None], candidates] = known
    return picks, utilities if pool.with_utilities else utilities[0]
