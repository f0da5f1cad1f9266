"""The control arm: chosen labels beside random ones, judged while labelling."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.base import QueryStrategy
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import HasMethods, Interval

from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.evaluation.control._arm_verdict import ArmVerdict, judge
from skal_deep.evaluation.control._ask import Ask, of_one_kind, told_rows
from skal_deep.evaluation.control._models import choose, fit_model
from skal_deep.evaluation.control._referees import (
    JUDGED,
    NO_REFEREES,
    better_if_proved,
    find_referees,
    outcome,
)
from skal_deep.evaluation.control._reserve import (
    check_same_pool,
    known_at_start,
    set_aside,
    warn_used_up,
)
from skal_deep.evaluation.simulation._start import known_rows
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import take
from skal_deep.rows._label_array import label_array, narrowed

_N_PLANNED_ROUNDS = 30  # for which rows are put aside, if the pool has so many
_GUARD_SHARE = 0.4  # of the control labels, kept out of both models
_ASKED = ("chosen", "control", "referee")
_ROLE = "U8"  # start, chosen, control, referee, guard; empty for the rest


class ControlArm(BaseEstimator):
    """Label for real, with random labels beside the chosen ones to tell their worth.

    Each round asks for labels of three kinds: rows that the strategy chooses, control
    rows drawn at random, and referees. Two models are trained alike, one on the labels
    of the start and the chosen ones, the other on the start and as many random ones.
    Where the two disagree about a fresh random row, that row may be asked as a referee:
    a win if only the model of chosen labels is right, a loss if only the other is. The
    evidence in wins and losses may be looked at after every round
    (:func:`log_e_value`). The model that you use, :attr:`estimator_`, has all labels.

    The strategy sees the start and the chosen labels only. If it saw the random ones,
    it would fill the gaps that they leave, and the chosen labels alone would be judged
    too hard.

    Use it in projects of some hundreds of labels where it matters whether choosing
    pays: what is not chosen costs about its share of the gain. It says whether *these*
    chosen labels made a better model than *these* random ones; whether a strategy is
    better takes many repeats, see :func:`does_al_help`.

    Parameters
    ----------
    estimator : object
        A classifier that a query strategy may ask, such as a classifier of this
        package, of scikit-learn, or a Pipeline. Fits that vary from seed to seed add
        noise to the comparison: an ensemble has less of it.
    query_strategy : QueryStrategy, default=None
        Chooses; ``None`` is margin sampling.
    n_chosen, n_control, n_referee : int, default=12, 4, 4
        Labels of each kind a round. The first round has no referees: the two models
        are the same. Later rounds have fewer where the models disagree on fewer rows.
    slice_size : int, default=40
        Fresh random rows a round on which the two models are compared.
    margin : float, default=0.01
        Difference in accuracy that does not count: without one, the luck of a random
        draw is called a difference too often.
    level : float, default=0.05
        Probability that a difference beyond the margin is ever claimed of arms that
        have none.
    n_reserved : int, default=None
        Random rows set aside for control and referees, from which the strategy may not
        choose. ``None`` is enough for 30 rounds, but no more than half of the pool.
    guard : bool, default=False
        Keep four of ten control labels out of all models, to return a model by
        :attr:`guarded_estimator_`.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label, here and in the strategy and the estimator.
    random_state : int, RandomState or None, default=None
        Seed of the random rows, of all fits and of the strategy.

    Attributes
    ----------
    role_ : ndarray of shape (n_samples,)
        "start", "chosen", "control", "referee" or "guard"; "" for rows without a label.
    order_ : ndarray of shape (n_labels,)
        Rows in the order in which they were labelled.
    y_ : ndarray of shape (n_samples,)
        All labels so far.
    judged_ : structured ndarray
        Round, row, outcome (1, 0, -1) and margin of each judged row: the verdict can be
        computed from it again.
    arms_ : tuple of two estimators
        The models of chosen and of random labels that were compared last.

    See Also
    --------
    does_al_help : Whether a strategy helps, on data whose labels are known.
    unbiased_risk : The error of a model, from labels drawn at random.

    Notes
    -----
    Random rows and slices are set aside before the first query, so that they stay a
    random sample whatever the strategy takes. Rows are taken as independent draws from
    one population; groups or an order in time are not known to it. A row that cannot
    be labelled is told as ``missing_label`` and counts nowhere.

    References
    ----------
    .. [1] I. Waudby-Smith, A. Ramdas. Estimating Means of Bounded Random Variables by
       Betting. Journal of the Royal Statistical Society B, 2024.
    .. [2] Y. Choe, A. Ramdas. Comparing Sequential Forecasters. Operations Research,
       2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.evaluation import ControlArm
    >>> X, truth = load_digits(return_X_y=True)
    >>> y = np.where(np.arange(len(X)) < 30, truth, -1)
    >>> arm = ControlArm(LogisticRegression(max_iter=200), random_state=0)
    >>> for _ in range(3):
    ...     ask = arm.ask(X / 16, y)
    ...     arm = arm.tell(ask.indices, truth[ask.indices])
    >>> arm.verdict().word, arm.verdict().n_arm
    ('no difference shown', 12)
    """

    role_: NDArray[np.str_]
    order_: NDArray[np.intp]
    y_: NDArray[Any]
    judged_: NDArray[Any]
    arms_: tuple[Any, Any]
    _reserve: NDArray[np.intp]  # set aside, in the order in which rows leave it
    _gone: NDArray[np.intp]  # asked for, and told that they cannot be labelled
    _open: NDArray[np.intp]  # asked for, and not told yet
    _open_role: NDArray[np.str_]
    _said: dict[int, tuple[Any, Any, float]]  # of referees: by both arms, the margin

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "query_strategy": [QueryStrategy, None],
        "n_chosen": [Interval(Integral, 1, None, closed="left")],
        "n_control": [Interval(Integral, 1, None, closed="left")],
        "n_referee": [Interval(Integral, 1, None, closed="left")],
        "slice_size": [Interval(Integral, 1, None, closed="left")],
        "margin": [Interval(Real, 0, 1, closed="left")],
        "level": [Interval(Real, 0, 1, closed="neither")],
        "n_reserved": [Interval(Integral, 1, None, closed="left"), None],
        "guard": ["boolean"],
        "missing_label": "no_validation",
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        query_strategy=None,
        *,
        n_chosen=12,
        n_control=4,
        n_referee=4,
        slice_size=40,
        margin=0.01,
        level=0.05,
        n_reserved=None,
        guard=False,
        missing_label=-1,
        random_state=None,
    ):
        self.estimator = estimator
        self.query_strategy = query_strategy
        self.n_chosen = n_chosen
        self.n_control = n_control
        self.n_referee = n_referee
        self.slice_size = slice_size
        self.margin = margin
        self.level = level
        self.n_reserved = n_reserved
        self.guard = guard
        self.missing_label = missing_label
        self.random_state = random_state

    def ask(self, X, y) -> Ask:
        """Return the rows to label next.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            All inputs, the same at every call.
        y : array-like of shape (n_samples,)
            Labels of the start, with ``missing_label`` elsewhere. Labels that were told
            since may stand in it, too.

        Returns
        -------
        Ask
            Rows and roles. Until all of them are told, the same rows are returned.
        """
        X = as_data(X)
        if not hasattr(self, "role_"):
            self._begin(X, y)
        check_same_pool(X, y, self.y_, self.missing_label)
        if len(self._open):
            return self._asked(self._open)
        chosen = self._choose(X)
        control = self._reserve[: self.n_control]
        n_fresh = self.slice_size if self._n_arm() else 0  # arms to compare on them
        fresh = self._reserve[len(control) : len(control) + n_fresh]
        # all at once, so that an interrupt in a training leaves the round unmade
        arms: Any = getattr(self, "arms_", None)
        found = NO_REFEREES
        if len(fresh):
            arms, rest = self._arms(X), self._reserve[len(control) :]
            found = find_referees(
                arms, X, rest, len(fresh), self.n_referee, self.margin
            )
        roles = np.full(len(self.role_), "", _ROLE)
        roles[chosen], roles[control], roles[found.rows] = _ASKED
        roles[control[: self._n_guard(len(control))]] = "guard"
        rows = np.concatenate([chosen, control, found.rows])
        if not len(rows):
            raise ValueError("Every row has a label or is set aside: nothing to ask.")
        if not len(control):
            warn_used_up()
        shuffled = np.random.default_rng(self._key(2)).permutation(rows)
        self._reserve = self._reserve[len(control) + len(fresh) :]
        self._open, self._open_role, self._said = shuffled, roles[shuffled], found.said
        self._X, self.arms_ = X, arms
        if len(fresh):
            self._disagreement = found.disagreement
        return self._asked(shuffled)

    def tell(self, indices: ArrayLike, y: ArrayLike) -> "ControlArm":
        """Take labels.

        Parameters
        ----------
        indices : array-like of shape (n,)
            Rows that were asked for, all or some of them.
        y : array-like of shape (n,)
            Their labels; ``missing_label`` where a row cannot be labelled.

        Returns
        -------
        object
            The same control arm.
        """
        self._check_begun()
        rows, labels = told_rows(indices, y, self._open, self.missing_label)
        if not len(rows):
            return self
        known, n_before = rows[known_rows(labels, self.missing_label)], len(self.order_)
        told = of_one_kind(self.y_[self.order_], labels, self.missing_label)
        y_all, role = self.y_.astype(np.result_type(self.y_, told)), self.role_.copy()
        y_all[rows] = told[n_before:]
        roles = dict(zip(self._open.tolist(), self._open_role, strict=True))
        role[known] = [roles[row] for row in known.tolist()]
        judged = [
            (self._round + 1, row, *outcome(self._said[row], y_all[row]))
            for row in known.tolist()
            if row in self._said
        ]
        left = ~np.isin(self._open, rows)
        self.judged_ = np.concatenate([self.judged_, np.array(judged, JUDGED)])
        self.y_, self.role_ = y_all, role
        self.order_ = np.concatenate([self.order_, known])
        self._gone = np.concatenate([self._gone, np.setdiff1d(rows, known)])
        self._open, self._open_role = self._open[left], self._open_role[left]
        if not len(self._open):
            self._round += 1
        return self

    def verdict(self) -> ArmVerdict:
        """Return what has been shown so far.

        Returns
        -------
        ArmVerdict
            The verdict; print it.
        """
        self._check_begun()
        return judge(
            self.judged_, self.margin, self.level, self._n_arm(), self._disagreement
        )

    @property
    def estimator_(self) -> Any:
        """The model trained on all labels but those of the guard."""
        self._check_begun()
        return self._fit(self._X, self._rows("start", "chosen", "control", "referee"))

    @property
    def guarded_estimator_(self) -> Any:
        """A model that is hardly ever worse than one of the random labels alone.

        The model of all labels, if the labels of the guard prove it better than the one
        of the start and the control labels (sign test at ``level``); else the latter.
        So the probability to be given the model of all labels although its error is the
        larger one is ``level`` at most, whatever the strategy does. That is no promise
        against as many random labels as there are labels in all. Look once, at the end.
        """
        if not self.guard:
            raise AttributeError("guarded_estimator_ needs ControlArm(guard=True).")
        full, random = (
            self.estimator_,
            self._fit(self._X, self._rows("control", "start")),
        )
        rows = self._rows("guard")
        return better_if_proved(
            full, random, take(self._X, rows), self.y_[rows], self.level
        )

    def _begin(self, X: Any, y: ArrayLike) -> None:
        """Set rows aside, before anything is chosen."""
        self._validate_params()
        if self._n_guard(self.n_control) == self.n_control:
            raise ValueError(
                f"n_control={self.n_control} leaves no control label beside that of "
                "the guard, so that the arms cannot be compared: raise n_control."
            )
        y = label_array(y, self.missing_label).copy()
        known = known_at_start(X, y, self.missing_label)
        self._seed, self._round = as_seed(self.random_state), 0
        wanted = _N_PLANNED_ROUNDS * (self.n_control + self.slice_size)
        rng = np.random.default_rng(derived_seed(self._seed, 0))
        self._reserve = set_aside(known, self.n_reserved, wanted, rng)
        self._open = self._gone = np.empty(0, np.intp)
        self._open_role, self._said = np.empty(0, _ROLE), {}
        self._disagreement, self._X = math.nan, X
        self.judged_ = np.empty(0, JUDGED)
        self.order_, self.y_ = np.flatnonzero(known), y
        self.role_ = np.where(known, "start", "").astype(_ROLE)

    def _check_begun(self) -> None:
        if not hasattr(self, "role_"):
            raise NotFittedError("Nothing was asked yet: call ask(X, y) first.")

    def _asked(self, rows: NDArray[np.intp]) -> Ask:
        return Ask(rows.copy(), self._open_role.copy())

    def _key(self, purpose: int) -> int:
        return derived_seed(self._seed, purpose, self._round + 1)

    def _n_guard(self, n_control: int) -> int:
        return math.ceil(_GUARD_SHARE * n_control) if self.guard else 0

    def _rows(self, *roles: str) -> NDArray[np.intp]:
        """Return rows of some roles in the order in which they were labelled."""
        return self.order_[np.isin(self.role_[self.order_], roles)]

    def _n_arm(self) -> int:
        return min(len(self._rows("chosen")), len(self._rows("control")))

    def _fit(self, X: Any, rows: NDArray[np.intp]) -> Any:
        """Return the estimator fitted to the labels of some rows.

        All models of a round are given the same seed.
        """
        classes = np.unique(narrowed(self.y_[self.order_]))
        key = (self._seed, Purpose.MODEL, self._round + 1)
        inputs, labels = take(X, rows), self.y_[rows]
        return fit_model(
            self.estimator, inputs, labels, classes, key, self.missing_label
        )

    def _choose(self, X: Any) -> NDArray[np.intp]:
        """Return the rows that the strategy chooses, which sees nothing of the arm."""
        hidden = np.concatenate([self._reserve, self._gone])
        is_hidden = np.isin(np.arange(len(self.y_)), hidden)
        mine = self._rows("start", "chosen")
        free = np.flatnonzero((self.role_ == "") & ~is_hidden)
        if not len(free):
            return free
        key = (self._seed, Purpose.STRATEGY, self._round + 1)
        rows, n = np.sort(np.concatenate([mine, free])), min(self.n_chosen, len(free))
        inputs, labels = take(X, rows), self.y_[rows]
        strategy, model = self.query_strategy, self._fit(X, mine)
        picks = choose(strategy, model, inputs, labels, n, key, self.missing_label)
        return rows[picks]

    def _arms(self, X: Any) -> tuple[Any, Any]:
        """Return the models of as many chosen and random labels."""
        n_arm, start = self._n_arm(), self._rows("start")
        chosen, random = (
            self._fit(X, np.concatenate([start, self._rows(role)[:n_arm]]))
            for role in ("chosen", "control")
        )
        return chosen, random
