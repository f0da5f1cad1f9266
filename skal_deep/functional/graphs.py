"""Sparse graphs of nearest neighbours, and what flows along their edges."""

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import check_counts
from skal_deep.functional._chunks import slices
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import (
    grouped_neighbors,
    nearest_neighbors,
    unit_rows,
)

# Groups in which a graph of angles seeks neighbours.
_N_PROBED = 6
# Residual of the conjugate gradients, relative to the right-hand side.
_TOLERANCE = 1e-8
# The same in large graphs, whose edges wait for memory: in single precision.
_COARSE_TOLERANCE = 1e-4
# What reaches a row is told from nothing if it is so many times the residual.
_N_RESIDUALS = 10
# Edges of a part of the rows: with fewer, threads would wait for each other.
_EDGES_OF_A_PART = 2**19
# Where scipy's matrices are.
_PROCESSOR = torch.device("cpu")


@plain_torch()
def cosine_graph(
    embeddings: Tensor, n_neighbors: int, *, max_exact: int = 30_000
) -> csr_array:
    """Return a symmetric graph of cubed cosines, normalised by degrees.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    n_neighbors : int
        Number of neighbours k that each row looks for, at most N - 1 are.
    max_exact : int, default=30_000
        Up to that many rows all distances are looked at, N^2 D operations; of more,
        those to six groups around: :func:`grouped_neighbors`. Of the 51 nearest of
        100,000 rows, six found 86 % in 100 wide clusters of 768 dimensions (eight 87),
        97 % in 50 clusters of 8 dimensions among 64 (99), and 11 % of a Gaussian of 64
        dimensions (12).

    Returns
    -------
    csr_array of shape (N, N)
        ``deg^-1/2 (W + W^T) deg^-1/2``, with ``W_ij = max(0, cos)^3`` for the k
        neighbours j of i. Eigenvalues lie between -1 and 1. Rows of zeros have no
        direction: they are nobody's neighbours.

    See Also
    --------
    random_walk : A graph by distances.
    propagate_labels : Chooses along a graph.

    References
    ----------
    A. Iscen, G. Tolias, Y. Avrithis, O. Chum. Label Propagation for Deep
    Semi-Supervised Learning. CVPR, 2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import cosine_graph
    >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> cosine_graph(embeddings, 1).toarray().round(2)
    array([[0.  , 1.  , 0.  ],
           [1.  , 0.  , 0.02],
           [0.  , 0.02, 0.  ]])
    """
    check_counts(n_neighbors=n_neighbors)
    check_counts(least=0, max_exact=max_exact)
    n, with_direction = len(embeddings), embeddings.any(-1).nonzero()[:, 0]
    if not len(with_direction):
        return csr_array((n, n))
    if len(with_direction) < n:
        embeddings = embeddings[with_direction]
    directions = unit_rows(embeddings)
    weights = _as_graph(*_cubed_cosines(directions, n_neighbors, max_exact))
    weights = weights + weights.T
    if len(with_direction) < n:
        weights = _spread(weights, with_direction, n)
    weights.sort_indices()  # sums along edges are taken in that order
    _scale(weights, _inverse(np.sqrt(weights.sum(axis=1))))
    return weights


def _scale(graph: csr_array, scale_N: NDArray[np.float64]) -> None:
    """Multiply each edge by the numbers of both its ends."""

    def work_on(part: slice) -> None:
        start_n = graph.indptr[part.start : part.stop + 1]
        weight_E = graph.data[start_n[0] : start_n[-1]]
        weight_E *= scale_N[part].repeat(np.diff(start_n))
        weight_E *= scale_N[graph.indices[start_n[0] : start_n[-1]]]

    for_each_part(_row_parts(graph), lambda: work_on, _PROCESSOR)


