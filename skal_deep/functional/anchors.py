"""The rows near anchors of each class: a small, more balanced part of a pool."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import (
    check_counts,
    check_finite,
    own_generator,
)

_CHUNK = 2**24  # similarities at a time


@plain_torch()
def class_anchors(
    embeddings: Tensor,
    codes: Tensor,
    n_anchors: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return labelled rows that spread over each class, as many a class or all.

    The first of a class is drawn evenly, each next one with probability proportional to
    one minus its highest cosine similarity to those before, as k-means++ does it.

    Parameters
    ----------
    embeddings : Tensor of shape (L, D)
        Of the labelled rows.
    codes : Tensor of shape (L,)
        Their classes as whole numbers.
    n_anchors : int
        Anchors of a class.
    generator : torch.Generator, optional
        Source of randomness, on the CPU; ``None`` is a fresh one.

    Returns
    -------
    Tensor of shape (A,)
        Positions, a class after the other.

    See Also
    --------
    near_anchors : Finds rows like them.
    skal_deep.pool.AnchorAL : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import class_anchors
    >>> embeddings = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.1, 1.0]])
    >>> class_anchors(embeddings, torch.tensor([0, 1, 1]), 1).shape
    torch.Size([2])
    """
    check_counts(n_anchors=n_anchors)
    check_finite(embeddings=embeddings)
    generator = own_generator(generator)
    unit_LD = normalize(embeddings.double().cpu(), dim=1)
    chosen = []
    for code in codes.unique().tolist():
        rows = torch.nonzero(codes == code)[:, 0].cpu()
        if len(rows) <= n_anchors:
            chosen.append(rows)
            continue
        weight = torch.ones(len(rows), dtype=torch.float64)
        far = torch.full_like(weight, torch.inf)
        picks: list[int] = []
        for _ in range(n_anchors):
            pick = int(torch.multinomial(weight, 1, generator=generator))
            picks.append(pick)
            similar = unit_LD[rows] @ unit_LD[rows[pick]]
            far = torch.minimum(far, (1 - similar).clamp_min(0))
            far[pick] = 0
            weight = far if bool(far.sum() > 0) else torch.ones_like(far)
            weight[picks] = 0  # no row twice, not even among copies
        chosen.append(rows[picks])
    positions = torch.cat(chosen) if chosen else torch.zeros(0, dtype=torch.long)
    return positions.to(embeddings.device)


@plain_torch()
def near_anchors(
    embeddings: Tensor, anchors: Tensor, n_neighbors: int, n_rows: int
) -> Tensor:
    """Return the rows that are most similar to the anchors whose neighbours they are.

    Each anchor proposes its ``n_neighbors`` most similar rows by cosine. A row's score
    is the mean similarity to the anchors that propose it.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Of the candidates.
    anchors : Tensor of shape (A, D)
        Embeddings of the anchors.
    n_neighbors : int
        Rows that an anchor proposes.
    n_rows : int
        Rows to return, at most.

    Returns
    -------
    Tensor of shape (n,)
        Positions in increasing order; n is ``n_rows``, or less if fewer are proposed.

    See Also
    --------
    class_anchors : Chooses anchors.
    skal_deep.pool.AnchorAL : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import near_anchors
    >>> embeddings = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.1, 1.0]])
    >>> near_anchors(embeddings, embeddings[:1], n_neighbors=2, n_rows=2)
    tensor([0, 2])
    """
    check_counts(n_neighbors=n_neighbors, n_rows=n_rows)
    check_finite(embeddings=embeddings, anchors=anchors)
    unit_ND = normalize(embeddings.float(), dim=1)
    unit_AD = normalize(anchors.to(unit_ND), dim=1)
    total_N = torch.zeros(len(unit_ND), dtype=torch.float64, device=unit_ND.device)
    count_N = torch.zeros_like(total_N)
    size = max(1, _CHUNK // max(1, len(unit_ND)))
    for part_AD in unit_AD.split(size):
        similar_AN = part_AD @ unit_ND.T
        top = similar_AN.topk(min(n_neighbors, len(unit_ND)), dim=1)
        rows = top.indices.reshape(-1)
        total_N.index_add_(0, rows, top.values.reshape(-1).double())
        count_N.index_add_(0, rows, torch.ones_like(rows, dtype=torch.float64))
    proposed = torch.nonzero(count_N)[:, 0]
    if len(proposed) > n_rows:
        mean = total_N[proposed] / count_N[proposed]
        proposed = proposed[mean.argsort(descending=True, stable=True)[:n_rows]]
    return proposed.sort().values
