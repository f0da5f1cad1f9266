"""The rules of a simulation: what is asked of a learner, by name."""

import copy
from numbers import Real
from typing import Any, Protocol, TypeVar

import numpy as np

from skal_deep.classifier.door._inside import is_regressor
from skal_deep.evaluation._metrics import default_metric
from skal_deep.rows._label_array import label_array


class HasRules(Protocol):
    """How active learning is played, as :class:`SimulatedActiveLearner` says it.

    The names stand here once: what a comparison tells of how it was made, and what a
    replay takes from a run, is read from a learner by them.
    """

    estimator: Any
    query_strategy: Any
    n_initial: int
    batch_size: int
    n_cycles: int
    initial: str
    retrain: str
    scoring: Any
    test_size: Any
    label_noise: float
    n_copies: int
    copy_noise: float
    missing_label: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters by name, as in scikit-learn."""

    def _validate_params(self) -> None:
        """Raise unless each parameter is what it may be."""


# Without the classifier and the strategy, which are told apart from the rest.
RULES = tuple(
    name
    for name in HasRules.__annotations__
    if name not in ("estimator", "query_strategy")
)

Learner = TypeVar("Learner", bound=HasRules)


def settled(learner: Learner, y: Any) -> Learner:
    """Return a learner with what it leaves to the kind of its model.

    A metric that is not named is the model's usual one. Of numbers, NaN marks those
    that are unknown, as long as nobody has said otherwise.

    Parameters
    ----------
    learner : SimulatedActiveLearner
        Holds the settings of the simulation. It is not changed.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        All labels.
    """
    learner = copy.copy(learner)
    if learner.scoring is None:
        learner.scoring = default_metric(learner.estimator, y)
    mark = learner.missing_label
    if isinstance(mark, str) and label_array(y, mark).dtype.kind in "biuf":
        # Numbers would become words beside it, which no test row has.
        raise TypeError(
            f"missing_label={mark!r} is a word, and y holds numbers: pass a number "
            "that is no label, such as -1, or NaN."
        )
    if is_regressor(learner.estimator) and isinstance(mark, Real) and mark == mark:
        targets = label_array(y, np.nan)
        if targets.dtype.kind in "biuf" and not (targets == mark).any():
            learner.missing_label = np.nan
    return learner
