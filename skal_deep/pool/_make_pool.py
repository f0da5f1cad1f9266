"""The way from what a query is given to its Pool: in which order rows are looked at."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skal_deep.classifier import as_model
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.modules import isolated_rng
from skal_deep.pool._history import History
from skal_deep.pool._pool import Pool
from skal_deep.pool._rows import Rows
from skal_deep.rows._contents import equal_rows
from skal_deep.rows._data import n_rows, take
from skal_deep.rows._order import canonical_order, random_order


def make_pool(
    X: Any,
    y: NDArray[Any],
    has_label: NDArray[np.bool_],
    candidates: Any,
    clf: Any,
    seed: int,
    *,
    given: tuple[Any, Any],
    is_foreign: bool,
    missing_label: Any,
    sample_weight: NDArray[Any] | None,
    with_utilities: bool,
    cost: NDArray[np.float64] | None,
    history: History,
) -> tuple[Pool, NDArray[np.intp]]:
    """Return the pool of a query and which rows its candidates are.

    Parameters
    ----------
    X : object
        All inputs, as the model sees them.
    y : ndarray of shape (n_samples,)
        Their labels.
    has_label : ndarray of shape (n_samples,)
        Which of these are labels, and no ``missing_label``.
    candidates : object
        Rows of X, inputs of the same kind, or ``None`` for all unlabelled rows.
    clf : object
        The fitted model, or ``None``.
    seed : int
        Seed of orders, draws and picks.
    given : tuple of two objects
        X and candidates whose contents decide the order.
    is_foreign : bool
        Whether the candidates are inputs.
    missing_label : object
        Marks rows without a label.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    with_utilities : bool
        Whether the caller asks for utilities.
    cost : ndarray or None
        What each label costs.
    history : History
        The data as they were given, and the batches of earlier queries.
    """
    model = as_model(clf)
    own, foreign = given
    labeled = canonical_order(own, np.flatnonzero(has_label), y, sample_weight)
    shuffle = derived_seed(seed, 0)
    unlabeled = random_order(own, np.flatnonzero(~has_label), shuffle)
    data, rows = candidates if is_foreign else X, unlabeled
    if is_foreign:
        rows = random_order(foreign, np.arange(n_rows(data)), shuffle)
    elif candidates is not None:
        rows = random_order(own, np.sort(candidates), shuffle)
    weight = None if sample_weight is None else sample_weight[labeled]

    def without(hidden: NDArray[np.intp]) -> Any:
        y_known = y[labeled]
        y_known[hidden] = missing_label
        with isolated_rng(derived_seed(seed, 3)), torch.enable_grad():
            return fit_on_labeled(clf, take(X, labeled), y_known, missing_label, weight)

    pool = Pool(
        data,
        rows,
        model,
        seed,
        labeled=Rows(X, labeled, model, seed),
        y_labeled=y[labeled],
        unlabeled=Rows(X, unlabeled, model, seed),
        is_foreign=is_foreign,
        is_all=_same_rows(data, rows, X, unlabeled),
        without=without,
        generator=torch.Generator().manual_seed(seed),
        with_utilities=with_utilities,
        cost=None if cost is None else cost[rows],
        sample_weight=sample_weight,
        history=history,
    )
    return pool, rows


def _same_rows(
    data: Any, rows: NDArray[np.intp], other: Any, other_rows: NDArray[np.intp]
) -> bool:
    """Return whether rows of two inputs, both in one random order, hold the same."""
    if data is other:
        return rows is other_rows or np.array_equal(rows, other_rows)
    return len(rows) == len(other_rows) and all(
        equal_rows(
            take(data, rows[at : at + 1024]), take(other, other_rows[at : at + 1024])
        )
        for at in range(0, len(rows), 1024)
    )
