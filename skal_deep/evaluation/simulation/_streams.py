"""Random streams: one for each purpose, so that what one takes changes no other."""

from enum import IntEnum
from typing import Any

from sklearn.base import clone

from skal_deep.classifier._base import derived_seed


class Purpose(IntEnum):
    """What random numbers are for.

    Seeds are derived from the repeat, the purpose and the cycle, never from the
    strategy: whatever one strategy draws, the others find their streams unmoved.
    """

    SPLIT = 0
    START = 1
    MODEL = 2
    STRATEGY = 3
    LABELS = 4
    COPIES = 5
    PERTURB = 6
    ORDER = 7
    SCORE = 8


def prepare(estimator: Any, missing_label: Any, *key: int) -> Any:
    """Return a clone with seeds of its own and the learner's mark of a missing label.

    Parameters
    ----------
    estimator : object
        A classifier or a strategy. Every ``random_state`` and ``missing_label`` in it,
        however deep, is set.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    *key : int
        What the seeds are derived from.
    """
    names = sorted(estimator.get_params())
    states = [name for name in names if name.split("__")[-1] == "random_state"]
    marks = [name for name in names if name.split("__")[-1] == "missing_label"]
    # One seed for each parameter, by its place in the sorted names: equal seeds would
    # couple, say, the weights of a net and the draws of its posterior.
    seed = derived_seed(*key)
    return clone(estimator).set_params(
        **{name: derived_seed(seed, i) for i, name in enumerate(states)},
        **dict.fromkeys(marks, missing_label),
    )
