"""EPIG: the information that a label carries about other predictions."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._card import has_products, product_sums
from skal_deep.functional._checks import check_finite, check_no_gradient
from skal_deep.functional._chunks import block_shape, chunks, slices
from skal_deep.functional.information import plogp


@plain_torch()
def epig(
    samples: Tensor, target_samples: Tensor, target_weights: Tensor | None = None
) -> Tensor:
    """Return the expected predictive information gain (EPIG).

    ``EPIG(x) = mean_* I(y; y_*) = mean_* sum p(y) p(y_*) r log r``

    with ``r = p(y, y_*) / (p(y) p(y_*))`` and ``p(y, y_*) = mean_s p_s(y | x) p_s(y_* |
    x_*)``: how much the label of x is expected to say about the labels of the targets.
    Unlike BALD it does not reward information about the weights that no target depends
    on. The cost is N M C^2 S operations. The ratios exist for a few rows at a time.
    They are close to 1, so that float32 is enough: scores are off by about 1e-7.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.
    target_weights : Tensor of shape (M,), optional
        Weights of the targets in the mean; only their proportions matter.

    Returns
    -------
    Tensor of shape (N,)
        Information in nats, between 0 and the BALD score.

    See Also
    --------
    bald : Information about the weights.
    skal_deep.pool.EPIG : The strategy.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import epig
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> epig(samples, samples)
    tensor([0.1109, 0.0000])
    """
    check_no_gradient(samples=samples, target_samples=target_samples)
    weight_M = _checked(samples, target_samples, target_weights)
    return information_about(samples, target_samples, weight_M)


def information_about(
    samples: Tensor,
    target_samples: Tensor,
    weight_M: Tensor,
    weight_S: Tensor | None = None,
) -> Tensor:
    """Return :func:`epig` of checked draws, which may have weights.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.
    weight_M : Tensor of shape (M,)
        Weights of the targets, with sum 1.
    weight_S : Tensor of shape (S,), optional
        Weights of the draws, with sum 1; ``None`` are equal ones.

    Returns
    -------
    Tensor of shape (N,)
        Information in nats.
    """
    if weight_S is not None:
        # ratios to the mean of a draw without weight may be infinite
        counts_S = weight_S * len(weight_S) > torch.finfo(samples.dtype).eps
        if not counts_S.all():
            samples, target_samples = samples[counts_S], target_samples[counts_S]
            weight_S = weight_S[counts_S]
    n_draws, n, n_classes = samples.shape
    ratio_SG, target_G = _ratios(target_samples, weight_S)
    if weight_S is None:
        ratio_SG /= n_draws
    else:
        ratio_SG *= weight_S.to(ratio_SG)[:, None]
    weight_G = weight_M.repeat_interleave(n_classes).mul_(target_G).to(ratio_SG)
    proba_SF = samples.reshape(n_draws, n * n_classes)
    proba_F = torch.empty(n * n_classes, dtype=torch.float64, device=samples.device)
    information_F = torch.zeros_like(proba_F)
    if has_products(ratio_SG):  # a card does not keep the ratios
        for part in chunks(len(proba_F), 2 * n_draws, proba_F.device):
            ratio_SF, proba_F[part] = _ratios(proba_SF[:, part], weight_S)
            information_F[part] = product_sums(ratio_SG.T, ratio_SF, weight_G)[1]
        return _over_classes(proba_F * information_F, samples)
    height, width = block_shape(len(proba_F), len(weight_G), proba_F.device)
    columns = slices(len(weight_G), width)
    blocks = [(ratio_SG[:, some], weight_G[some]) for some in columns]

    def begin() -> Callable[[slice], None]:
        scratch = ratio_SG.new_empty(height * width)

        def work_on(part: slice) -> None:
            ratio_SF, proba_F[part] = _ratios(proba_SF[:, part], weight_S)
            for ratio_Sg, weight_g in blocks:
                shape = part.stop - part.start, len(weight_g)
                joint_fg = scratch[: math.prod(shape)].view(shape)
                torch.mm(ratio_SF.T, ratio_Sg, out=joint_fg)
                logs_fg = plogp(joint_fg, torch.empty_like(joint_fg))
                information_F[part] += logs_fg @ weight_g

        return work_on

    if proba_F.is_cpu and proba_SF.dtype == torch.float32 and are_compiled():
        begin = _begin_by_loops(
            proba_SF, weight_S, blocks, proba_F, information_F, (height, width)
        )
    for_each_part(slices(len(proba_F), height), begin, proba_F.device)
    return _over_classes(proba_F * information_F, samples)


@plain_torch()
def second_order_epig(
    samples: Tensor, target_samples: Tensor, target_weights: Tensor | None = None
) -> Tensor:
    """Return EPIG to second order, which ranks rows almost as EPIG does.

    ``r log r = (r - 1) + (r - 1)^2 / 2 - ...`` with the ratios r of :func:`epig`. The
    first term sums to 0. The second has a closed form,

    ``sum p(y) p(y_*) (r - 1)^2 = <K_x, K_*> / S^2``

    with ``K = sum_c (p_s - p)(p_t - p) / p``, of shape (S, S). Targets enter by their
    mean K alone. So the cost is ``(N + M) S^2 C`` operations: neither N times M nor C
    squared. Use it to find the rows that are worth exact scores where classes are many.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.
    target_weights : Tensor of shape (M,), optional
        Weights of the targets in the mean; only their proportions matter.

    Returns
    -------
    Tensor of shape (N,)
        Half the mean chi-square divergence, not negative. EPIG is at most
        ``log(1 + 2 score)``.

    See Also
    --------
    epig : The information itself.
    skal_deep.pool.EPIG : The strategy.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import second_order_epig
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> second_order_epig(samples, samples)
    tensor([0.1024, 0.0000])
    """
    check_no_gradient(samples=samples, target_samples=target_samples)
    weight_M = _checked(samples, target_samples, target_weights)
    n_draws, n, n_classes = samples.shape
    with threads_over_parts(samples.device):
        ratio_SG, target_G = _ratios(target_samples)
        weight_G = weight_M.repeat_interleave(n_classes).mul_(target_G)
        kernel_SS = ratio_SG.new_zeros(n_draws, n_draws)
        for part in chunks(len(weight_G), n_draws, weight_G.device):
            offset_Sg = ratio_SG[:, part] - 1
            kernel_SS += (offset_Sg * weight_G[part].to(offset_Sg)) @ offset_Sg.T
        kernel_SS /= 2 * n_draws**2
        proba_SF = samples.reshape(n_draws, n * n_classes)
        score_F = proba_SF.new_empty(n * n_classes, dtype=torch.float64)

        def work_on(part: slice) -> None:
            ratio_Sf, proba_f = _ratios(proba_SF[:, part])
            ratio_Sf -= 1
            score_F[part] = proba_f * (kernel_SS @ ratio_Sf).mul_(ratio_Sf).sum(0)

        parts = chunks(len(score_F), n_draws, score_F.device)
        for_each_part(parts, lambda: work_on, score_F.device)
    return _over_classes(score_F, samples)


def _over_classes(score_F: Tensor, samples: Tensor) -> Tensor:
    """Return sums over the classes of samples, in their type and not below 0, (N,)."""
    score_N = score_F.reshape(samples.shape[1:]).sum(-1)
    return score_N.clamp_min_(0).to(samples.dtype)


def with_exact(estimates: Tensor, rows: Tensor, exact: Tensor) -> Tensor:
    """Return estimates of scores in which some are replaced by exact ones.

    The others are brought to the scale of the exact scores, and to no more than the
    smallest of these: an estimate never wins over a row that was looked at.

    Parameters
    ----------
    estimates : Tensor of shape (N,)
        Not negative.
    rows : Tensor of shape (b,)
        The rows with the highest estimates.
    exact : Tensor of shape (b,)
        Their scores.

    Returns
    -------
    scores : Tensor of shape (N,)
        Not negative.
    """
    total = estimates[rows].sum()
    scale = exact.sum() / total if total > 0 else torch.ones_like(total)
    return (estimates * scale).clamp_max(exact.min()).index_copy(0, rows, exact)


def _begin_by_loops(
    proba_SF: Tensor,
    weight_S: Tensor | None,
    blocks: list[tuple[Tensor, Tensor]],
    proba_F: Tensor,
    information_F: Tensor,
    shape: tuple[int, int],
) -> Callable[[], Callable[[slice], None]]:
    """Return what :func:`information_about` begins a thread by, with compiled loops.

    Threads would wait for each other in every operation of torch, be it a view, as each
    gives Python's lock away and asks for it again. Of a block a product and a loop do.
    """
    from skal_deep.functional import _loops

    n_draws, (height, width) = len(proba_SF), shape
    if weight_S is None:
        weight_S = proba_F.new_full((n_draws,), 1 / n_draws)
    tensors = proba_SF, weight_S.double(), proba_F, information_F
    draws, draw_weights, means, totals = (tensor.numpy() for tensor in tensors)
    columns = [(ratio_SG, weight_G.numpy()) for ratio_SG, weight_G in blocks]

    def begin() -> Callable[[slice], None]:
        room = proba_SF.new_empty(n_draws * height)
        scratch = proba_SF.new_empty(height * width)

        @cache
        def room_for(n_rows: int) -> tuple[Tensor, Any, list[tuple[Tensor, Any]]]:
            ratio_SF = room[: n_draws * n_rows].view(n_draws, n_rows)
            joints = [scratch[: n_rows * len(w)].view(n_rows, -1) for _, w in columns]
            return ratio_SF.T, ratio_SF.numpy(), [(q, q.numpy()) for q in joints]

        def work_on(part: slice) -> None:
            ratio_FS, ratio, joints = room_for(part.stop - part.start)
            _loops.ratios(draw_weights, draws[:, part], ratio, means[part])
            for (ratio_SG, weight), (joint_FG, joint) in zip(
                columns, joints, strict=True
            ):
                torch.mm(ratio_FS, ratio_SG, out=joint_FG)
                _loops.add_plogp(joint, weight, totals[part])

        return work_on

    return begin


def _checked(
    samples: Tensor, target_samples: Tensor, target_weights: Tensor | None
) -> Tensor:
    """Return the weights (M,) of the targets in float64, with sum 1."""
    if len(target_samples) != len(samples):
        raise ValueError(
            f"Candidates have {len(samples)} draws and targets {len(target_samples)}: "
            "they must be the same."
        )
    check_finite(samples=samples, target_samples=target_samples)
    weight_M = target_samples.new_ones(target_samples.shape[1], dtype=torch.float64)
    if target_weights is not None:
        check_finite(target_weights=target_weights)
        weight_M = target_weights.to(weight_M)
        if weight_M.min() < 0 or not weight_M.any():
            raise ValueError("target_weights must not be negative, and not all be 0.")
    return weight_M / weight_M.sum()


def _ratios(samples: Tensor, weight_S: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return draws over their mean, of shape (S, F), and the mean (F,) in float64.

    The ratios are in float32, or in float64 where the draws are. They are 0 where the
    mean is 0.
    """
    samples_SF = samples.flatten(1)
    if weight_S is not None:  # which are not small, so that ratios are not large
        mean_F = weight_S.to(samples_SF) @ samples_SF
        return samples_SF / torch.where(mean_F > 0, mean_F, 1), mean_F.double()
    mean_F = samples_SF.mean(0, dtype=torch.float64)
    # of the smallest numbers there are, the inverse may be none
    ratio_SF = samples_SF.double() / torch.where(mean_F > 0, mean_F, 1)
    dtype = torch.promote_types(samples.dtype, torch.float32)
    return ratio_SF.to(dtype), mean_F


def class_weights(target_proba: Tensor, class_proba: Tensor) -> Tensor:
    """Return weights that give targets the class distribution that is known of them.

    ``w_m`` is proportional to ``sum_c q_c p_mc / mean_m p_mc``: a target counts more
    where it seems to belong to a class that the targets at hand show too little of.

    Parameters
    ----------
    target_proba : Tensor of shape (M, C)
        Predicted class probabilities p of the targets at hand.
    class_proba : Tensor of shape (C,)
        Distribution q of the classes among the targets that matter.

    Returns
    -------
    weights : Tensor of shape (M,)
        Weights with mean 1; all 1 if q lies on classes that no target can have.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.
    """
    shown_C = target_proba.mean(0)
    ratio_C = torch.where(shown_C > 0, class_proba.to(shown_C) / shown_C, 0)
    weight_M = target_proba @ ratio_C
    return weight_M / weight_M.mean() if weight_M.any() else torch.ones_like(weight_M)
