"""Clones of models and strategies with seeds of their own."""

from typing import Any

from sklearn.base import clone

from skal_deep.classifier._base import derived_seed


def prepare(estimator: Any, missing_label: Any, *key: int) -> Any:
    """Return a clone with seeds of its own and one mark of a missing label.

    Parameters
    ----------
    estimator : object
        A model or a strategy. Every ``random_state`` and ``missing_label`` in it,
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
