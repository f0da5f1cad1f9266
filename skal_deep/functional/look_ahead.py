"""How predictions for other inputs are expected to change with labels of a batch."""

import torch
from torch import Tensor

from skal_deep.functional._checks import (
    check_counts,
    check_finite,
    check_no_gradient,
    own_generator,
)
from skal_deep.functional._chunks import chunks
from skal_deep.functional._configurations import Configurations
from skal_deep.functional._picks import Picks
from skal_deep.functional.information import entropy, plogp


def core_mse(samples: Tensor, target_samples: Tensor) -> Tensor:
    """Return the expected squared change of the predictions for the targets.

    With Bayes' weights ``w_s(y|x) = p_s(y|x) / sum_s p_s(y|x)`` of the draws,

    ``CoreMSE(x) = E_y mean_m sum_c (sum_s w_s(y|x) p_s(c|x_m) - mean_s p_s(c|x_m))^2``

    with y from the mean prediction for x: the expected drop of the Brier score of the
    mean prediction. The targets enter by the Gram matrix of their centred draws only,
    so the cost is ``S^2 (M + N) C`` operations.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.

    Returns
    -------
    Tensor of shape (N,)
        Expected squared change, between 0 and 2.

    See Also
    --------
    epig : Information in place of squares.
    skal_deep.pool.CoreMSE : The strategy.

    Notes
    -----
    The official code weighs the draws alike after a label, which computes another
    quantity than the paper's. Here it is the paper's.

    References
    ----------
    W. Tan, L. Du, W. Buntine. Diversity Enhanced Active Learning with Strictly Proper
    Scoring Rules. NeurIPS, 2021.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import core_mse
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> core_mse(samples, samples)
    tensor([0.1024, 0.0000])
    """
    _check_draws(samples, target_samples)
    n_draws, n_targets = len(samples), target_samples.shape[1]
    target_SF = target_samples.double().flatten(1)
    target_SF = target_SF - target_SF.mean(0)
    gram_SS = (target_SF @ target_SF.T) / (n_targets * n_draws**2)
    score_N = gram_SS.new_empty(samples.shape[1])
    for part in chunks(samples.shape[1], samples.shape[2] * n_draws, samples.device):
        proba_SF = samples[:, part].double().flatten(1)
        mean_F = proba_SF.mean(0)
        # The Gram matrix is that of centred rows: the mean adds nothing but round-off.
        proba_SF = proba_SF - mean_F
        change_F = (proba_SF * (gram_SS @ proba_SF)).sum(0)
        # A label that no draw thinks possible changes nothing.
        change_F = torch.where(mean_F > 0, change_F / mean_F, 0)
        score_N[part] = change_F.reshape(-1, samples.shape[2]).sum(-1)
    return score_N.clamp_min(0).to(samples.dtype)


def batch_epig(
    samples: Tensor,
    target_samples: Tensor,
    batch_size: int,
    *,
    n_configurations: int = 100,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose greedily the batch whose labels say most about those of the targets.

    The objective is ``mean_* I(y_B; y_*)``. By the chain rule a pick x adds
    ``E_{y_B} mean_* I(y; y_* | y_B)``, that is, :func:`epig` under the weights that
    labels of the batch give the draws, averaged over these labels: all of them as
    long as ``C^t`` is at most ``n_configurations``, sampled ones after that. Nothing is
    fitted again. Pick t costs ``min(C^t, n_configurations)`` times as much as
    :func:`epig`.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.
    batch_size : int
        Number of picks b.
    n_configurations : int, default=100
        Largest number of joint labels of the batch that are enumerated, and about how
        many are sampled.
    generator : torch.Generator, optional
        Draws joint labels where they are too many; ``None`` is a fresh one.
    with_utilities : bool, default=True
        Whether to keep the utilities of all candidates.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds ``mean_* I(y_B, y; y_*)`` in nats of the t picks so far together
        with each candidate; 0 at earlier picks. Of shape (b,), those of the picks
        alone, if the others are not asked for.

    See Also
    --------
    epig : The information of one row.
    skal_deep.pool.BatchEPIG : The strategy.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import batch_epig
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> indices, _ = batch_epig(samples, samples, 1)
    >>> indices
    tensor([0])
    """
    check_counts(n_configurations=n_configurations)
    check_no_gradient(samples=samples, target_samples=target_samples)
    _check_draws(samples, target_samples)
    generator = own_generator(generator)
    picks = Picks(samples[0], batch_size, with_utilities)
    known = Configurations(samples.double(), n_configurations)
    target_SMC = target_samples.double()
    total = 0.0
    for step in range(batch_size):
        gain_N = torch.zeros(
            samples.shape[1], dtype=torch.float64, device=samples.device
        )
        for pi, weight_S in zip(known.pi_M.tolist(), known.weight_MS, strict=True):
            if pi > 0:
                gain_N += pi * _information(samples, target_SMC, weight_S)
        utility_N = gain_N.clamp_min(0) + total
        pick = picks.take(utility_N)
        total = float(utility_N[pick])
        if step + 1 < batch_size:
            known.learn(samples[:, pick].double(), generator)
    return picks.answer()


def _information(samples: Tensor, target_SMC: Tensor, weight_S: Tensor) -> Tensor:
    """Return ``mean_* I(y; y_*)`` of shape (N,) under weights of the draws."""
    n_draws, n, n_classes = samples.shape
    n_targets = target_SMC.shape[1]
    weighted_SG = (target_SMC * weight_S[:, None, None]).flatten(1)
    proba_FS = samples.reshape(n_draws, -1).T
    joint_F = target_SMC.new_empty(n * n_classes)
    for part in chunks(len(joint_F), weighted_SG.shape[1], joint_F.device):
        joint_BG = proba_FS[part].double() @ weighted_SG
        joint_F[part] = plogp(joint_BG, torch.empty_like(joint_BG)).sum(-1)
    minus_joint_N = joint_F.reshape(n, n_classes).sum(-1) / n_targets
    mean_NC = (proba_FS.double() @ weight_S).reshape(n, n_classes)
    apart_N = (
        entropy(mean_NC)
        + entropy(weighted_SG.sum(0).reshape(n_targets, n_classes)).mean()
    )
    return apart_N + minus_joint_N


def _check_draws(samples: Tensor, target_samples: Tensor) -> None:
    """Raise unless candidates and targets have the same draws and classes."""
    if len(samples) != len(target_samples):
        raise ValueError(
            f"Candidates have {len(samples)} draws and targets {len(target_samples)}: "
            "they must be the same."
        )
    if samples.shape[2] != target_samples.shape[2]:
        raise ValueError(
            f"Candidates have {samples.shape[2]} classes and targets "
            f"{target_samples.shape[2]}: they must be the same."
        )
    check_finite(samples=samples, target_samples=target_samples)