def _row_parts(graph: csr_array) -> list[slice]:
    """Return slices of rows with about as many edges each."""
    n = graph.shape[0]
    return list(slices(n, max(1, _EDGES_OF_A_PART * n // max(1, graph.nnz))))


def _cubed_cosines(
    directions: Tensor, n_neighbors: int, max_exact: int
) -> tuple[Tensor, Tensor]:
    """Return cubes of the cosines of the nearest other rows, and which these are."""
    distance_Nk, neighbor_Nk = _others(directions, n_neighbors, max_exact)
    return (1 - distance_Nk.square() / 2).clamp_min(0) ** 3, neighbor_Nk


@plain_torch()
def random_walk(
    embeddings: Tensor, n_neighbors: int, *, max_exact: int = 30_000
) -> csr_array:
    """Return the transition probabilities of a walk among neighbours.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Rows.
    n_neighbors : int
        Number of neighbours k that each row looks for, at most N - 1 are.
    max_exact : int, default=30_000
        Up to that many rows all distances are looked at, N^2 D operations; of more,
        those to six groups around, as in :func:`cosine_graph`.

    Returns
    -------
    csr_array of shape (N, N)
        Rows sum to 1, a row that is alone to 0. Proportional to
        ``exp(-d_ij^2 / (s_i s_j))`` where i is among the k neighbours of j or j among
        those of i, with s_i the distance of i to its k-th neighbour.

    See Also
    --------
    cosine_graph : A graph by angles.
    diffusion_scores : Spreads signals along it.

    References
    ----------
    L. Zelnik-Manor, P. Perona. Self-Tuning Spectral Clustering. NeurIPS, 2004.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import random_walk
    >>> embeddings = torch.tensor([[0.0], [1.0], [5.0]])
    >>> random_walk(embeddings, 1).toarray().round(2)
    array([[0.  , 1.  , 0.  ],
           [0.95, 0.  , 0.05],
           [0.  , 1.  , 0.  ]])
    """
    check_counts(n_neighbors=n_neighbors)
    check_counts(least=0, max_exact=max_exact)
    distance_Nk, neighbor_Nk = _others(embeddings, n_neighbors, max_exact)
    if not distance_Nk.shape[1]:
        return csr_array((len(embeddings), len(embeddings)))
    width_N = distance_Nk[:, -1]
    exponent_Nk = distance_Nk.square() / (width_N[:, None] * width_N[neighbor_Nk])
    # copies have d = 0, and s = 0 where they are many: their weight is 1
    exponent_Nk = exponent_Nk.nan_to_num(0.0).double()
    # with 1 added, an exponent of 0 is told from an edge that is not there
    walk = _as_graph(1 + exponent_Nk, neighbor_Nk)
    walk = walk.maximum(walk.T)
    # relative to the largest weight of a row: those of outliers would all be 0
    least_N = np.minimum.reduceat(walk.data, walk.indptr[:-1])
    walk.data = np.exp(least_N.repeat(np.diff(walk.indptr)) - walk.data)
    return csr_array(diags_array(1 / walk.sum(axis=1)) @ walk)


def diffuse(graph: csr_array, signs: Tensor, n_steps: int | None = None) -> Tensor:
    """Return how strongly labelled rows speak for each class, at every row.

    Signals start at 0, and are held at the signs of labelled rows. In each step a row
    takes the mean of its neighbours, weighed by transition probabilities. After many
    steps they are harmonic; after few, what is far from labels is still at 0.

    Parameters
    ----------
    graph : csr_array of shape (N, N)
        Transition probabilities.
    signs : Tensor of shape (N, C)
        1 for the class of a labelled row, -1 for its other classes, and 0 in rows
        without label.
    n_steps : int, optional
        Number of steps; ``None`` goes on until no new row is reached.

    Returns
    -------
    signals : Tensor of shape (N, C)
        Between -1 and 1.

    References
    ----------
    D. Kushnir, L. Venturi. Diffusion-Based Deep Active Learning. arXiv:2003.10339,
    2020.
    """
    return _diffuse_and_reach(graph, signs, n_steps)[0]


def _diffuse_and_reach(
    graph: csr_array, signs: Tensor, n_steps: int | None
) -> tuple[Tensor, NDArray[np.bool_]]:
    """Return the signals, and which rows they have reached."""
    held_NC = signs.double().numpy(force=True)
    is_labeled = (held_NC != 0).any(axis=1)
    signal_NC, is_reached = held_NC, is_labeled
    step = 0
    while n_steps is None or step < n_steps:
        signal_NC = np.where(is_labeled[:, None], held_NC, graph @ signal_NC)
        was_reached, step = is_reached, step + 1
        is_reached = was_reached | (graph @ was_reached.astype(float) > 0)
        if n_steps is None and (is_reached == was_reached).all():
            break
    return torch.as_tensor(signal_NC).to(signs), is_reached


@plain_torch()
def diffusion_scores(
    graph: csr_array, signs: Tensor, n_steps: int | None = None
) -> Tensor:
    """Return minus the strongest signal at each row; 1 where no label has come.

    With many classes all signals may be negative where labels contradict each other,
    down to -1, so that a row without any signal is not the weakest by its number.

    Parameters
    ----------
    graph : csr_array of shape (N, N)
        Transition probabilities.
    signs : Tensor of shape (N, C)
        1 for the class of a labelled row, -1 for its other classes, and 0 in rows
        without label.
    n_steps : int, optional
        Number of steps; ``None`` goes on until no new row is reached.

    Returns
    -------
    Tensor of shape (N,)
        Below 1 for rows that are reached.

    See Also
    --------
    random_walk : Makes the graph.
    skal_deep.pool.DiffusionAL : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import diffusion_scores, random_walk
    >>> graph = random_walk(torch.tensor([[0.0], [1.0], [3.0]]), 1)
    >>> signs = torch.tensor([[1.0, -1.0], [0.0, 0.0], [0.0, 0.0]])
    >>> diffusion_scores(graph, signs, n_steps=2)
    tensor([-1.0000, -0.7311, -0.7311])
    """
    check_counts(n_steps=1 if n_steps is None else n_steps)
    signals, is_reached = _diffuse_and_reach(graph, signs, n_steps)
    reached = torch.as_tensor(is_reached).to(signs.device)
    return torch.where(reached, -signals.amax(-1), 1.0)


@plain_torch()
def propagate_labels(
    graph: csr_array,
    labeled: Tensor,
    candidates: Tensor,
    batch_size: int,
    *,
    alpha: float = 0.99,
    max_exact: int = 30_000,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the row that labelled rows reach least, again and again.

    What reaches the rows is ``f = (I - alpha S)^-1 q`` for the normalised graph S, with
    q = 1 at labelled rows and picks. A pick adds one such solution, which conjugate
    gradients find in ``O(N k)`` operations an iteration.

    Parameters
    ----------
    graph : csr_array of shape (N, N)
        Symmetric, with eigenvalues between -1 and 1.
    labeled : Tensor of shape (M,)
        Labelled rows. With none, the first pick is the candidate that all rows
        together reach most.
    candidates : Tensor of shape (n,)
        Rows that may be picked.
    batch_size : int
        Number of picks b.
    alpha : float, default=0.99
        Below 1; large ones reach far.
    max_exact : int, default=30_000
        Up to that many rows, solutions have residuals of 1e-8 of q. In larger graphs
        these are 1e-4, in float32, unless labels hardly reach some candidate: for a
        quarter of the time. Of 100,000 rows in 100 clusters with 1,000 labels, 20 picks
        were the same, and what reaches a row was off by at most 0.06 %.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order, as positions in ``candidates``; the lowest wins a tie.
    utilities : Tensor of shape (b, n)
        Row t holds minus f before pick t, 0 at earlier picks. Without labelled rows,
        row 0 holds f for q = 1 everywhere.

    See Also
    --------
    spread_labels : What reaches the rows.
    skal_deep.pool.JointLabelPropagation : The strategy.

    References
    ----------
    O. Siméoni, M. Budnik, Y. Avrithis, G. Gravier. Rethinking Deep Active Learning:
    Using Unlabeled Data at Model Training. ICPR, 2020.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import cosine_graph, propagate_labels
    >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.1, 1.0]])
    >>> graph = cosine_graph(embeddings, 2)
    >>> labeled, candidates = torch.tensor([0]), torch.tensor([1, 2])
    >>> indices, _ = propagate_labels(graph, labeled, candidates, 1)
    >>> candidates[indices]
    tensor([2])
    """
    check_counts(least=0, max_exact=max_exact)
    with threads_over_parts(_PROCESSOR):
        return _propagate_labels(
            graph, labeled, candidates, batch_size, alpha, max_exact, with_utilities
        )


def _propagate_labels(
    graph: csr_array,
    labeled: Tensor,
    candidates: Tensor,
    batch_size: int,
    alpha: float,
    max_exact: int,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    picks = Picks(candidates.double(), batch_size, with_utilities)
    n = graph.shape[0]
    system = _System(graph, alpha)
    rows_n = candidates.numpy(force=True)
    reach_N, tolerance = np.zeros(n), _TOLERANCE
    if len(labeled):
        sources = labeled.numpy(force=True)
        is_coarse = n > max_exact
        if is_coarse:
            coarse = _System(graph, alpha, np.float32)
            reach_N = _reached_from(sources, coarse, _COARSE_TOLERANCE)
            # picks add to what reaches a row, so that the first is the least
            residual = _COARSE_TOLERANCE * (math.sqrt(len(sources)) + batch_size)
            is_coarse = reach_N[rows_n].min() > _N_RESIDUALS * residual
        if is_coarse:
            system, tolerance = coarse, _COARSE_TOLERANCE
        else:
            reach_N = _reached_from(sources, system, tolerance)
    for step in range(batch_size):
        utility_N = -reach_N
        if step == 0 and not len(labeled):
            utility_N = _reached_from(np.arange(n), system, tolerance)
        utility_n = torch.as_tensor(utility_N[rows_n], device=candidates.device)
        pick = picks.take(utility_n)
        if step + 1 < batch_size:
            reach_N += _reached_from(rows_n[pick : pick + 1], system, tolerance)
    return picks.answer()


class _System(LinearOperator):
    """The matrix I - alpha S of a graph S, without memory of its own for its edges."""

    def __init__(self, graph: csr_array, alpha: float, dtype: DTypeLike = np.float64):
        super().__init__(dtype, graph.shape)
        self._alpha = self.dtype.type(alpha)
        edges = graph.data.astype(dtype, copy=False), graph.indices, graph.indptr
        self._graph = csr_array(edges, shape=graph.shape)
        self._parts = _row_parts(graph)

    def _matvec(self, x: NDArray[Any]) -> NDArray[Any]:
        graph, product = self._graph, np.empty_like(x)
        if not are_compiled():
            np.subtract(x, self._alpha * (graph @ x), out=product)
            return product
        from skal_deep.functional import _loops

        def work_on(part: slice) -> None:
            _loops.flow_out(
                graph.data,
                graph.indices,
                graph.indptr,
                x,
                self._alpha,
                part.start,
                part.stop,
                product,
            )

        for_each_part(self._parts, lambda: work_on, _PROCESSOR)
        return product


def _reached_from(
    rows: NDArray[np.intp], system: _System, tolerance: float
) -> NDArray[np.float64]:
    """Return what reaches all rows from some, (N,)."""
    source = np.zeros(system.shape[0], dtype=system.dtype)
    source[rows] = 1
    solution, _ = cg(system, source, rtol=tolerance)
    reach_N: NDArray[np.float64] = solution.astype(np.float64, copy=False)
    return reach_N


def _others(
    embeddings: Tensor, n_neighbors: int, max_exact: int
) -> tuple[Tensor, Tensor]:
    """Return distances to the nearest other rows and their positions, (N, k)."""
    n = len(embeddings)
    k = min(n_neighbors, n - 1)
    find = nearest_neighbors
    if n > max_exact:
        find = partial(grouped_neighbors, n_probed=_N_PROBED)
    distance, position = find(embeddings, embeddings, k + 1)
    is_own_NK = position == torch.arange(n, device=position.device)[:, None]
    # the last is left out where copies came before the row itself, and it is nowhere
    is_behind_Nk = is_own_NK.cumsum(1)[:, :-1] > 0
    distance_Nk, position_Nk = (
        torch.where(is_behind_Nk, found[:, 1:], found[:, :-1])
        for found in (distance, position)
    )
    return distance_Nk, position_Nk


def _as_graph(weight_Nk: Tensor, neighbor_Nk: Tensor) -> csr_array:
    """Return a sparse matrix with the weights at the neighbours."""
    n, k = weight_Nk.shape
    # what flows along the edges waits for memory: half as many bytes in short numbers
    is_short = n * k <= np.iinfo(np.int32).max
    neighbor_Nk = neighbor_Nk.int() if is_short else neighbor_Nk
    entries = [a.flatten().numpy(force=True) for a in (weight_Nk.double(), neighbor_Nk)]
    starts = np.arange(n + 1, dtype=entries[1].dtype) * k
    return csr_array((*entries, starts), shape=(n, n))


def _spread(graph: csr_array, rows: Tensor, n: int) -> csr_array:
    """Return a graph of n rows whose edges are those of a graph of some rows."""
    place = rows.numpy(force=True)
    edges = graph.tocoo()
    coordinates = place[edges.row], place[edges.col]
    return csr_array((edges.data, coordinates), shape=(n, n))


def _inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one over each value, 0 for 0."""
    inverses = np.zeros_like(values)
    np.divide(1, values, out=inverses, where=values > 0)
    return inverses
