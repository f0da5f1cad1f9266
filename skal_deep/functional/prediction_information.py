"""EPIG: the information that a label carries about other predictions."""

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite
from skal_deep.functional.information import CHUNK_ELEMENTS, entropy, plogp


def epig(
    samples: Tensor, target_samples: Tensor, target_weights: Tensor | None = None
) -> Tensor:
    """Return the expected predictive information gain (EPIG).

    ``EPIG(x) = mean_* I(y; y_*) = H[p(y)] + mean_* { H[p(y_*)] - H[p(y, y_*)] }``

    with ``p(y, y_*) = mean_s p_s(y | x) p_s(y_* | x_*)``: how much the label of x is
    expected to say about the labels of the targets. Unlike BALD it does not reward
    information about the weights that no target depends on. The cost is N M C^2 S
    operations; the joint probabilities exist for a few rows at a time, in double
    precision, since scores are small differences of large entropies.

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
    scores : Tensor of shape (N,)
        Information in nats, between 0 and the BALD score.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.
    """
    n_draws, n, n_classes = samples.shape
    n_targets = target_samples.shape[1]
    if len(target_samples) != n_draws:
        raise ValueError(
            f"Candidates have {n_draws} draws and targets {len(target_samples)}: they "
            "must be the same."
        )
    check_finite(samples=samples, target_samples=target_samples)
    target_SMC = target_samples.double()
    weight_M = target_SMC.new_ones(n_targets)
    if target_weights is not None:
        check_finite(target_weights=target_weights)
        weight_M = target_weights.to(weight_M)
        if weight_M.min() < 0 or not weight_M.any():
            raise ValueError("target_weights must not be negative, and not all be 0.")
    weight_M = weight_M / weight_M.sum()
    target_SG = target_SMC.reshape(n_draws, -1) / n_draws
    weight_G = weight_M.repeat_interleave(n_classes)
    proba_FS = samples.reshape(n_draws, n * n_classes).T
    joint_F = target_SG.new_empty(n * n_classes)
    size = max(1, CHUNK_ELEMENTS // target_SG.shape[1])
    joint_BG = target_SG.new_empty(min(size, len(joint_F)), target_SG.shape[1])
    scratch_BG = torch.empty_like(joint_BG)
    for start in range(0, len(joint_F), size):
        chunk_BS = proba_FS[start : start + size].double()
        height = len(chunk_BS)
        joint = torch.mm(chunk_BS, target_SG, out=joint_BG[:height])
        joint_F[start : start + size] = plogp(joint, scratch_BG[:height]) @ weight_G
    joint_N = -joint_F.reshape(n, n_classes).sum(-1)
    mean_NC = samples.mean(0, dtype=torch.float64)
    apart_N = entropy(mean_NC) + weight_M @ entropy(target_SMC.mean(0))
    return (apart_N - joint_N).clamp_min(0).to(samples.dtype)


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
