"""One strategy for the first labels, another one after that."""

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from torch import Tensor

from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._checks import as_inner
from skal_deep.pool._pool import Pool


class SwitchStrategy(DeepQueryStrategy):
    """Switch from one strategy to another as labels come in.

    Diversity serves the first labels, uncertainty the later ones [1]_; a fixed rule
    switches from the one to the other. With :class:`TypiClust` first and
    :class:`MarginSampling` then it is TCM [1]_; with :class:`MaxHerding` first it keeps
    users of margins from a cold start. Use it for budgets that begin with no label and
    end with tens of labels a class.

    The switch is decided from the labels alone, with no state, so a study that was
    interrupted goes on as it would have.

    Parameters
    ----------
    first : DeepQueryStrategy
        The query strategy up to the switch. Its own seed does not matter.
    then : DeepQueryStrategy
        The query strategy from the switch on. Its own seed does not matter.
    when : float or callable, default=10
        Number of labels for each class that a label has shown, on average, from which
        on ``then`` is asked; 0 never asks ``first``, infinity always. A callable takes
        the labels so far, an array, and returns whether to ask ``then``.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    UncertaintyHerding : One method that goes over from diversity to uncertainty.
    MixedScore : Weights of scores that change as labels come in.

    References
    ----------
    .. [1] P. Doucet, B. Estermann, T. Aczel, R. Wattenhofer. Bridging Diversity and
       Uncertainty in Active Learning with Self-Supervised Pre-Training.
       arXiv:2403.03728, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling, SwitchStrategy, TypiClust
    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> y = np.full(30, -1)
    >>> y[:4] = 0, 0, 1, 1
    >>> strategy = SwitchStrategy(TypiClust(), MarginSampling(), random_state=0)
    >>> strategy.query(X, y, LogisticRegression(), batch_size=3).shape
    (3,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "first": [DeepQueryStrategy],
        "then": [DeepQueryStrategy],
        "when": [Interval(Real, 0, None, closed="both"), callable],
    }

    def __init__(self, first, then, when=10, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.first = first
        self.then = then
        self.when = when

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        both = (self.first, self.then)
        # What works on inputs takes embeddings where there are some.
        asking = [each for each in both if not each._works_on_inputs] or both
        return tuple(dict.fromkeys(need for each in asking for need in each._needs))

    def _asked(self, has_labels: bool) -> DeepQueryStrategy:
        # What the other needs is checked as soon as a model can have it.
        is_first = not has_labels and not self._is_switched(np.empty(0))
        return self.first if is_first else self

    @property
    def _works_on_inputs(self) -> bool:  # type: ignore[override]
        return self.first._works_on_inputs and self.then._works_on_inputs

    @property
    def _plans_batch(self) -> bool:  # type: ignore[override]
        return self.first._plans_batch or self.then._plans_batch

    @property
    def _reads_classes(self) -> bool:  # type: ignore[override]
        return True

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        strategy = self.then if self._is_switched(pool.y_labeled) else self.first
        validate_parameter_constraints(
            strategy._parameter_constraints,
            strategy.get_params(deep=False),
            type(strategy).__name__,
        )
        return as_inner(strategy, self.missing_label)._select(pool, batch_size)

    def _is_switched(self, y_labeled: Any) -> bool:
        if isinstance(self.when, Callable):  # type: ignore[arg-type]
            return bool(self.when(y_labeled.copy()))
        n_classes = max(1, len(np.unique(y_labeled)))
        return len(y_labeled) >= self.when * n_classes
