"""Labels as scikit-learn and scikit-activeml want to be told of them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_GUESS = "The number of unique classes is greater than 50% of the number of samples"


@contextmanager
def known_classes(are_known: bool = True) -> Iterator[None]:
    """Silence scikit-learn's guess that many classes might be regression targets.

    It looks at the labels so far, and repeats itself at each fit with few labels of
    many classes. Where somebody has said what the classes are there is nothing to
    guess.
    """
    if not are_known:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_GUESS)
        yield
