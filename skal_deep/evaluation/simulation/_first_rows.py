"""Which rows are set aside for scores, and which are labelled first."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from skal_deep.classifier._base import derived_seed
from skal_deep.evaluation.simulation._streams import Purpose
from skal_deep.rows._data import take
from skal_deep.rows._lent import lent

Rows = NDArray[np.intp]


def set_aside(
    y: NDArray[Any],
    known: Rows,
    test_size: float | int | None,
    seed: int,
    *,
    by_class: bool = True,
) -> tuple[Rows, Rows]:
    """Return the rows that can be queried, and those that are set aside for scores.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        All labels.
    known : ndarray of shape (n_known,)
        Rows whose label is known.
    test_size : float, int or None
        As in ``train_test_split``; ``None`` sets no row aside.
    seed : int
        Seed of the simulation.
    by_class : bool, default=True
        Whether each class gives its share.
    """
    if test_size is None:
        return known, known[:0]
    fits = False
    if by_class:
        counts = np.unique(y[known], return_counts=True)[1]
        n_test = test_size if test_size >= 1 else int(np.ceil(test_size * len(known)))
        # train_test_split cannot stratify with fewer test or training rows than
        # classes, or a class of a single row.
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
        # Each row gets its number within its class. Sorted by that number, the first of
        # each class come first, then the second, and so on.
        turn = np.zeros(len(rows), dtype=int)
        for label in np.unique(y[pool]):
            of_class = y[rows] == label
            turn[of_class] = np.arange(of_class.sum())
        rows = rows[np.argsort(turn, kind="stable")]
    return rows[:n_initial]


def seen_vectors(estimator: Any, X: Any, rows: Rows) -> Any:
    """Return some rows as vectors, as the last step of a Pipeline sees them.

    ``None`` where they are no numbers, or where earlier steps want targets.
    """
    X = take(X, rows)
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        try:
            X = clone(estimator[:-1]).fit_transform(lent(X))
        except (TypeError, ValueError):
            return None
    if issparse(X):
        return X
    try:
        vectors = np.asarray(X, dtype=float).reshape(len(rows), -1)
    except (TypeError, ValueError):
        return None
    return vectors if np.isfinite(vectors).all() else None


def spread_rows(rows: Any, pool: Rows, n_initial: int, seed: int) -> Rows:
    """Return rows to label first that lie all over the inputs, for a regression.

    They are nearest to the centres of k-means, and read no target.

    Parameters
    ----------
    rows : ndarray or sparse matrix of shape (n_pool, n_features), or None
        Inputs of the pool; of what is no numbers, rows are drawn at random.
    pool : ndarray of shape (n_pool,)
        Rows that can be queried.
    n_initial : int
        How many to label; all, if there are fewer.
    seed : int
        Seed of the simulation.
    """
    if len(pool) <= n_initial:
        return pool
    state = derived_seed(seed, Purpose.START)
    if rows is None:
        return np.random.default_rng(state).permutation(pool)[:n_initial]
    with warnings.catch_warnings():
        # of copies there are fewer places than centres
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(n_initial, n_init=1, random_state=state).fit(rows)
    distances = means.transform(rows)
    picks: list[int] = []
    for of_center in distances.T:
        of_center[picks] = np.inf
        picks.append(int(of_center.argmin()))
    return pool[picks]
