"""ICAL: batches whose predictions depend most on those for the rest of the pool."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import check_counts, check_finite, check_no_gradient
from skal_deep.functional._chunks import slices
from skal_deep.functional._picks import Picks
from skal_deep.functional.information import chunk_elements

# The paper's kernel, a mean of rational quadratic ones, of two different labels. They
# are always at the same distance, so any radial kernel differs in this number only.
_SCALES = (0.2, 0.5, 1.0, 2.0, 5.0)
_DIFFERENT = sum((1 + 1 / scale) ** -scale for scale in _SCALES) / len(_SCALES)

# So many picks share a pass over the draws, in which the kernels of rows are formed.
# Their scores are kept until then.
_N_AT_ONCE = 16

# Keeps a ratio finite for a probe that depends on nothing; as in the authors' code.
_FLOOR = 1e-8


@plain_torch()
def ical(
    samples: Tensor,
    others: Callable[[int], Tensor],
    batch_size: int,
    *,
    n_condense: int = 200,
    n_probes: int | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose a batch by its dependence on the predictions for the pool (ICAL).

    Dependence is the Hilbert-Schmidt independence criterion (HSIC) over the draws.
    Between the labels y of two rows it is, whatever the radial kernel, a multiple of
    ``|Cov(onehot y_n, onehot y_m)|^2``, C x C covariances over the draws. The paper
    draws one label from each prediction; here the predictions themselves stand for
    them, which have the same covariance without the noise of drawing. Pass one-hot
    labels as ``samples`` for the paper's numbers.

    The score of x at pick t is the HSIC between the mean kernel of a condensing set of
    random rows, another one for each pick, and the mean kernel of the picks so far
    together with x. Were the set always the same, the batch would be the rows with the
    highest scores of their own.

    The kernels of all draws and rows, S x S x N numbers, are formed for some rows at a
    time, and once for 16 picks: condensing sets depend on no pick, and are drawn
    beforehand. That costs ``S^2 N (b + C b / 16)`` operations.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    others : callable
        ``others(n)`` returns the same draws for n random rows of the pool, (S, n, C),
        other ones at each call.
    batch_size : int
        Number of picks b.
    n_condense : int, default=200
        Size of the condensing set, 200 as in the paper.
    n_probes : int, optional
        ICAL-pointwise: from the second pick on, the score is multiplied by how much x
        raises the dependence of the picks on single random rows, ``mean_d
        max(h_d(S + x) / h_d(S), 1) - 1``, so that a row that repeats the picks counts
        for little; this many rows, 20 in the paper. Both h are shifted, as in the
        authors' code, by the larger of their smallest values. ``None`` is plain ICAL.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the scores at pick t; 0 at earlier picks.

    See Also
    --------
    skal_deep.pool.ICAL : The strategy.
    batch_bald : Information about the weights.

    References
    ----------
    S. Jain, G. Liu, D. Gifford. Information Condensing Active Learning.
    arXiv:2002.07916, 2020.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import ical
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> indices, _ = ical(samples, lambda n: samples[:, :n], 1)
    >>> indices
    tensor([0])
    """
    picks = Picks(samples[0], batch_size, with_utilities)
    check_counts(n_condense=n_condense, n_probes=1 if n_probes is None else n_probes)
    check_no_gradient(samples=samples)
    check_finite(samples=samples)
    n_draws = len(samples)
    picked_SS = samples.new_zeros(n_draws, n_draws, dtype=torch.float64)
    with threads_over_parts(samples.device):
        for steps in slices(batch_size, _N_AT_ONCE):
            condense, probes = [], []
            for step in range(steps.start, steps.stop):
                condense.append(_mean_kernel(others(n_condense)))
                if n_probes is not None and step > 0:
                    probes.append(others(n_probes))
            own_KN = dependence(samples, torch.stack(condense))
            for step in range(steps.start, steps.stop):
                at = step - steps.start
                together = (picked_SS * condense[at]).sum() * step
                score_N = (together + own_KN[at]) / (step + 1)
                if n_probes is not None and step > 0:
                    score_N = score_N * _relevance(
                        samples, picked_SS, step, probes.pop(0)
                    )
                own_SS = _mean_kernel(samples[:, picks.take(score_N), None])
                picked_SS = (step * picked_SS + own_SS) / (step + 1)
    return picks.answer()


def _center(samples: Tensor) -> Tensor:
    """Return draws (S, F) minus their means, so scaled that products are HSICs."""
    proba_SF = samples.reshape(len(samples), -1).double()
    scale = math.sqrt((1 - _DIFFERENT) / len(samples))
    return (proba_SF - proba_SF.mean(0)).mul_(scale)


def _mean_kernel(samples: Tensor) -> Tensor:
    """Return the mean over rows of their centred kernels between draws, (S, S)."""
    centred_SF = _center(samples)
    return centred_SF @ centred_SF.T / samples.shape[1]


def dependence(samples: Tensor, kernels: Tensor) -> Tensor:
    """Return the HSIC between each row and some kernels.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws.
    kernels : Tensor of shape (K, S, S)
        Centred kernels between draws.

    Returns
    -------
    hsic : Tensor of shape (K, N)
        ``tr(K_x K)``, in double precision; not negative.
    """
    n_draws, n, n_classes = samples.shape
    kernel_KP = kernels.flatten(1)
    hsic_KN = kernel_KP.new_empty(len(kernels), n)
    widest = max(n_draws, n_classes)
    size = max(1, chunk_elements(samples.device) // (n_draws * widest))

    def begin() -> Callable[[slice], None]:
        room_BSS = kernels.new_empty(min(n, size), n_draws, n_draws)

        def work_on(part: slice) -> None:
            some_SBC = _center(samples[:, part]).unflatten(1, (-1, n_classes))
            some_BSC = some_SBC.transpose(0, 1).contiguous()
            kernel_BSS = room_BSS[: len(some_BSC)]
            torch.bmm(some_BSC, some_BSC.mT, out=kernel_BSS)
            hsic_KN[:, part] = kernel_KP @ kernel_BSS.flatten(1).T

        return work_on

    for_each_part(slices(n, size), begin, samples.device)
    return hsic_KN.clamp_min_(0)


def _relevance(
    samples: Tensor, picked_SS: Tensor, n_picked: int, probes: Tensor
) -> Tensor:
    """Return how much each row raises the dependence of the picks on probes, (N,)."""
    n_draws, n, n_classes = samples.shape
    n_probes = probes.shape[1]
    probe_SG = _center(probes)
    single_ND = probe_SG.new_empty(n, n_probes)
    longest = max(n_draws, probe_SG.shape[1])
    size = max(1, chunk_elements(samples.device) // (n_classes * longest))

    def begin() -> Callable[[slice], None]:
        room_FG = probe_SG.new_empty(min(n, size) * n_classes, probe_SG.shape[1])

        def work_on(part: slice) -> None:
            some_SF = _center(samples[:, part])
            cross_FG = room_FG[: some_SF.shape[1]]
            torch.mm(some_SF.T, probe_SG, out=cross_FG).square_()
            cross_BCDC = cross_FG.view(-1, n_classes, n_probes, n_classes)
            torch.sum(cross_BCDC, (1, 3), out=single_ND[part])

        return work_on

    for_each_part(slices(n, size), begin, samples.device)
    before_D = dependence(probes, picked_SS[None])[0]
    after_ND = (n_picked * before_D + single_ND) / (n_picked + 1)
    shift = torch.maximum(after_ND.min(), before_D.min()) + _FLOOR
    return ((after_ND + shift) / (before_D + shift)).clamp_min(1).mean(1) - 1
