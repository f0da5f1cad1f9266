"""What was picked, in numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

_N_TYPICAL = 500  # rows whose distances say what is usual

Picks = Sequence[Sequence[NDArray[np.intp]]]


def class_counts(picks: Picks, y: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many rows of each class were labelled for each stage.

    Parameters
    ----------
    picks : sequence of sequence of ndarray
        Rows labelled, by repeat and stage.
    y : ndarray of shape (n_samples,)
        Labels of all rows.

    Returns
    -------
    counts : ndarray of shape (n_stages, n_classes)
        Means over the repeats; classes are in sorted order.
    """
    codes = np.unique(y, return_inverse=True)[1]
    n_classes = int(codes.max()) + 1
    counts = [
        [np.bincount(codes[rows], minlength=n_classes) for rows in stages]
        for stages in picks
    ]
    return np.mean(counts, axis=0)


def usual_distance(rows_ND: NDArray[Any], rng: np.random.Generator) -> float:
    """Return the median distance of a row to the row nearest to it.

    Parameters
    ----------
    rows_ND : ndarray of shape (n_samples, n_features)
        All rows.
    rng : numpy.random.Generator
        Draws the 500 rows of which the median is taken.
    """
    some = rng.permutation(len(rows_ND))[:_N_TYPICAL]
    near = NearestNeighbors(n_neighbors=2).fit(rows_ND)
    return float(np.median(near.kneighbors(rows_ND[some])[0][:, 1]))


def near_duplicates(rows_ND: NDArray[Any], picks: Picks, radius: float) -> float:
    """Return the share of picks that lie close to another pick of the same repeat.

    Parameters
    ----------
    rows_ND : ndarray of shape (n_samples, n_features)
        All rows.
    picks : sequence of sequence of ndarray
        Rows labelled, by repeat and stage; the start does not count.
    radius : float
        Largest distance that counts as close, see :func:`usual_distance`.
    """
    return float(np.mean([_share(rows_ND, stages[1:], radius) for stages in picks]))


def _share(
    rows_ND: NDArray[Any], stages: Sequence[NDArray[np.intp]], radius: float
) -> float:
    picked = np.concatenate([[], *stages]).astype(np.intp)
    if len(picked) < 2:
        return 0.0
    near = NearestNeighbors(n_neighbors=2).fit(rows_ND[picked])
    return float(np.mean(near.kneighbors(rows_ND[picked])[0][:, 1] < radius))
