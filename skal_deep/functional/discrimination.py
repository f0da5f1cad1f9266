"""Picks by who can tell unlabelled rows from labelled ones, in sub-batches."""

from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_counts
from skal_deep.functional._picks import Picks


@plain_torch()
def discriminative_batches(
    discriminate: Callable[[Tensor], Tensor],
    batch_size: int,
    *,
    n_sub_batches: int = 10,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Pick the rows that look most unlabelled, and tell them apart anew in between.

    Parameters
    ----------
    discriminate : callable
        ``discriminate(picks)`` trains with the picks so far, a tensor of positions,
        among the labelled rows, and returns how unlabelled each row looks, (N,).
    batch_size : int
        Number of picks b, at most N.
    n_sub_batches : int, default=10
        In how many parts the batch is picked; with fewer picks than that, each is a
        part.
    with_utilities : bool, default=True
        Whether the utilities of all rows are returned, or those of the picks.

    Returns
    -------
    indices : Tensor of shape (b,)
        Distinct rows.
    utilities : Tensor of shape (b, N) or (b,)
        Row t is what was returned for the sub-batch of pick t, 0 at earlier picks.

    See Also
    --------
    skal_deep.pool.DAL : The strategy.

    References
    ----------
    D. Gissin, S. Shalev-Shwartz. Discriminative Active Learning. arXiv:1907.06347,
    2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import discriminative_batches
    >>> scores = torch.tensor([0.1, 0.9, 0.5])
    >>> indices, _ = discriminative_batches(lambda _: scores, 2, n_sub_batches=2)
    >>> indices
    tensor([1, 2])
    """
    check_counts(n_sub_batches=n_sub_batches)
    scores_N = discriminate(torch.empty(0, dtype=torch.int64))
    picks = Picks(scores_N, batch_size, with_utilities)
    sizes = torch.arange(batch_size).tensor_split(min(n_sub_batches, batch_size))
    for part in sizes:
        if picks.rows:
            scores_N = discriminate(torch.tensor(picks.rows))
        for _ in part:
            picks.take(scores_N)
    return picks.answer()
