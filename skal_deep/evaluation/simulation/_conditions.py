"""Harder conditions: redundant rows, an annotator that errs, labels that cost."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.classifier._base import derived_seed
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.rows._data import is_numbers, kind_of, n_rows, take


def add_copies(X: Any, n_copies: int, copy_noise: float, seed: int) -> Any:
    """Return inputs followed by noisy copies of all of them.

    Parameters
    ----------
    X : object
        Inputs, in a form of ``as_data``.
    n_copies : int
        How often each row occurs.
    copy_noise : float
        Standard deviation of the noise on copies, as a share of that of X.
    seed : int
        Seed of the simulation.
    """
    if n_copies == 1:
        return X
    if not is_numbers(X):
        if copy_noise:
            raise ValueError(
                f"Copies of X cannot have noise, as X is {kind_of(X)}: pass "
                "copy_noise=0."
            )
        return take(X, np.tile(np.arange(n_rows(X)), n_copies))
    copies = np.concatenate([X] * (n_copies - 1))
    if copy_noise:
        if not np.issubdtype(X.dtype, np.floating):
            raise ValueError(
                f"Copies of X cannot have noise, as its type is {X.dtype}: pass "
                "floats, or copy_noise=0."
            )
        rng = np.random.default_rng(derived_seed(seed, Purpose.COPIES))
        noise = rng.standard_normal(copies.shape, dtype=np.float32)
        copies += (copy_noise * X.std() * noise).astype(X.dtype)
    return np.concatenate([X, copies])


def add_label_noise(
    y: NDArray[Any],
    pool: NDArray[np.intp],
    classes: NDArray[Any],
    label_noise: float,
    seed: int,
) -> NDArray[Any]:
    """Return labels of which a share is wrong, each a class drawn from the others.

    A row is wrong for every strategy or for none.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        True labels.
    pool : ndarray of shape (n_pool,)
        Rows that can be labelled.
    classes : ndarray of shape (n_classes,)
        All classes, sorted.
    label_noise : float
        Probability that a label is wrong.
    seed : int
        Seed of the simulation.
    """
    if not label_noise or len(classes) == 1:
        return y
    rng = np.random.default_rng(derived_seed(seed, Purpose.LABELS))
    wrong = pool[rng.random(len(pool)) < label_noise]
    # From 1 on, so that a wrong label is never the true one.
    shift = rng.integers(1, len(classes), len(wrong))
    y = y.copy()
    y[wrong] = classes[(np.searchsorted(classes, y[wrong]) + shift) % len(classes)]
    return y
