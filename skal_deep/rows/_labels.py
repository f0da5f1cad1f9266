"""Labels as scikit-learn and scikit-activeml want to be told of them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_GUESS = "The number of unique classes is greater than 50% of the number of samples"
_LOOK_ALIKE = "The labels .* look alike"


@contextmanager
def known_classes(are_known: bool = True) -> Iterator[None]:
    """Silence what is said of labels at each fit, and was said of all of them before.

    That is scikit-learn's guess that many classes might be regression targets, and our
    warning of words that look alike. Where somebody has said what the classes are there
    is nothing to guess.
    """
    if not are_known:
        yield
        return
    with warnings.catch_warnings():
        for message in (_GUESS, _LOOK_ALIKE):
            warnings.filterwarnings("ignore", message=message)
        yield
