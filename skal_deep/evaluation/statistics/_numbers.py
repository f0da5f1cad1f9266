"""Numbers as users hand them over: no texts, NaN where masked, or refused there."""

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def real_numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return values as floats, NaN where they are masked, if they are numbers.

    Parameters
    ----------
    values : array-like
        Numbers.
    name : str
        What to call them in an error.
    """
    kind = np.asarray(values).dtype
    if kind.kind not in "buifO":
        raise TypeError(f"{name} must be numbers, not of type {kind}.")
    try:
        numbers: NDArray[np.float64] = np.ma.asarray(values, float).filled(np.nan)
    except (TypeError, OverflowError) as error:
        raise TypeError(f"{name} must be numbers: {error}.") from error
    return numbers


def real_number(value: Any, name: str) -> float:
    """Return a value as a float, if it is one finite number.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        What to call it in an error.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # of a whole number
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a number, not {number}.")
    return number


def number_from_zero(value: Any, name: str) -> float:
    """Return a value as a float, if it is one finite number that is not negative.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        What to call it in an error.
    """
    number = real_number(value, name)
    if number < 0:
        raise ValueError(f"{name} must be a number from 0 on, not {value!r}.")
    return number


def check_scores(scores: ArrayLike, name: str = "scores") -> NDArray[np.float64]:
    """Return scores if all of them are numbers.

    Parameters
    ----------
    scores : array-like
        Scores, or differences of scores.
    name : str, default="scores"
        What to call them in an error.
    """
    values = real_numbers(scores, name)
    n_missing = int(values.size - np.isfinite(values).sum())
    if n_missing:
        raise ValueError(
            f"{name} has {n_missing} of {values.size} values that are NaN or infinite, "
            "of which nothing can be said. Leave out what they belong to, or find out "
            "why there is no score: a training that diverged, or a metric that is not "
            "defined."
        )
    return values
