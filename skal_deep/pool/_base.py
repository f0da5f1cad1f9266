"""The two abstract strategies: everything about a query but the method itself."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.base import SingleAnnotatorPoolQueryStrategy
from skactiveml.utils import is_labeled
from sklearn.utils._param_validation import validate_parameter_constraints
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import keep_threads, threads_given_back
from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._fitting import (
    knowing_its_rows,
    labeled_rows,
    model_to_ask,
    seen_inputs,
)
from skal_deep.classifier.door._kinds_of_rows import (
    measured_rows,
    rows_for,
    takes_rows_directly,
)
from skal_deep.classifier.door._model_checks import (
    check_feature_names,
    check_needs,
    given_model,
    was_trained,
)
from skal_deep.classifier.net._origin import is_written_in
from skal_deep.modules import isolated_rng
from skal_deep.modules._rng import one_thread_at_a_time
from skal_deep.pool._checks import (
    as_batch_size,
    as_candidates,
    as_rounds,
    check_labels,
    check_picks,
    check_unlabeled_left,
    check_utilities,
    targets_and_marker,
    warn_untrained,
)
from skal_deep.pool._history import History
from skal_deep.pool._make_pool import make_pool
from skal_deep.pool._pool import Pool
from skal_deep.pool._selection import SelectionRule, TopK
from skal_deep.rows._as_data import as_data
from skal_deep.rows._costs import affordable, as_cost, n_within
from skal_deep.rows._data import is_finite, is_numbers, n_columns, n_rows
from skal_deep.rows._label_array import check_no_nan, label_array
from skal_deep.rows._row_weights import row_weights


class DeepQueryStrategy(SingleAnnotatorPoolQueryStrategy, ABC):
    """A strategy that chooses a batch as a whole.

    A subclass names the capabilities it needs of a model in ``_needs`` and implements
    ``_select``. Everything else about a query is done here, once: checks, fitting,
    seeds, the three forms of ``candidates``, the order of the results. Inside a
    strategy an index is a position among the candidates.

    Use it to write a method whose picks depend on each other. If each row has a score
    of its own, use :class:`ScoreQueryStrategy`.

    Parameters
    ----------
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    ScoreQueryStrategy : For methods that score each candidate by itself.
    Pool : What ``_select`` may look at.
    skal_deep.evaluation.check_query_strategy : Checks a strategy of your own.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.pool import DeepQueryStrategy
    >>> class Smallest(DeepQueryStrategy):
    ...     def _select(self, pool, batch_size):
    ...         utilities = -torch.as_tensor(pool.X[:, 0])
    ...         return utilities.argsort(descending=True)[:batch_size], utilities
    >>> Smallest().query([[3.0], [1.0], [2.0], [0.0]], [-1, -1, -1, 0], batch_size=2)
    array([1, 2])
    """

    _needs: ClassVar[tuple[type, ...]] = ()
    # Whether raw inputs do where there is no model that offers what is needed.
    _works_on_inputs: ClassVar[bool] = False
    # Whether even the first pick depends on the size of the batch.
    _plans_batch: ClassVar[bool] = False
    # Whether it has a way of its own, and says so, where there is no label at all.
    _does_without_labels: ClassVar[bool] = False
    # Whether labels are read as classes, so that a regressor makes no sense.
    _reads_classes: ClassVar[bool] = False
    # Whether it reads the batches of its earlier queries.
    _reads_rounds: ClassVar[bool] = False
    # What is asked of a regressor, where that is something else.
    _needs_of_regressor: ClassVar[tuple[type, ...]] = ()
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "missing_label": "no_validation",
        "random_state": ["random_state"],
    }

    def __init__(self, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)

    @abstractmethod
    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        """Choose a batch among the candidates.

        Parameters
        ----------
        pool : Pool
            The candidates, the labelled rows, the model's answers, the generator.
        batch_size : int
            At most the number of candidates N.

        Returns
        -------
        indices : Tensor of shape (batch_size,)
            Distinct positions among the candidates.
        utilities : Tensor of shape (batch_size, N) or (N,)
            Row t holds the utilities, high = query, that decided pick t. One row
            stands for all. They are not looked at unless ``pool.with_utilities``.
        """

    def query(
        self,
        X,
        y,
        clf=None,
        fit_clf=True,
        sample_weight=None,
        candidates=None,
        batch_size=1,
        return_utilities=False,
        reg=None,
        fit_reg=True,
        cost=None,
        budget=None,
        rounds=None,
    ):
        """Determine for which candidates labels are to be queried.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            All inputs, labelled and unlabelled: vectors, images (n, c, h, w), or
            whatever else the classifier takes: a table of pandas or polars, texts,
            names of files, a sparse matrix, a dict of arrays.
        y : array-like of shape (n_samples,) or, with ``reg``, (n_samples, n_targets)
            Labels, or targets of a regression; unlabelled rows hold
            ``missing_label``, and targets of a regression ``np.nan`` as well.
        clf : object, default=None
            The classifier: one of ours, a skorch net, a classifier of
            scikit-activeml or scikit-learn, or a Pipeline that ends in one. ``None``
            where the strategy works on raw inputs. The inputs of a Pipeline are what
            its last step sees.
        fit_clf : bool, default=True
            Whether to fit a clone of the classifier on the labelled rows first. These
            are sorted by their contents, so that their order in ``X`` does not matter.
            If ``False``, the classifier is used as it is and must be fitted.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows when fitting, finite and not negative.
        candidates : array-like, default=None
            ``None`` are all unlabelled rows; integers of shape (n_candidates,) are
            positions of rows of ``X``; an array of shape (n_candidates, ...), or
            whatever else is of the kind of ``X``, holds inputs.
        batch_size : int, default=1
            Number of labels to query. With fewer candidates than that, all of them
            are returned, with a warning.
        return_utilities : bool, default=False
            Whether to return the utilities too.
        reg : object, default=None
            The regressor, instead of a classifier: where a strategy asks for
            embeddings only, skorch's ``NeuralNetRegressor``, a regressor of
            scikit-activeml or scikit-learn, or a Pipeline that ends in one; BALD,
            BatchBALD, EPIG, BatchEPIG and MeanStd ask for one with a posterior.
        fit_reg : bool, default=True
            Whether to fit a clone of the regressor first, as ``fit_clf``.
        cost : array-like of shape (n_samples,) or (n_candidates,), default=None
            What each label costs, positive: one number for each row of ``X``, or for
            each candidate where these are inputs. The rule :class:`PerCost` reads it.
        budget : float, default=None
            What the labels of this query may cost together, with ``cost``. Candidates
            that cost more each are left out, and the query ends before the pick that
            would exceed it, so that there may be fewer picks than ``batch_size``.
        rounds : sequence of array-like of shape (n_picks,), default=None
            The batches that earlier queries returned, rows of ``X`` in the order in
            which they came. :class:`AdaptiveStrategy` reads them; others do not.

        Returns
        -------
        query_indices : ndarray of shape (batch_size,), or shorter with ``budget``
            Distinct rows of ``X`` (of ``candidates``, if these are inputs).
        utilities : ndarray of shape (batch_size, n_samples or n_candidates)
            Row t holds the utilities that decided pick t, given the picks before.
            NaN for rows that are no candidates and for earlier picks. Only if
            ``return_utilities``.

        Raises
        ------
        CapabilityError
            If the classifier or regressor cannot answer what the strategy asks.
        ValueError
            If there is nothing to query or the input is malformed.
        """
        name = type(self).__name__
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), name
        )
        fresh_seed = as_seed(self.random_state)  # refuses what scikit-learn's lets pass
        if reg is not None and self._reads_classes:
            raise TypeError(f"{name} reads labels as classes and takes no regressor.")
        clf, fit_clf = given_model(clf, fit_clf, reg, fit_reg)
        model = clf
        batch_size, X = as_batch_size(batch_size), as_data(X)
        check_feature_names(clf, fit_clf, X, candidates)
        X, is_direct = rows_for(clf, X) if self._needs else X, takes_rows_directly(clf)
        candidates, is_foreign = as_candidates(candidates, X)
        check_labels(y)
        targets, marker = None, self.missing_label
        if reg is None:
            y = label_array(y, marker)
            check_no_nan(y, marker)
        else:
            y, marker = targets_and_marker(y, marker)
        if reg is not None and y.ndim == 2:  # one of them tells which are known
            targets, y = y, y[:, 0].astype(np.result_type(y, np.array(marker)))
            y[~labeled_rows(targets, marker)] = marker
        if candidates is None:
            check_unlabeled_left(y, marker)
        with one_thread_at_a_time():  # random_state_ is that of whoever validates
            X, y, candidates, batch_size, return_utilities = self._validate_rows(
                X,
                y,
                marker,
                candidates,
                is_foreign,
                batch_size,
                return_utilities,
                is_direct,
            )
            if self.random_state is None:  # upstream would draw from numpy's generator
                self.random_state_ = np.random.RandomState(fresh_seed)
            seed = int(self.random_state_.randint(2**31 - 1))
            missing_label = self.missing_label_
        sample_weight = row_weights(sample_weight, n_rows(X))
        rounds = None if rounds is None else as_rounds(rounds, n_rows(X))
        history = History(X, y, missing_label, sample_weight, model, rounds)
        has_label = is_labeled(y, missing_label)
        if cost is not None:
            cost = as_cost(cost, n_rows(candidates if is_foreign else X))
        if budget is not None:
            if is_foreign:
                raise ValueError(
                    "budget needs candidates by their positions in X, not as inputs."
                )
            if candidates is None:
                candidates = np.flatnonzero(~has_label)
            costs = None if cost is None else cost[candidates]
            candidates = candidates[affordable(costs, budget)]
            batch_size = min(batch_size, len(candidates))
        clf = knowing_its_rows(clf, X, y, missing_label, sample_weight)
        asked = self._asked(bool(has_label.any()))
        needs = (reg is not None and asked._needs_of_regressor) or asked._needs
        clf = check_needs(name, clf, needs, asked._works_on_inputs)
        if clf is None and asked._needs and not is_direct:
            X, candidates = measured_rows(name, X, candidates, is_foreign)
        given = X, candidates
        # one that is asked by another strategy has the threads of any other
        with isolated_rng(seed), plain_torch(), threads_given_back():
            if clf is not None:
                known = y if targets is None else targets
                clf = model_to_ask(clf, fit_clf, X, known, missing_label, sample_weight)
                is_untrained = not has_label.any() and (fit_clf or not was_trained(clf))
                clf, X, candidates = seen_inputs(name, clf, X, candidates, is_foreign)
                # inputs of a last step are measured, whatever that step has learned
                if is_untrained and clf is not None and not asked._does_without_labels:
                    warn_untrained(name, asked._works_on_inputs)
            with torch.no_grad(), self._threads():
                pool, rows = make_pool(
                    X,
                    y,
                    has_label,
                    candidates,
                    clf,
                    seed,
                    # what a Pipeline makes equal, such as texts, need not be equal
                    given=(X, candidates) if is_numbers(given[0]) else given,
                    is_foreign=is_foreign,
                    missing_label=missing_label,
                    sample_weight=sample_weight,
                    with_utilities=return_utilities,
                    cost=cost,
                    history=history,
                )
                picks, utilities = self._select(pool, batch_size)
        picked = check_picks(name, picks, batch_size, len(pool))
        if budget is not None:
            picked = picked[: n_within(cost[rows[picked]], budget)]
        if not return_utilities:
            return rows[picked]
        width = len(pool) if pool.is_foreign else n_rows(X)
        all_utilities = np.full((len(picked), width), np.nan)
        if utilities.ndim == 2:
            utilities = utilities[: len(picked)]
        all_utilities[:, rows] = check_utilities(name, utilities, picked, len(pool))
        return rows[picked], all_utilities

    def _asked(self, has_labels: bool) -> "DeepQueryStrategy":  # noqa: ARG002
        """Return the strategy whose needs a query has: itself, or one inside."""
        return self

    def _threads(self) -> AbstractContextManager[None]:
        """Keep threads for the parts of large arrays, which our kernels share out.

        The code of a strategy from elsewhere has all of torch's, as it would expect.
        """
        names = [name for name in ("_select", "_score") if hasattr(self, name)]
        is_own = all(is_written_in("skal_deep.", type(self), name) for name in names)
        return keep_threads() if is_own else nullcontext()

    def _validate_rows(
        self,
        X: Any,
        y: NDArray[Any],
        marker: Any,
        candidates: Any,
        is_foreign: bool,
        batch_size: int,
        return_utilities: bool,
        is_direct: bool,
    ) -> tuple[Any, NDArray[Any], Any, int, bool]:
        """Return what scikit-activeml has checked, with rows of any kind left alone.

        It knows arrays of numbers; for all others a column of zeros stands in. It knows
        one marker, too: where NaN marks targets, that stands in.
        """
        is_other = marker is not self.missing_label
        if is_other:
            gaps, y = np.isnan(y), np.nan_to_num(y, nan=self.missing_label)
        if is_numbers(X):
            # which scikit-learn looks for by one thread, and says what is wrong
            rows = [X, candidates] if is_foreign else [X]
            may_be_none = is_direct and not all(map(is_finite, rows))
            checks = {"allow_nd": True, "ensure_all_finite": may_be_none}
            X, y, candidates, batch_size, return_utilities = self._validate_data(
                X, y, candidates, batch_size, return_utilities, True, checks
            )
        else:
            known = np.zeros((n_rows(candidates), 1)) if is_foreign else candidates
            _, y, known, batch_size, return_utilities = self._validate_data(
                np.zeros((n_rows(X), 1)), y, known, batch_size, return_utilities, True
            )
            self.n_features_in_ = n_columns(X)
            candidates = candidates if is_foreign else known
        if is_other:
            self.missing_label_, y = marker, np.where(gaps, marker, y)
        return X, y, candidates, batch_size, return_utilities


class ScoreQueryStrategy(DeepQueryStrategy, ABC):
    """A strategy that scores each candidate by itself.

    A subclass implements ``_score`` and has a parameter ``selection``, the rule that
    turns scores into a batch.

    Use it to write a method that gives each candidate a score that does not depend on
    the other picks. If the picks depend on each other, use :class:`DeepQueryStrategy`.

    Parameters
    ----------
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    DeepQueryStrategy : For methods that choose a batch as a whole.
    SelectionRule : The rules that ``selection`` may be.
    Pool : What ``_score`` may look at.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.classifier import PredictsProba
    >>> from skal_deep.pool import ScoreQueryStrategy
    >>> class Gini(ScoreQueryStrategy):
    ...     _needs = (PredictsProba,)
    ...     selection = None
    ...     def _score(self, pool):
    ...         return 1 - pool.predict_proba().square().sum(-1)
    >>> X, y = [[-2.0], [-1.5], [0.1], [1.5], [2.0]], [0, -1, -1, -1, 1]
    >>> Gini().query(X, y, LogisticRegression())
    array([2])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "selection": [SelectionRule, None],
    }

    @abstractmethod
    def _score(self, pool: Pool) -> Tensor:
        """Return one finite score for each candidate, of shape (N,); high = query."""

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        rule = TopK() if self.selection is None else self.selection
        if pool.is_foreign and pool.with_utilities and pool.unlabeled_beside:
            whole = pool.whole()
            pool.score_whole = lambda: self._as_scores(self._score(whole), whole)
        return rule.select(self._as_scores(self._score(pool), pool), batch_size, pool)

    def _as_scores(self, found: Any, pool: Pool) -> Tensor:
        """Return scores as a tensor, also of a subclass that returns an array."""
        is_array = isinstance(found, Tensor | np.ndarray | list)
        scores = torch.as_tensor(found).detach() if is_array else None
        if scores is None or scores.shape != (len(pool),):
            given = type(found).__name__ if scores is None else tuple(scores.shape)
            raise ValueError(
                f"{type(self).__name__}._score must return one score for each of "
                f"{len(pool)} candidates, of shape ({len(pool)},), not {given}."
            )
        return scores
