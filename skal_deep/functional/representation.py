"""Representation: picks that have something similar for every row of the data."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite
from skal_deep.functional._chunks import block_shape, slices
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import unit_rows


@plain_torch()
def suggestive_annotation(
    embeddings: Tensor,
    data: Tensor,
    batch_size: int,
    *,
    handicaps: Tensor | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose greedily what represents the data best, by cosine similarity.

    The objective is ``F(S) = sum_m max(0, max_{s in S} cos(x_m, s))``. It is
    submodular, so greedy picks reach at least 1 - 1/e of the best value. A row that
    resembles no pick counts 0: starting from -1 in place of 0, as some code does,
    gives other picks. A pick costs ``O(N M D)`` operations, and memory is linear.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Candidates.
    data : Tensor of shape (M, D)
        The rows to represent.
    batch_size : int
        Number of picks b.
    handicaps : Tensor of shape (N,), optional
        Number taken off the gains of each candidate; ``None`` takes off nothing.
    with_utilities : bool, default=True
        Whether to keep the utilities of all candidates.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds what each candidate would add to F at pick t, less its handicap; 0
        at earlier picks. Of shape (b,), those of the picks alone, if the others are
        not asked for.

    See Also
    --------
    skal_deep.pool.SuggestiveAnnotation : The strategy.
    max_herding : Coverage by a kernel.

    References
    ----------
    L. Yang, Y. Zhang, J. Chen, S. Zhang, D. Z. Chen. Suggestive Annotation: A Deep
    Active Learning Framework for Biomedical Image Segmentation. MICCAI, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import suggestive_annotation
    >>> embeddings = torch.tensor([[0.0, 0.1], [0.1, 0.0], [4.0, 4.0], [4.1, 4.0]])
    >>> indices, _ = suggestive_annotation(embeddings, embeddings, 1)
    >>> indices
    tensor([2])
    """
    picks = Picks(embeddings, batch_size, with_utilities)
    check_finite(embeddings=embeddings, data=data)
    if handicaps is not None:
        check_finite(handicaps=handicaps)
    if handicaps is not None and not with_utilities:
        worth = _may_win(handicaps, len(data), batch_size)
        if len(worth) < len(embeddings):
            rows, utilities = suggestive_annotation(
                embeddings[worth],
                data,
                batch_size,
                handicaps=handicaps[worth],
                with_utilities=False,
            )
            return worth[rows], utilities
    points_ND, data_MD = unit_rows(embeddings), unit_rows(data)
    similar_M = data_MD.new_zeros(len(data))
    height, width = block_shape(len(data_MD), len(points_ND), data.device)
    for step in range(batch_size):
        gain_N = torch.zeros(len(points_ND), dtype=torch.float64, device=data.device)
        for part in slices(len(data_MD), height):
            for columns in slices(len(points_ND), width):
                cosine_mn = data_MD[part] @ points_ND[columns].T
                cosine_mn.sub_(similar_M[part, None]).clamp_min_(0)
                gain_N[columns] += cosine_mn.sum(0, dtype=torch.float64)
        if handicaps is not None:
            gain_N -= handicaps
        pick = picks.take(gain_N.to(points_ND.dtype))
        if step + 1 < batch_size:
            similar_M = torch.maximum(similar_M, data_MD @ points_ND[pick])
    return picks.answer()


def _may_win(handicaps: Tensor, n_data: int, batch_size: int) -> Tensor:
    """Return the rows that may be picked, in order.

    A gain lies between 0 and the number of rows of data, and of as many rows as there
    are picks with the least handicaps, one is always left.
    """
    least_of_picks = handicaps.topk(batch_size, largest=False).values[-1]
    return (handicaps < least_of_picks + n_data).nonzero()[:, 0]
