"""A greedy search with the true labels: how much there was to gain, from below."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import QueryStrategy
from skactiveml.pool import RandomSampling
from skactiveml.utils import is_labeled

from skal_deep.classifier import CapabilityError
from skal_deep.classifier._base import derived_seed
from skal_deep.evaluation._metrics import named_scorers, scores_of
from skal_deep.evaluation.simulation._first_rows import Rows, first_rows
from skal_deep.evaluation.simulation._rules import HasRules
from skal_deep.evaluation.simulation._start import Start, known_rows
from skal_deep.evaluation.simulation._steps import ask, learn
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.pool import Badge, MarginSampling, MaxHerding, UncertaintyHerding
from skal_deep.rows._data import take
from skal_deep.rows._label_array import label_array

FOUND = "found by search"
_N_SUB_POOL = 300
_N_MEASURED = 200  # with fewer selection rows nobody has measured how well it chooses
_LOG_LOSS_WEIGHT = 0.3  # beside the accuracy, which alone has many ties


@dataclass(frozen=True)
class Selection:
    """Rows that no strategy may label: the search chooses batches by them.

    Attributes
    ----------
    rows : ndarray of shape (n_selection,)
        Which rows of the caller's X they are.
    X : ndarray of shape (n_selection, ...)
        Their inputs.
    y : ndarray of shape (n_selection,)
        Their true labels.
    """

    rows: Rows
    X: NDArray[Any]
    y: NDArray[Any]


def n_selection_rows(n_pool: int, selection_size: float | int) -> int:
    """Return how many rows of a pool are held back.

    Parameters
    ----------
    n_pool : int
        Number of rows that are not set aside for scores.
    selection_size : float or int
        Their share, or their number.
    """
    if selection_size >= 1:
        return int(selection_size)
    return int(np.ceil(selection_size * n_pool))


def hold_back(
    learner: HasRules, seed: int, start: Start, y: Any, selection_size: float | int
) -> tuple[Start, Selection]:
    """Return a start without the selection rows, and these, drawn from its pool.

    All strategies of a comparison start so, that their pools are equal.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    seed : int
        Seed of the simulation.
    start : Start
        Where it would start without a search.
    y : array-like of shape (n_samples,)
        The true labels.
    selection_size : float or int
        Share or number of the rows to hold back.
    """
    labels = label_array(y, learner.missing_label)
    origin = start.visible % len(labels)  # of a copy the row that it is a copy of
    in_pool = np.unique(origin[start.pool])
    rng = np.random.default_rng(derived_seed(seed, Purpose.SPLIT, 1))
    n_held = n_selection_rows(len(in_pool), selection_size)
    rows = np.sort(rng.permutation(in_pool)[:n_held])
    is_kept = ~np.isin(origin, rows)
    number = np.cumsum(is_kept) - 1
    pool, shown = number[start.pool[is_kept[start.pool]]], start.y[is_kept]
    held = np.searchsorted(start.visible, rows)  # the rows themselves, no copies
    kept = replace(
        start,
        X=take(start.X, is_kept),
        y=shown,
        visible=start.visible[is_kept],
        pool=pool,
        first=first_rows(shown, pool, learner.n_initial, learner.initial, seed),
        cost=None if start.cost is None else start.cost[is_kept],
    )
    return kept, Selection(rows, take(start.X, held), labels[rows])


class GreedySearch(QueryStrategy):
    """Tries batches with their true labels, and takes the one that scores best.

    It knows what no strategy knows, so that it is none: :meth:`bind` tells it.

    Parameters
    ----------
    portfolio : sequence of QueryStrategy, default=None
        Strategies whose picks are tried, from the whole pool first, then from parts
        of it. ``None`` is random and margin sampling, MaxHerding, UncertaintyHerding
        and Badge, as far as the classifier answers what they ask.
    n_candidates : int, default=30
        Number of batches that are tried in each round.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row whose label is unknown.
    random_state : int, RandomState or None, default=None
        Not used: all seeds are those of the simulation.
    """

    def __init__(
        self, portfolio=None, n_candidates=30, missing_label=-1, random_state=None
    ):
        super().__init__(random_state=random_state)
        self.portfolio = portfolio
        self.n_candidates = n_candidates
        self.missing_label = missing_label

    def __sklearn_clone__(self) -> "GreedySearch":
        return copy.copy(self)  # with what it was told, which is only read

    def bind(
        self, learner: HasRules, seed: int, start: Start, selection: Selection
    ) -> "GreedySearch":
        """Return the search for one simulation.

        Parameters
        ----------
        learner : SimulatedActiveLearner
            Holds the settings of the simulation.
        seed : int
            Seed of the simulation.
        start : Start
            Where it starts, true labels included.
        selection : Selection
            By what batches are chosen.
        """
        bound = copy.copy(self)
        bound._game = (learner, seed, start, selection)
        return bound

    def query(self, X, y, candidates=None, batch_size=1):  # noqa: ARG002
        """Return the best of the batches that were tried.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Not used: the rows are those of the start.
        y : array-like of shape (n_samples,)
            Labels, with missing ones.
        candidates : array-like of shape (n_candidates,), default=None
            Rows that can be labelled; ``None`` is all without a label.
        batch_size : int, default=1
            How many to label.
        """
        y = np.asarray(y)
        pool = (
            np.flatnonzero(~is_labeled(y, self.missing_label))
            if candidates is None
            else np.asarray(candidates)
        )
        # The first of equals: that of a strategy with the whole pool to choose from.
        return max(self.tried(y, pool), key=lambda pair: pair[0])[1]

    def tried(self, y: NDArray[Any], pool: Rows) -> list[tuple[float, Rows]]:
        """Return the batches that are tried, each with its score on selection rows.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            Labels, with missing ones.
        pool : ndarray of shape (n_pool,)
            Rows that can be labelled.
        """
        learner, seed, start, selection = self._game
        n_labels = int(is_labeled(y, self.missing_label).sum())
        cycle = 1 + (n_labels - len(start.first)) // learner.batch_size
        game = learner, seed, None, start.X
        current = learn(*game, y, start.classes, cycle - 1)
        found: list[tuple[float, Rows]] = []
        seen = set()
        for rows in self._batches(y, pool, current, cycle):
            if frozenset(rows) in seen:
                continue
            seen.add(frozenset(rows))
            shown = y.copy()
            shown[rows] = start.y[rows]
            fitted = learn(*game, shown, start.classes, cycle)
            found.append((_score(learner, fitted, selection), rows))
        return found

    def _batches(
        self, y: NDArray[Any], pool: Rows, current: Any, cycle: int
    ) -> list[Rows]:
        learner, seed, start, _ = self._game
        own = self.portfolio is not None
        portfolio = list(self.portfolio if own else _default_portfolio())
        n_part = min(_N_SUB_POOL, max(learner.batch_size, len(pool) // 2))
        rng = np.random.default_rng(derived_seed(seed, Purpose.STRATEGY, cycle, 1))
        batches: list[Rows] = []
        turn = 0
        while len(batches) < self.n_candidates and portfolio:
            for strategy in list(portfolio):
                if len(batches) == self.n_candidates:
                    break
                asker = copy.copy(learner)
                asker.query_strategy = strategy
                part = pool if not turn else rng.choice(pool, n_part, replace=False)
                key = derived_seed(seed, turn) if turn else seed
                try:
                    asked = ask(asker, key, current, start.X, y, np.sort(part), cycle)
                except CapabilityError:
                    if own:
                        raise
                    portfolio.remove(strategy)
                    continue
                batches.append(asked.rows)
            turn += 1
        return batches


def _default_portfolio() -> list[Any]:
    return [
        RandomSampling(),
        MarginSampling(),
        MaxHerding(),
        UncertaintyHerding(),
        Badge(),
    ]


def _score(learner: HasRules, fitted: Any, selection: Selection) -> float:
    """Return what the search chooses by; accuracy and log loss have less noise."""
    metrics = named_scorers(learner.scoring)
    first = next(iter(metrics))
    wanted = {first: metrics[first]}
    if first == "accuracy" and hasattr(fitted, "predict_proba"):
        wanted |= named_scorers("neg_log_loss")
    scores = scores_of(wanted, fitted, selection.X, selection.y, learner.missing_label)
    score = scores[first] + _LOG_LOSS_WEIGHT * scores.get("neg_log_loss", 0.0)
    return score if np.isfinite(score) else -np.inf


def search_of(
    asked: bool | Mapping[str, Any], missing_label: Any
) -> tuple[GreedySearch, float | int] | None:
    """Return the search that a caller asks for, and the size of its selection.

    Parameters
    ----------
    asked : bool or dict
        Whether to search, or how.
    missing_label : scalar, str, nan or None
        Marks a row whose label is unknown.
    """
    if asked is False:
        return None
    if asked is not True and not isinstance(asked, Mapping):
        raise TypeError(
            "search must be True, False, or a dict such as "
            f"{{'n_candidates': 30}}, not {asked!r}."
        )
    options: dict[str, Any] = {
        "n_candidates": 30,
        "portfolio": None,
        "selection_size": 0.25,
    }
    given = {} if asked is True else dict(asked)
    if unknown := sorted(given.keys() - options.keys()):
        raise ValueError(
            f"search has no option {unknown[0]!r}, but {', '.join(options)}."
        )
    options |= given
    n_candidates, size = options["n_candidates"], options["selection_size"]
    portfolio = options["portfolio"]
    if not isinstance(n_candidates, int) or n_candidates < 1:
        raise ValueError(
            f"n_candidates must be a number from 1 on, not {n_candidates!r}."
        )
    if not isinstance(size, int | float) or isinstance(size, bool) or size <= 0:
        raise ValueError(
            "selection_size must be a share of the pool, or a number of its rows, not "
            f"{size!r}."
        )
    if portfolio is not None:
        if isinstance(portfolio, str) or not isinstance(portfolio, Sequence):
            raise TypeError(
                "The portfolio of a search must be a list of query strategies, not "
                f"{portfolio!r}."
            )
        portfolio = [RandomSampling() if s is None else s for s in portfolio]
        if not portfolio or not all(isinstance(s, QueryStrategy) for s in portfolio):
            raise TypeError(
                "The portfolio of a search must hold query strategies, at least one, "
                f"not {portfolio!r}."
            )
    return GreedySearch(portfolio, n_candidates, missing_label), size


def check_search(
    learner: HasRules, y: Any, test_is_given: bool, selection_size: float | int
) -> None:
    """Raise unless a search can be played; warn if its selection rows are few.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation.
    y : array-like of shape (n_samples,)
        The true labels, which the annotator gives.
    test_is_given : bool
        Whether no rows are set aside for scores.
    selection_size : float or int
        Share or number of the selection rows.
    """
    labels = label_array(y, learner.missing_label)
    n_rows, known = len(labels), known_rows(labels, learner.missing_label)
    n_known = len(known)
    if n_known < n_rows:
        raise ValueError(
            f"A search tries batches with their true labels, but {n_rows - n_known} of "
            f"{n_rows} rows have none. Leave these rows out, or search=False."
        )
    if learner.retrain != "scratch":
        raise ValueError(
            f"A search fits each batch it tries from scratch, so that it cannot be "
            f"compared under retrain={learner.retrain!r}. Use retrain='scratch'."
        )
    share = 0 if test_is_given else learner.test_size
    n_pool = n_known - (share if share >= 1 else int(np.ceil(share * n_known)))
    n_selection = n_selection_rows(n_pool, selection_size)
    needed = learner.n_initial + learner.batch_size
    if learner.n_copies * (n_pool - n_selection) <= needed:
        raise ValueError(
            f"With {n_selection} selection rows for the search, the pool of "
            f"{n_pool - n_selection} leaves no choice beside {needed} labels: ask for "
            "a smaller selection_size, or fewer labels."
        )
    if n_selection < _N_MEASURED:
        warnings.warn(
            f"The search chooses batches by {n_selection} selection rows. With fewer "
            f"than {_N_MEASURED} it is not known how well it chooses: what it finds "
            "may be far below what there was to find.",
            UserWarning,
            stacklevel=3,
        )
