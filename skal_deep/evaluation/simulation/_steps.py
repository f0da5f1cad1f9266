"""The two steps of a cycle, learn and ask, without the loop around them.

A simulation plays them with an oracle, a labelling campaign with what people said. So
what a study measured is what a campaign does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from skactiveml.pool import RandomSampling

from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled, labeled_rows
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.classifier.door._prepare import prepare
from skal_deep.evaluation.simulation._cycle import (
    ask_strategy,
    fit_clone,
    shrink_and_perturb,
    tell_classes,
)
from skal_deep.evaluation.simulation._first_rows import Rows
from skal_deep.evaluation.simulation._one_class import is_stand_in, stand_in
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.modules import isolated_rng
from skal_deep.pool import DeepQueryStrategy
from skal_deep.rows._labels import known_classes


class HasStepRules(Protocol):
    """What a cycle asks of its learner, by name."""

    @property
    def estimator(self) -> Any:
        """The unfitted model."""

    @property
    def query_strategy(self) -> Any:
        """What chooses; ``None`` is random sampling."""

    @property
    def batch_size(self) -> int:
        """How many rows to ask for."""

    @property
    def retrain(self) -> str:
        """What a fit starts from."""

    @property
    def missing_label(self) -> Any:
        """Marks a row without a label."""


@dataclass(frozen=True)
class Asked:
    """What a strategy asked for.

    Attributes
    ----------
    rows : ndarray of shape (batch_size,)
        Rows to label next.
    utilities : ndarray of shape (batch_size, n_samples) or None
        Row t holds the utilities that decided pick t, if they were wanted.
    strategy : QueryStrategy
        What was asked: random sampling, where the model knows one class only.
    """

    rows: Rows
    utilities: NDArray[np.float64] | None
    strategy: Any


def learn(
    rules: HasStepRules,
    seed: int,
    previous: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    classes: NDArray[Any],
    cycle: int,
) -> Any:
    """Return the model of one cycle.

    What knows no ``random_state``, such as a net of skorch, draws from the global
    generators: they are seeded meanwhile, and put back.

    Parameters
    ----------
    rules : SimulatedActiveLearner or Rules of a campaign
        What is fitted, and how.
    seed : int
        Seed of the whole game.
    previous : object or None
        The model of the cycle before, for a warm start.
    X : ndarray of shape (n_samples, ...)
        All inputs.
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    classes : ndarray of shape (n_classes,)
        All classes; empty for a regression.
    cycle : int
        Number of queries before this fit.
    """
    missing_label = rules.missing_label
    if rules.retrain == "scratch" or is_stand_in(previous):
        previous = None
    elif rules.retrain == "shrink_perturb" and previous is not None:
        previous = shrink_and_perturb(
            previous, derived_seed(seed, Purpose.PERTURB, cycle)
        )
    if single := stand_in(rules.estimator, classes, y, missing_label):
        return fit_on_labeled(single, X, y, missing_label)
    key = seed, Purpose.MODEL, cycle
    estimator = prepare(rules.estimator, missing_label, *key)
    # also for a classifier that cannot be told
    with known_classes(), isolated_rng(derived_seed(*key)):
        return fit_clone(
            tell_classes(estimator, classes), previous, X, y, missing_label
        )


def ask(
    rules: HasStepRules,
    seed: int,
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    pool: Rows,
    cycle: int,
    with_utilities: bool = False,
    cost: NDArray[np.float64] | None = None,
    rounds: Sequence[Rows] | None = None,
) -> Asked:
    """Return the rows to label next.

    Parameters
    ----------
    rules : SimulatedActiveLearner or Rules of a campaign
        The strategy, and how many rows to ask for.
    seed : int
        Seed of the whole game.
    estimator : object or None
        The fitted model; ``None`` before the first label.
    X : ndarray of shape (n_samples, ...)
        All inputs.
    y : ndarray of shape (n_samples,)
        Labels, with missing ones.
    pool : ndarray of shape (n_candidates,)
        Rows that may be asked for.
    cycle : int
        Number of this query.
    with_utilities : bool, default=False
        Whether to return the utilities, too.
    cost : ndarray of shape (n_samples,), default=None
        What each label costs.
    rounds : sequence of ndarray of shape (n_picks,), default=None
        What the queries before asked for, in order, where it is kept.
    """
    strategy = rules.query_strategy
    strategy = RandomSampling() if strategy is None else strategy
    if is_stand_in(estimator) and isinstance(strategy, DeepQueryStrategy):
        # It offers less than the classifier will, which is what has to do.
        needs, works_on_inputs = strategy._needs, strategy._works_on_inputs
        name = type(strategy).__name__
        check_needs(name, rules.estimator, needs, works_on_inputs)
    is_all = len(pool) == len(y) - labeled_rows(y, rules.missing_label).sum()
    key = seed, Purpose.STRATEGY, cycle
    with isolated_rng(derived_seed(*key)):
        asked = ask_strategy(
            prepare(strategy, rules.missing_label, *key),
            estimator,
            X,
            y,
            None if is_all else pool,
            min(rules.batch_size, len(pool)),
            rules.missing_label,
            with_utilities,
            cost,
            rounds,
        )
    return Asked(*asked)
