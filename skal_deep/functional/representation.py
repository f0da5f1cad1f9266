"""Representation: picks that have something similar for every row of the data."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import check_finite, check_no_gradient
from skal_deep.functional._chunks import block_shape, chunks, slices
from skal_deep.functional._picks import Picks
from skal_deep.functional.neighbors import unit_rows

# Most rows of a block on a processor: with few candidates a block would have so many
# that threads have little to share, and a cache does not hold them.
_ROWS_OF_A_PART = 2**11


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
    gives other picks. A pick costs ``O(N M D)`` operations, and memory is linear. Where
    there are no more candidates than features, it costs ``O(N M)``: their cosines are
    kept, which are no more numbers than the data.

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
    check_no_gradient(embeddings=embeddings, data=data)
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
    with threads_over_parts(data.device):
        points_ND = unit_rows(embeddings)
        objective = _Objective(points_ND, unit_rows(data))
        for step in range(batch_size):
            gain_N = objective.gains()
            if handicaps is not None:
                gain_N -= handicaps
            pick = picks.take(gain_N.to(points_ND.dtype))
            if step + 1 < batch_size:
                objective.add(pick)
    return picks.answer()


class _Objective:
    """How well picks represent rows of the data.

    Parameters
    ----------
    points_ND : Tensor of shape (N, D)
        Candidates, of length 1.
    data_MD : Tensor of shape (M, D)
        The rows to represent, of length 1.
    """

    def __init__(self, points_ND: Tensor, data_MD: Tensor):
        self._points_ND, self._data_MD = points_ND, data_MD
        self._similar_M = data_MD.new_zeros(len(data_MD))
        self._device = data_MD.device
        height, self._width = block_shape(len(data_MD), len(points_ND), self._device)
        if self._device.type == "cpu":
            height = min(height, _ROWS_OF_A_PART)
        self._parts = list(slices(len(data_MD), height))
        self._cosine_MN: Tensor | None = None
        if len(points_ND) <= points_ND.shape[1]:
            self._cosine_MN = self._all_cosines()

    def _all_cosines(self) -> Tensor:
        """Return the cosines of all rows (M, N) with all candidates."""
        cosine_MN = self._data_MD.new_empty(len(self._data_MD), len(self._points_ND))

        def work_on(part: slice) -> None:
            torch.mm(self._data_MD[part], self._points_ND.T, out=cosine_MN[part])

        for_each_part(self._parts, lambda: work_on, self._device)
        return cosine_MN

    def gains(self) -> Tensor:
        """Return what each candidate would add, (N,), in float64."""
        n = len(self._points_ND)
        gain_N = self._data_MD.new_zeros(n, dtype=torch.float64)
        for columns in slices(n, self._width):
            for gain_n in self._gains_by_part(columns):
                gain_N[columns] += gain_n
        return gain_N

    def _gains_by_part(self, columns: slice) -> Tensor:
        """Return what some candidates would add in each part of the rows, (P, n)."""
        shape = len(self._parts), columns.stop - columns.start
        gain_Pn = self._data_MD.new_empty(shape, dtype=torch.float64)

        def work_on(p: int) -> None:
            more_mn = self._more_similar(self._parts[p], columns)
            torch.sum(more_mn, 0, dtype=torch.float64, out=gain_Pn[p])

        for_each_part(range(len(self._parts)), lambda: work_on, self._device)
        return gain_Pn

    def _more_similar(self, part: slice, columns: slice) -> Tensor:
        """Return by how much more some candidates resemble some rows, (m, n)."""
        similar_m1 = self._similar_M[part, None]
        if self._cosine_MN is not None:
            more_mn = self._cosine_MN[part, columns] - similar_m1
        else:
            more_mn = self._data_MD[part] @ self._points_ND[columns].T
            more_mn.sub_(similar_m1)
        return more_mn.clamp_min_(0)

    def add(self, pick: int) -> None:
        """Take a candidate among the picks."""
        point_D = self._points_ND[pick]

        def work_on(part: slice) -> None:
            similar_m = self._similar_M[part]
            if self._cosine_MN is not None:
                cosine_m = self._cosine_MN[part, pick]
            else:
                cosine_m = self._data_MD[part] @ point_D
            torch.maximum(similar_m, cosine_m, out=similar_m)

        parts = chunks(len(self._data_MD), len(point_D), self._device)
        for_each_part(parts, lambda: work_on, self._device)


def _may_win(handicaps: Tensor, n_data: int, batch_size: int) -> Tensor:
    """Return the rows that may be picked, in order.

    A gain lies between 0 and the number of rows of data, and of as many rows as there
    are picks with the least handicaps, one is always left.
    """
    least_of_picks = handicaps.topk(batch_size, largest=False).values[-1]
    return (handicaps < least_of_picks + n_data).nonzero()[:, 0]
