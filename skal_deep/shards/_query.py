"""Query a pool in many files."""

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_parameter_constraints
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._inside import is_regressor
from skal_deep.pool import EPIG, Badge, CoreSet, MaxHerding, ScoreQueryStrategy, TopK
from skal_deep.pool._checks import as_batch_size
from skal_deep.shards._files import Part, Shards, Source, as_rows
from skal_deep.shards._gradients import seed_over_shards
from skal_deep.shards._herding import herd_over_shards
from skal_deep.shards._k_center import farthest_over_shards
from skal_deep.shards._look import Look, check_centers
from skal_deep.shards._scores import best_by_score, check_rule
from skal_deep.shards._tasks import map_parts


@dataclass(frozen=True)
class ShardPicks:
    """What a query over shards returns; print it to see how good the picks are.

    Use :func:`query_shards` to get one.

    Attributes
    ----------
    rows : ndarray of shape (batch_size,)
        Numbers of the picked rows, counted through all shards.
    shards : ndarray of shape (batch_size,)
        The shard of each.
    positions : ndarray of shape (batch_size,)
        Its position in there.
    utilities : ndarray of shape (batch_size,)
        What decided each pick: its score; the probability of its draw; its distance to
        all picks before (core-set; NaN where there were none), squared for Badge; or
        the coverage that it adds (MaxHerding).
    certificate : dict
        How good the picks are together, and how good any could be. Empty for scores,
        which are exact.

    See Also
    --------
    query_shards : Returns it.
    read_rows : Reads the picked rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import CoreSet
    >>> from skal_deep.shards import query_shards
    >>> shards = [np.array([[0.0], [1.0]]), np.array([[8.0], [9.0]])]
    >>> print(query_shards(CoreSet(), shards, batch_size=2, labeled=[0]))
    2 rows of 2 shards
    radius: 1
    least possible radius: 0.5
    at most times the best: 2
    """

    rows: NDArray[np.int64]
    shards: NDArray[np.int64]
    positions: NDArray[np.int64]
    utilities: NDArray[np.float64]
    certificate: dict[str, float]

    def __str__(self) -> str:
        lines = [f"{len(self.rows)} rows of {len(set(self.shards.tolist()))} shards"]
        return "\n".join(lines + [f"{k}: {v:.4g}" for k, v in self.certificate.items()])


