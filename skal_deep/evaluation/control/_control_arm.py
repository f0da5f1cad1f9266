"""The control arm: chosen labels beside random ones, judged while labelling."""

import math
import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.base import QueryStrategy
from skactiveml.utils import is_labeled
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import HasMethods, Interval

from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.evaluation.control._arm_verdict import ArmVerdict, judge
from skal_deep.evaluation.control._evidence import sign_test
from skal_deep.evaluation.simulation._cycle import query_rows
from skal_deep.evaluation.simulation._one_class import stand_in
from skal_deep.evaluation.simulation._start import known_rows
from skal_deep.evaluation.simulation._streams import Purpose, prepare
from skal_deep.pool import MarginSampling
from skal_deep.rows._data import as_data, n_rows, take
from skal_deep.rows._label_array import label_array, narrowed

_N_PLANNED_ROUNDS = 30  # for which rows are put aside, if the pool has so many
_GUARD_SHARE = 0.4  # of the control labels, kept out of both models
_JUDGED = np.dtype(
    [("round", "i8"), ("row", "i8"), ("outcome", "i8"), ("margin", "f8")]
)
_ROLE = "U8"  # start, chosen, control, referee, guard; empty for the rest


@dataclass(frozen=True)
class Ask:
    """Rows to label next, in the order in which to show them.

    :meth:`ControlArm.ask` returns it. Show the rows without their roles: an annotator
    who knows them labels otherwise.

    Attributes
    ----------
    indices : ndarray of shape (batch_size,)
        Rows of X, shuffled.
    role : ndarray of shape (batch_size,)
        "chosen" by the strategy, "control" by chance, or "referee" between the arms;
        with ``guard=True`` also "guard".

    See Also
    --------
    ControlArm : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.evaluation import ControlArm
    >>> X, truth = load_iris(return_X_y=True)
    >>> y = np.where(np.arange(150) % 10 == 0, truth, -1)
    >>> arm = ControlArm(GaussianNB(), random_state=0)
    >>> ask = arm.ask(X, y)
    >>> len(ask.indices), int((ask.role == "control").sum())
    (16, 4)
    """

    indices: NDArray[np.intp]
    role: NDArray[np.str_]


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
        self._check(X, y)
        if len(self._open):
            return self._asked(self._open)
        chosen = self._choose(X)
        control = self._reserve[: self.n_control]
        n_fresh = self.slice_size if self._n_arm() else 0  # arms to compare on them
        fresh = self._reserve[len(control) : len(control) + n_fresh]
        # all at once, so that an interrupt in a training leaves the round unmade
        referee, said, arms = self._referees(X, fresh)
        roles = np.full(len(self.role_), "", _ROLE)
        roles[chosen], roles[control], roles[referee] = "chosen", "control", "referee"
        roles[control[: self._n_guard(len(control))]] = "guard"
        rows = np.concatenate([chosen, control, referee])
        if not len(rows):
            raise ValueError("Every row has a label or is set aside: nothing to ask.")
        if not len(control):
            warnings.warn(
                "The random rows that were set aside are used up: all labels are "
                "chosen from here on, and the verdict stays as it is. A larger "
                "n_reserved lasts longer.",
                UserWarning,
                stacklevel=2,
            )
        shuffled = np.random.default_rng(self._key(2)).permutation(rows)
        self._reserve = self._reserve[len(control) + len(fresh) :]
        self._open, self._open_role, self._said = shuffled, roles[shuffled], said
        self._X, self.arms_ = X, arms
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
        self : object
            The same control arm.
        """
        self._check_begun()
        rows, labels = np.asarray(indices), label_array(y, self.missing_label)
        if rows.ndim != 1 or labels.shape != rows.shape:
            raise ValueError(
                "One label a row is wanted: indices and y have the shapes "
                f"{rows.shape} and {labels.shape}."
            )
        is_new = np.isin(rows, self._open)
        if len(np.unique(rows)) < len(rows) or not is_new.all():
            raise ValueError(
                "Rows must be told once, and only those that were asked for: "
                f"{rows[~is_new][:5].tolist() or 'some twice'}."
            )
        if not len(rows):
            return self
        known, n_before = rows[known_rows(labels, self.missing_label)], len(self.order_)
        # Beside the labels before, so that all are of one kind, or nothing is taken.
        objects = [each.astype(object) for each in (self.y_[self.order_], labels)]
        told = label_array(np.concatenate(objects), self.missing_label)
        known_rows(told, self.missing_label)
        y_all, role = self.y_.astype(np.result_type(self.y_, told)), self.role_.copy()
        y_all[rows] = told[n_before:]
        role[known] = self._open_role[[self._place(row) for row in known]]
        judged = [self._judge(row, y_all[row]) for row in known if row in self._said]
        left = ~np.isin(self._open, rows)
        self.judged_ = np.concatenate([self.judged_, np.array(judged, _JUDGED)])
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
        if not len(rows):
            return random
        inputs, truth = take(self._X, rows), self.y_[rows]
        full_right, right = (m.predict(inputs) == truth for m in (full, random))
        p_value = sign_test(
            int((full_right & ~right).sum()), int((right & ~full_right).sum())
        )
        return full if p_value <= self.level else random

    def _begin(self, X: Any, y: ArrayLike) -> None:
        """Set rows aside, before anything is chosen."""
        self._validate_params()
        if self._n_guard(self.n_control) == self.n_control:
            raise ValueError(
                f"n_control={self.n_control} leaves no control label beside that of "
                "the guard, so that the arms cannot be compared: raise n_control."
            )
        y = label_array(y, self.missing_label).copy()
        if y.ndim != 1 or len(y) != n_rows(X):
            raise ValueError(
                f"X has {n_rows(X)} rows and y the shape {y.shape}: one label a "
                "row is wanted."
            )
        known = np.isin(np.arange(len(y)), known_rows(y, self.missing_label))
        if len(np.unique(narrowed(y[known]))) < 2:
            raise ValueError(
                "The labels of the start must show two classes or more. Label some "
                "rows at random first."
            )
        seed = as_seed(self.random_state)
        wanted = _N_PLANNED_ROUNDS * (self.n_control + self.slice_size)
        n_reserved = self.n_reserved or min(int((~known).sum()) // 2, wanted)
        if n_reserved >= (~known).sum():
            raise ValueError(
                f"n_reserved={n_reserved} leaves nothing to choose from: "
                f"{(~known).sum()} rows have no label."
            )
        rng = np.random.default_rng(derived_seed(seed, 0))
        self._seed, self._round = seed, 0
        self._reserve = rng.permutation(np.flatnonzero(~known))[:n_reserved]
        self._open = self._gone = np.empty(0, np.intp)
        self._open_role, self._said = np.empty(0, _ROLE), {}
        self._disagreement, self._X = math.nan, X
        self.judged_ = np.empty(0, _JUDGED)
        self.order_, self.y_ = np.flatnonzero(known), y
        self.role_ = np.where(known, "start", "").astype(_ROLE)

    def _check_begun(self) -> None:
        if not hasattr(self, "role_"):
            raise NotFittedError("Nothing was asked yet: call ask(X, y) first.")

    def _check(self, X: Any, y: ArrayLike) -> None:
        y = label_array(y, self.missing_label)
        if y.shape != self.y_.shape or n_rows(X) != len(y):
            raise ValueError(
                f"The pool has {len(self.y_)} rows; X has {n_rows(X)} and y the "
                f"shape {y.shape}. A control arm stays with its pool."
            )
        rows = np.flatnonzero(is_labeled(y, self.missing_label))
        strange = [row for row in rows if self.y_[row] != y[row]]
        if strange:
            raise ValueError(
                f"y has labels that were not told, or others than were told, in rows "
                f"{strange[:5]}. Pass labels by tell(); those of the start stay."
            )

    def _asked(self, rows: NDArray[np.intp]) -> Ask:
        return Ask(rows.copy(), self._open_role.copy())

    def _key(self, purpose: int) -> int:
        return derived_seed(self._seed, purpose, self._round + 1)

    def _n_guard(self, n_control: int) -> int:
        return math.ceil(_GUARD_SHARE * n_control) if self.guard else 0

    def _place(self, row: int) -> int:
        return int(np.flatnonzero(self._open == row)[0])

    def _rows(self, *roles: str) -> NDArray[np.intp]:
        """Return rows of some roles in the order in which they were labelled."""
        return self.order_[np.isin(self.role_[self.order_], roles)]

    def _n_arm(self) -> int:
        return min(len(self._rows("chosen")), len(self._rows("control")))

    def _fit(self, X: Any, rows: NDArray[np.intp]) -> Any:
        """Return the estimator fitted to the labels of some rows."""
        y = self.y_[rows]
        classes = np.unique(narrowed(self.y_[self.order_]))
        inputs = take(X, rows)
        single = stand_in(self.estimator, classes, y, self.missing_label)
        # Both arms are given the same seed.
        key = (self._seed, Purpose.MODEL, self._round + 1)
        model = single or prepare(self.estimator, self.missing_label, *key)
        return fit_on_labeled(model, inputs, y, self.missing_label)

    def _choose(self, X: Any) -> NDArray[np.intp]:
        """Return the rows that the strategy chooses, which sees nothing of the arm."""
        is_taken = np.isin(
            np.arange(len(self.y_)), np.concatenate([self._reserve, self._gone])
        )
        mine = self._rows("start", "chosen")
        free = np.flatnonzero((self.role_ == "") & ~is_taken)
        if not len(free):
            return free
        rows = np.sort(np.concatenate([mine, free]))
        # In labels that are missing, the marks of this y.
        y = self.y_[rows]
        strategy = self.query_strategy
        strategy = MarginSampling() if strategy is None else strategy
        picks = query_rows(
            prepare(
                strategy,
                self.missing_label,
                self._seed,
                Purpose.STRATEGY,
                self._round + 1,
            ),
            self._fit(X, mine),
            take(X, rows),
            y,
            None,
            min(self.n_chosen, len(free)),
            self.missing_label,
        )
        return rows[picks]

    def _referees(
        self, X: Any, fresh: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], dict[int, tuple[Any, Any, float]], Any]:
        """Return rows on which the arms disagree, what each said of them, and the arms.

        The rest of what is set aside shows, without labels, how often they disagree.
        """
        n_arm = self._n_arm()
        if not len(fresh):
            return fresh[:0], {}, getattr(self, "arms_", None)
        start = self._rows("start")
        arms = tuple(
            self._fit(X, np.concatenate([start, self._rows(role)[:n_arm]]))
            for role in ("chosen", "control")
        )
        rest = self._reserve[self.n_control :]
        chosen, random = (arm.predict(take(X, rest)) for arm in arms)
        differs = chosen != random
        self._disagreement = float(differs.mean())
        margin = self.margin / self._disagreement if self._disagreement else math.inf
        places = np.flatnonzero(differs[: len(fresh)])[: self.n_referee]
        said = {int(rest[at]): (chosen[at], random[at], float(margin)) for at in places}
        return rest[places], said, arms

    def _judge(self, row: int, label: Any) -> tuple[int, int, int, float]:
        chosen, random, margin = self._said[int(row)]
        outcome = int(chosen == label) - int(random == label)
        return self._round + 1, int(row), outcome, margin
