"""Where a simulation starts: rows set aside, rows labelled first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from skal_deep.classifier import derived_seed
from skal_deep.evaluation._streams import Purpose

Rows = NDArray[np.intp]


def set_aside(
    y: NDArray[Any], known: Rows, test_size: float | int | None, seed: int
) -> tuple[Rows, Rows]:
    """Return the rows that can be queried, and those that are set aside for scores.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        All labels.
    known : ndarray of shape (n_known,)
        Rows whose label somebody knows.
    test_size : float, int or None
        As in ``train_test_split``; ``None`` sets no row aside.
    seed : int
        Seed of the simulation.
    """
    if test_size is None:
        return known, known[:0]
    counts = np.unique(y[known], return_counts=True)[1]
    n_test = test_size if test_size >= 1 else int(np.ceil(test_size * len(known)))
    fits = min(n_test, len(known) - n_test) >= len(counts) and counts.min() > 1
    pool, test = train_test_split(
        known,
        test_size=test_size,
        stratify=y[known] if fits else None,
        random_state=derived_seed(seed, Purpose.SPLIT),
    )
    return np.sort(pool), np.sort(test)


def first_rows(
    y: NDArray[Any], pool: Rows, n_initial: int, initial: str, seed: int
) -> Rows:
    """Return the rows that are labelled first.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        All labels.
    pool : ndarray of shape (n_pool,)
        Rows that can be queried.
    n_initial : int
        How many to label; all, if there are fewer.
    initial : {"stratified", "random"}
        "stratified" goes through the classes in turn, in random order.
    seed : int
        Seed of the simulation.
    """
    rng = np.random.default_rng(derived_seed(seed, Purpose.START))
    rows = rng.permutation(pool)
    if initial == "stratified":
        turn = np.zeros(len(rows), dtype=int)
        for label in np.unique(y[pool]):
            of_class = y[rows] == label
            turn[of_class] = np.arange(of_class.sum())
        rows = rows[np.argsort(turn, kind="stable")]
    return rows[:n_initial]
