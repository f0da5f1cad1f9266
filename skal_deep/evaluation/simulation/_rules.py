"""The rules of a simulation: what is asked of a learner, by name."""

from typing import Any, Protocol


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
