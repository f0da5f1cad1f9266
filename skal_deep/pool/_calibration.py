"""Temperatures from labels that are hidden from a clone of the classifier."""

import numpy as np
import torch
from numpy.typing import NDArray

from skal_deep.functional import fit_temperature
from skal_deep.pool._pool import Pool

# One in three labels of a class is hidden to measure the temperature.
_HIDDEN_SHARE = 1 / 3


def calibrated_temperature(pool: Pool) -> float:
    """Return the temperature that makes hidden labels most probable.

    A clone of the classifier is fitted without a third of the labels of each class,
    and asked for them. Classes with a single label hide none; if all are such, the
    temperature is 1.

    Parameters
    ----------
    pool : Pool
        What the query may look at.
    """
    hidden = _to_hide(pool.y_labeled, pool.generator)
    return fit_temperature(*pool.held_out(hidden)) if len(hidden) else 1.0


def _to_hide(y: NDArray[np.generic], generator: torch.Generator) -> NDArray[np.intp]:
    """Return positions of labels to hide, never the last of a class."""
    classes, columns = np.unique(y, return_inverse=True)
    hidden = [
        rows[torch.randperm(len(rows), generator=generator).numpy()][: _n_hidden(rows)]
        for rows in (np.flatnonzero(columns == c) for c in range(len(classes)))
    ]
    return np.concatenate(hidden) if hidden else np.arange(0)


def _n_hidden(rows: NDArray[np.intp]) -> int:
    return max(1, int(len(rows) * _HIDDEN_SHARE)) if len(rows) > 1 else 0