@plain_torch()
def query_shards(
    strategy: Any,
    shards: Sequence[Source],
    batch_size: int = 1,
    *,
    clf: Any = None,
    labeled: ArrayLike = (),
    columns: Sequence[str] | None = None,
    part_bytes: int = 2**27,
    n_jobs: int | None = None,
) -> ShardPicks:
    """Choose rows of a pool that lies in many files.

    Use it for pools that are larger than memory, or spread over machines; where the
    pool fits into memory, ``strategy.query`` does more. Each shard is read in parts. A
    part is a task, and joblib decides where tasks run: in this process, in others
    (``n_jobs``), or on a dask cluster (``joblib.parallel_config(backend="dask")``). A
    task returns a few rows, never a part. If a process is killed, its tasks are started
    again.

    - Strategies that score each row by itself, such as :class:`BALD` or
      :class:`MarginSampling`, with ``TopK``, ``Power`` or ``Softmax``: exact. Noise
      belongs to a row, so that picks do not depend on how rows are spread over shards.
    - :class:`CoreSet`: the farthest of each part, then the farthest of these [1]_. A
      certificate says how much smaller the radius of another batch could be.
    - :class:`MaxHerding`: the best of each part, then of these [2]_, to cover 2,000
      rows, drawn uniformly, among up to 2,000 rows of each part. A certificate says how
      much of them any batch could cover.
    - :class:`Badge`: k-means|| on gradients [3]_, in four rounds, and k-means++ among
      the candidates. That is close to Badge's law, not the same.

    Parameters
    ----------
    strategy : object
        One of those above. Its ``random_state`` decides all draws.
    shards : sequence of str, Path or ndarray
        Files ``.npy``, which are mapped, and ``.parquet``, and arrays. Rows are
        numbered through all of them, in this order. They are inputs of the classifier,
        of any shape, or embeddings with ``clf=None``.
    batch_size : int, default=1
        Number of rows to pick.
    clf : object, default=None
        A fitted classifier, which every task gets; ``None`` where the strategy works on
        inputs.
    labeled : array-like of int, default=()
        Numbers of the rows that have labels. They are not picked; for core-set and
        herding they are centres.
    columns : sequence of str, optional
        Columns of Parquet files, by name, so that their order in a file does not
        matter; ``None`` are all, which must be the same ones in each file. A single
        column may hold lists.
    part_bytes : int, default=2**27
        Size of a part in bytes, 128 MiB. A process takes about three times as much, and
        what the classifier takes for its answers.
    n_jobs : int, optional
        Number of processes, as in joblib.

    Returns
    -------
    ShardPicks
        The rows, and how good they are.

    See Also
    --------
    read_rows : Reads rows by their numbers.
    skal_deep.pool.CoreSet : The same on one machine.

    References
    ----------
    .. [1] G. Malkomes, M. Kusner, W. Chen, K. Weinberger, B. Moseley. Fast Distributed
       k-Center Clustering with Outliers on Massive Data. NeurIPS, 2015.
    .. [2] B. Mirzasoleiman, A. Karbasi, R. Sarkar, A. Krause. Distributed Submodular
       Maximization: Identifying Representative Elements in Massive Data. NeurIPS, 2013.
    .. [3] B. Bahmani, B. Moseley, A. Vattani, R. Kumar, S. Vassilvitskii. Scalable
       K-Means++. VLDB, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling
    >>> from skal_deep.shards import query_shards, read_rows
    >>> clf = LogisticRegression().fit([[-2.0], [2.0]], [0, 1])
    >>> shards = [np.array([[-3.0], [0.1]]), np.array([[1.0], [-0.2], [4.0]])]
    >>> picks = query_shards(MarginSampling(), shards, batch_size=2, clf=clf)
    >>> picks.rows
    array([1, 3])
    >>> read_rows(shards, picks.rows)
    array([[ 0.1],
           [-0.2]])
    """
    name = type(strategy).__name__
    if not isinstance(strategy, ScoreQueryStrategy | CoreSet | MaxHerding | Badge):
        raise TypeError(
            f"{name} looks at the pool as a whole, in a way that has no form over "
            "shards. Take a strategy that scores each row by itself, CoreSet, "
            "MaxHerding or Badge; or pick candidates by one of these, read_rows, and "
            "query among them."
        )
    if is_regressor(clf):
        raise TypeError(
            f"{type(clf).__name__} is a regressor, and queries over shards ask "
            "classifiers. Take CoreSet or MaxHerding with clf=None; or "
            "read_rows of some candidates, and query among these with `reg`."
        )
    validate_parameter_constraints(
        strategy._parameter_constraints, strategy.get_params(deep=False), name
    )
    pool = Shards(shards, columns)
    batch_size = as_batch_size(batch_size)
    known = np.unique(as_rows(labeled, len(pool), "labeled"))
    n_open = len(pool) - len(known)
    if not 1 <= batch_size <= n_open:
        raise ValueError(
            f"batch_size={batch_size} must lie in 1 ... {n_open}, the number of rows "
            "of the shards that are not labelled."
        )
    if not isinstance(part_bytes, Integral) or part_bytes < 1:
        raise ValueError(f"part_bytes must be an integer from 1 on, not {part_bytes}.")
    strategy = copy.copy(strategy)
    if isinstance(strategy, EPIG):  # an estimate would depend on the part
        strategy.n_exact = sys.maxsize
    look = Look(strategy, clf, as_seed(strategy.random_state))
    parts = pool.parts(part_bytes)
    if isinstance(strategy, ScoreQueryStrategy):
        rule = TopK() if strategy.selection is None else strategy.selection
        check_rule(rule)
        found = best_by_score(parts, look, rule, batch_size, known, n_jobs)
    elif isinstance(strategy, Badge):
        found = seed_over_shards(parts, look, strategy, batch_size, known, n_jobs)
    else:
        select = farthest_over_shards
        if isinstance(strategy, MaxHerding):
            select = herd_over_shards
        centers = _embeddings_of(parts, look, known, n_jobs)
        found = select(parts, look, centers, batch_size, known, n_jobs)
    rows, utilities, certificate = found
    return ShardPicks(rows, *pool.locate(rows), utilities, certificate)


def _embeddings_of(
    parts: list[Part], look: Look, rows: NDArray[np.int64], n_jobs: int | None
) -> Tensor | None:
    """Return the scaled embeddings of some rows, ``None`` of none."""
    if not len(rows):
        return None
    holding = [
        part
        for part in parts
        if np.any((rows >= part.offset) & (rows < part.offset + len(part)))
    ]
    return torch.cat(map_parts(_some_of_part, holding, n_jobs, look, rows))


def _some_of_part(part: Part, look: Look, rows: NDArray[np.int64]) -> Tensor:
    embedding_LD = look.embeddings(part)[torch.as_tensor(np.isin(part.ids, rows))]
    embedding_LD = look.scaled(embedding_LD)
    check_centers(embedding_LD)
    return embedding_LD
