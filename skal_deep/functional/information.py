"""Entropy and mutual information of predictions."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part
from skal_deep.functional._card import divergences, has_loops
from skal_deep.functional._checks import check_finite, check_no_gradient
from skal_deep.functional._chunks import memory_budget, slices

# Elements of a temporary array: 2 MiB in float32, which a processor's cache holds.
_IN_CACHE = 2**19
# Elements that take longer, about a millisecond, than to start a thread.
_WORTH_A_THREAD = 2**20
# Threads with which torch takes logarithms as fast as numpy with its one.
_WORTH_OF_NUMPY = 3


def chunk_elements(device: torch.device) -> int:
    """Return how many elements a temporary array of predictions may have.

    Parameters
    ----------
    device : torch.device
        Where the array is to be.
    """
    return _IN_CACHE if device.type == "cpu" else memory_budget(device)


@plain_torch()
def entropy(probas: Tensor) -> Tensor:
    """Return the Shannon entropy of the last axis in nats, exact at 0.

    Parameters
    ----------
    probas : Tensor of shape (..., C)
        Probabilities.

    Returns
    -------
    Tensor of shape (...)
        ``- sum_c p_c log p_c``, between 0 and log C.

    See Also
    --------
    predictive_entropy : Of the mean of draws.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import entropy
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> entropy(probas)
    tensor([0.3251, 0.6730])
    """
    check_finite(probas=probas)
    entropies: Tensor = torch.special.entr(probas).sum(-1)
    return entropies


def plogp(probas: Tensor, out: Tensor) -> Tensor:
    """Return ``p log p``, exact at 0, without a new array.

    Parameters
    ----------
    probas : Tensor
        Probabilities.
    out : Tensor
        Tensor to write the result to, of the same shape.

    Returns
    -------
    out : Tensor
        0 where p is 0: the smallest positive number stands in under the logarithm.
    """
    torch.clamp_min(probas, torch.finfo(probas.dtype).tiny, out=out)
    return _log_(out).mul_(probas)


def _log_(positive: Tensor) -> Tensor:
    """Take the logarithm in place, of an array on the processor by numpy if quicker."""
    is_plain = positive.is_cpu and positive.dtype in (torch.float32, torch.float64)
    if not is_plain or torch.get_num_threads() > _WORTH_OF_NUMPY:
        return positive.log_()
    array = positive.numpy()
    np.log(array, out=array)
    return positive


def divergence(
    weight_R: Tensor | None, proba_RNC: Tensor, *, is_positive: bool = False
) -> Tensor:
    """Return how far weighted distributions lie apart (Jensen-Shannon divergence).

    ``H[sum_r w_r p_r] - sum_r w_r H[p_r]``, by a compiled loop for float32 on the
    processor and on a card, else a chunk at a time by torch.

    Parameters
    ----------
    weight_R : Tensor of shape (R,) or None
        Weights w, with sum 1; ``None`` are equal ones.
    proba_RNC : Tensor of shape (R, N, C)
        Distributions p over C classes, R of them for each row.
    is_positive : bool, default=False
        Whether the caller is sure that nothing is below 0 or no number. A card is then
        not waited for.

    Returns
    -------
    divergence_N : Tensor of shape (N,)
        In nats, between 0 and ``H[w]``.
    """
    n_rows, n, n_classes = proba_RNC.shape
    loop = compiled_divergence(proba_RNC)
    if loop is not None:
        divergence_N = proba_RNC.new_empty(n)
        if weight_R is None:
            weight_R = proba_RNC.new_full((n_rows,), 1 / n_rows)
        tensors = weight_R, proba_RNC.contiguous(), divergence_N
        weight, proba, out = (tensor.numpy() for tensor in tensors)
        size = max(1, _WORTH_A_THREAD // max(1, n_rows * n_classes))

        def work_on(part: slice) -> None:
            loop(weight, proba, out, part.start, part.stop)

        for_each_part(slices(n, size), lambda: work_on, proba_RNC.device)
        return divergence_N.clamp_min_(0)  # rounding can go below
    if has_loops(proba_RNC):
        return divergences(weight_R, proba_RNC)
    is_quick = is_positive or not proba_RNC.is_cpu
    divergence_N = _by_chunks(weight_R, proba_RNC, is_quick)
    if is_quick and not (is_positive or divergence_N.isfinite().all()):
        divergence_N = _by_chunks(weight_R, proba_RNC, False)  # round-off below 0
    return divergence_N.clamp_min_(0)


def compiled_divergence(probas: Tensor) -> Callable[..., None] | None:
    """Return the loop that :func:`divergence` runs for such probabilities, if any.

    For who shares its parts among threads: it works without Python's lock, and what it
    writes may be below 0 by round-off.
    """
    is_single = probas.is_cpu and probas.dtype == torch.float32
    if not (is_single and are_compiled()):
        return None
    from skal_deep.functional import _loops

    return _loops.divergence


def _by_chunks(
    weight_R: Tensor | None, proba_RNC: Tensor, are_positive: bool
) -> Tensor:
    """Return divergences, a chunk of columns at a time.

    Of positive numbers ``p log p`` takes one way to memory and back in place of three.
    """
    n_rows, n, n_classes = proba_RNC.shape
    proba_RF = proba_RNC.reshape(n_rows, n * n_classes)
    divergence_F = proba_RF.new_empty(n * n_classes)
    size = max(1, chunk_elements(proba_RF.device) // n_rows)
    scratch_Rf = proba_RF.new_empty(n_rows, min(size, len(divergence_F)))
    for part in slices(len(divergence_F), size):
        chunk_Rf = proba_RF[:, part]
        # a mean may be below 0 by round-off, too, where an entropy is not defined
        entropy_f = torch.special.entr(_average(weight_R, chunk_Rf).clamp_min_(0))
        logs_Rf = scratch_Rf[:, : chunk_Rf.shape[1]]
        if are_positive:
            torch.special.entr(chunk_Rf, out=logs_Rf)
            torch.sub(entropy_f, _average(weight_R, logs_Rf), out=divergence_F[part])
        else:
            expected_f = _average(weight_R, plogp(chunk_Rf, logs_Rf))
            torch.add(expected_f, entropy_f, out=divergence_F[part])
    return divergence_F.reshape(n, n_classes).sum(-1)


def _average(weight_R: Tensor | None, values_Rf: Tensor) -> Tensor:
    """Return weighted means, (f,)."""
    return values_Rf.mean(0) if weight_R is None else weight_R @ values_Rf


@plain_torch()
def predictive_entropy(samples: Tensor) -> Tensor:
    """Return the entropy of the mean prediction.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        ``H[mean_s p_s]`` in nats, between 0 and log C.

    See Also
    --------
    bald : What of it a label would remove.
    skal_deep.pool.PredictiveEntropy : The strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import predictive_entropy
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> predictive_entropy(samples)
    tensor([0.6931, 0.6931])
    """
    check_finite(samples=samples)
    return entropy(samples.mean(0))


@plain_torch()
def bald(samples: Tensor) -> Tensor:
    """Return the mutual information between label and weights (BALD).

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws of the class probabilities.

    Returns
    -------
    Tensor of shape (N,)
        ``H[mean_s p_s] - mean_s H[p_s]`` in nats, between 0 and log min(S, C). In
        float32, differences below 1e-6 are round-off.

    See Also
    --------
    batch_bald : The information of a batch.
    skal_deep.pool.BALD : The strategy.

    References
    ----------
    N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel. Bayesian Active Learning for
    Classification and Preference Learning. arXiv:1112.5745, 2011.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import bald
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> bald(samples)
    tensor([0.3681, 0.0000])
    """
    check_no_gradient(samples=samples)
    scores = divergence(None, samples)
    if not math.isfinite(float(scores.sum())):  # as where any draw of the row is not
        check_finite(samples=samples)  # a look at all of them takes as long as the rest
    return scores
